"""Updates of the network against the original's: Q, targets, errors, weights, averages."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn_port.errors import TraceError
from dqn_port.systems.simple_dqn.deepqnetwork import DeepQNetwork
from dqn_port.systems.simple_dqn.layers import Network, to_neon
from dqn_port.systems.simple_dqn.replay_memory import Minibatch
from dqn_port.systems.simple_dqn.system import SYSTEM
from dqn_port.verify.comparing import Comparer, counted, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

Array = NDArray[Any]

_Q: Final = 2e-6
"""Of Q, cost and errors, where the largest is below 1; else of the largest."""
_SUMS: Final = 2e-6
"""Of sums over a tensor, relative where they are above 1."""

# Where PyTorch computes the network, in another order: with batch normalisation, without the
# kernels, on a GPU. By a part of the set's name, else the usual one. The order also depends on
# the processor: small_bn's sums are up to 1.4e-5 off with the kernels for one or the other.
_Q_OF: Final = (("bn", 1e-5), ("full_adam", 1e-5), ("adadelta_noclip", 1e-5))
"""Batch normalisation, Adam and Adadelta, which divide a gradient by its own size, amplify
rounding."""
_USUAL_SUMS: Final = 4e-6
_SUMS_OF: Final = (("full_bn", 4e-4), ("small_bn", 2e-5), ("full_adam", 2e-4), ("noclip", 1e-4))
_STATES_OF: Final = (
    ("full_adam", 2e-3),
    ("full_adadelta", 2e-5),
    ("small_bn", 2e-5),
    ("noclip", 1e-3),
)
"""Of the optimiser's averages. In the sixth update of full_adam a unit is on here and off there,
its value being within 1e-7 of 0; one of these averages then differs by a thousandth."""
_FLOAT64: Final = 1e-13
_FINAL: Final = 2e-6
"""Of single weights and averages."""


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Do the updates of every set, and compare everything in the trace."""
    done, total = 0, len(trace.meta)
    for name in trace.meta:
        done += _Set(trace, compare, name, replaying).replay()
        replaying.tell(list(trace.meta).index(name) + 1, total)
    compare.what = f"{plural(done, 'update')} of {plural(total, 'set')}"


class _Set:
    """The updates of one set of options."""

    def __init__(self, trace: Trace, compare: Comparer, name: str, replaying: Replaying) -> None:
        self.trace, self.compare, self.name = trace, compare, name
        self.meta: Mapping[str, Any] = trace.key(name, dict)
        settings = trace.key("settings", dict, of=self.meta, where=name)
        neon = trace.key("neon", str, of=self.meta, where=name)
        assignments = [f"{key}={_word(value)}" for key, value in settings.items()]
        self.options = SYSTEM.load(
            assignments=[*assignments, "game=toyA", f"neon={neon[:3].replace('1.5', '1.8')}",
                         "backend=cpu", "replay_size=1000"],
        )  # fmt: skip
        self.n_actions = trace.key("n_actions", int, of=self.meta, where=name)
        self.net = DeepQNetwork(self.options, self.n_actions, device=replaying.device)

    def replay(self) -> int:
        """Compare the first weights, every update, and the ends; return the updates."""
        self._inputs()
        n_updates = self.trace.key("n_updates", int, of=self.meta, where=self.name)
        n = self.trace.key("compare_updates", int, of=self.meta, where=self.name)
        self._first_weights()
        rows: dict[str, list[Array]] = {}
        target_stat = np.empty(0)
        for u in range(n):
            if u in (0, n_updates // 2) and self.options["target_steps"]:
                self.net.update_target_network()
                target_stat = self._stat(self.net.target_model)
            minibatch = self._minibatch(u)
            q = self.net.predict(minibatch.prestates)
            cost = self.net.train(minibatch, u // 4)
            row = {
                "q_before": q,
                "deltas": self.net.last_deltas.T,
                "cost": np.array(cost),
                "stat": self._stat(self.net.model),
            }
            row["target_stat"] = row["stat"]
            if self.options["target_steps"]:
                row |= {"target_q": self.net.last_target_q.T, "target_stat": target_stat}
            for key, array in row.items():
                rows.setdefault(key, []).append(array)
        for key, arrays in rows.items():
            self._compare(key, np.array(arrays))
        if n == n_updates:
            self._ends()
        else:
            why = f"only the first {n} of {n_updates} updates can be compared"
            for ends in ("final", "optstate"):
                self.compare.skip(f"{self.name}_{ends}_*", why)
        return n

    def _tolerance(self, exact: float, usual: float, table: tuple[tuple[str, float], ...]) -> float:
        if "float64" in self.name:
            return _FLOAT64
        if self.net.is_exact:
            return exact
        return next((value for part, value in table if part in self.name), usual)

    def _inputs(self) -> None:
        expected = self.trace.key("batch0_sha256", dict, of=self.meta, where=self.name)
        for which, key in enumerate(("s", "s2")):
            got = hashlib.sha256(self._states(0, which).tobytes()).hexdigest()
            self.compare.value(f"{self.name} batch0_sha256", expected.get(key), got, key)

    def _states(self, v: int, which: int) -> NDArray[np.uint8]:
        names = ("batch_size", "history_length", "screen_height", "screen_width")
        return _states(v, which, tuple(self.options[name] for name in names))

    def _minibatch(self, u: int) -> Minibatch:
        b = np.arange(self.options["batch_size"])
        return Minibatch(
            self._states(u % 5, 0),
            ((u * 7 + b * 3) % self.n_actions).astype(np.uint8),
            ((u * 5 + b * 11) % 9 - 4).astype(np.int64),
            self._states(u % 5, 1),
            (u + b * 3) % 7 == 0,
        )

    def _tensors(self, model: Network) -> dict[str, Array]:
        """Return the tensors by the trace's names, in Neon's shape."""
        return {
            f"{i}_{name}": to_neon(tensor.detach().cpu().numpy())
            for i, layer in enumerate(model.tensors())
            for name, tensor in layer.params.items()
        }

    def _stat(self, model: Network) -> Array:
        tensors = (tensor for layer in model.tensors() for tensor in layer.params.values())
        return np.array([sums_of(tensor) for tensor in tensors])

    def _first_weights(self) -> None:
        models = {"init": self.net.model}
        if self.options["target_steps"]:
            models["target_init"] = self.net.target_model
        params = self.trace.key("params", list, of=self.meta, where=self.name)
        tensors = self._tensors(self.net.model)
        shapes = [f"{name} {'x'.join(map(str, t.shape))}" for name, t in tensors.items()]
        self.compare.value(f"{self.name} params", params, shapes)
        for prefix, model in models.items():
            hashes = self.trace.key(f"{prefix}_sha256", dict, of=self.meta, where=self.name)
            for name, tensor in self._tensors(model).items():
                if name in hashes:
                    got = hashlib.sha256(np.ascontiguousarray(tensor).tobytes()).hexdigest()
                    self.compare.value(f"{self.name} {prefix}_sha256", hashes[name], got, name)
        for name, tensor in tensors.items():
            key = f"{self.name}_init_{name}_first8"
            if self.compare.holds(key):
                self.compare.array(key, tensor.reshape(-1)[:8])

    def _compare(self, key: str, got: Array) -> None:
        name = f"{self.name}_{key}"
        expected = np.abs(self.trace.numbers(name, ndim=got.ndim)[: len(got)])
        if key.endswith("stat"):
            tolerance = self._tolerance(_SUMS, _USUAL_SUMS, _SUMS_OF) * np.maximum(1, expected)
        else:
            axes = tuple(range(1, got.ndim))
            most = expected.max(axis=axes) if axes else expected
            tolerance = self._tolerance(_Q, _Q, _Q_OF) * np.maximum(1, most)
        self.compare.array(
            name,
            got,
            tolerance=tolerance,
            where=counted("update"),
            rows=len(got),
            sums=key.endswith("stat"),
        )

    def _ends(self) -> None:
        if self.net.is_exact:
            hashes = self.trace.key("final_sha256", dict, of=self.meta, where=self.name)
            for name, tensor in self._tensors(self.net.model).items():
                digest = hashlib.sha256(np.ascontiguousarray(tensor).tobytes()).hexdigest()
                self.compare.value(f"{self.name} final_sha256", hashes.get(name), digest, name)
        tolerance = self._tolerance(_FINAL, _FINAL, _Q_OF)
        for name, tensor in self._tensors(self.net.model).items():
            for part, at in (("first16", slice(16)), ("last16", slice(-16, None))):
                key = f"{self.name}_final_{name}_{part}"
                self.compare.array(key, tensor.reshape(-1)[at], tolerance=tolerance)
        sums = self._tolerance(_SUMS, _USUAL_SUMS, _STATES_OF)
        for i, layer in enumerate(self.net.model.tensors()):
            states = [s for n in layer.learnt for s in self.net.states[f"{layer.name}.{n}"]]
            for m, state in enumerate(states):
                key = f"{self.name}_optstate_{i}_{m}_stat"
                got = np.array(sums_of(state))
                bounds = sums * np.maximum(1, np.abs(self.trace.numbers(key, ndim=1)))
                self.compare.array(key, got, tolerance=bounds, sums=True)


def sums_of(tensor: Tensor) -> tuple[float, float, float]:
    """Return sum, sum of squares and largest absolute value, summed in double without a copy."""
    x = tensor.detach()
    norm = float(torch.linalg.vector_norm(x, dtype=torch.float64))
    return float(x.sum(dtype=torch.float64)), norm**2, float(x.abs().max())


@functools.lru_cache(maxsize=16)
def _states(v: int, which: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the screens of a minibatch by the trace's formula."""
    b = np.arange(shape[0], dtype=np.int64)[:, None]
    j = np.arange(np.prod(shape[1:]), dtype=np.int64)
    h = (v * 1000003 + b * 8191 + j * 131 + which * 524287 + 12345) % 65536
    for _ in range(2):
        h = (h * 25173 + 13849) % 65536
    return (h // 256).astype(np.uint8).reshape(shape)


def _word(value: Any) -> str:
    if not isinstance(value, bool | int | float | str):
        raise TraceError(f"settings: expected numbers, texts and booleans, got {value!r:.60}")
    return str(value).lower() if isinstance(value, bool) else str(value)
