"""The network as TensorFlow computed it: values, losses, gradients, RMSProp."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.systems.hvass16.neural_network import SLOT, NeuralNetwork
from dqn_port.systems.hvass16.traces.formulas import mix, probes, sums, tensors
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

Q: Final = 5e-7
"""How far a Q-value may be off, after updates, too; TensorFlow's two versions differ by 4e-8."""
LOSS: Final = 1e-6
WEIGHT: Final = 2e-8
"""After an update of about 1e-3; TensorFlow's two versions differ by 4e-9."""
_MEAN_SQUARE: Final = 1e-6
_GRADIENT: Final = 1e-5
_ROUNDING: Final = 3e-7
"""Relative to a layer's mean input: what is smaller may be of either sign."""
_RELATIVE: Final = 2e-6
"""Of sums of a layer's outputs, or of a tensor."""


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Compute every case on the device."""
    cases = trace.key("cases", dict)
    for name, about in cases.items():
        _Case(name, about, trace, compare, replaying).run()
    compare.what = plural(len(cases), "network")


class _Case:
    """A network with weights by formula, and its updates."""

    def __init__(
        self, name: str, about: Any, trace: Trace, compare: Comparer, replaying: Replaying
    ) -> None:
        self._name, self._compare, self._replaying = name, compare, replaying
        self._about, self._trace = about, trace
        inputs = trace.key("inputs", dict, of=about, where=f"cases.{name}")
        self._batch, self._salt, self._lr = inputs["batch"], inputs["salt"], inputs["lr"]
        height, width, channels = inputs["state"]
        self._shape = (height, width, channels)
        self._actions = inputs["actions"]
        self.network = NeuralNetwork(self._actions, self._shape, device=str(replaying.device))
        self.network.load_arrays(tensors(self.network, self._salt), "weights by formula")

    def run(self) -> None:
        """Compare it all."""
        self._names_and_start()
        self._array("lr", self._lr)
        self._tensors("w0", self._weights(), 0.0)
        x0 = self._states(0)
        self._array("q_first", self._q(x0), Q)
        self._layers(x0)
        rows: dict[str, list[Any]] = {}
        undecided: dict[str, list[Any]] = {"stats": [], "probes": []}
        for u, lr in enumerate(self._lr):
            states, targets = self._states(u), self._targets(u)
            gradients = self._gradients(states, targets)
            for kind, values in self._undecided(states, targets).items():
                undecided[kind].append(values)
            rows.setdefault("loss", []).append(self.network.update(states, targets, lr))
            for what, found in (
                ("grad", gradients),
                ("w", self._weights()),
                ("ms", {n: v.cpu().numpy() for n, v in self.network.mean_square.items()}),
            ):
                for kind, values in _sums_and_probes(found).items():
                    rows.setdefault(f"{what}_{kind}", []).append(values)
            rows.setdefault("q_after", []).append(self._q(x0))
            self._replaying.tell(u + 1, len(self._lr))
        slack = {kind: np.array(values) for kind, values in undecided.items()}
        steps = np.array(self._lr)[:, None, None] * slack["probes"]
        bounds: dict[str, Any] = {
            "grad_stats": _GRADIENT + slack["stats"],
            "grad_probes": _GRADIENT + slack["probes"],
            "w_stats": WEIGHT,
            "w_probes": WEIGHT + steps.cumsum(axis=0),
            "ms_stats": _MEAN_SQUARE,
            "ms_probes": _MEAN_SQUARE,
        }
        for name, row in rows.items():
            if name in bounds:
                self._summed(name, np.array(row), bounds[name])
            else:
                self._array(name, np.array(row), LOSS if name == "loss" else Q)

    def _names_and_start(self) -> None:
        """Compare names and shapes of all that is saved, and what a fresh network holds."""
        where = f"case {self._name}"
        own = {name: list(p.shape) for name, p in self.network.named_parameters()}
        expected = self._about["variables"]
        self._compare.value("variables", expected, [[f"{n}:0", s] for n, s in own.items()], where)
        saved = dict(self._about["all_saved"])
        for name, shape in own.items():
            for kept in (name, name + SLOT):
                self._compare.value("all_saved", saved.get(f"{kept}:0"), shape, kept)
        fresh = NeuralNetwork(self._actions, self._shape)
        fresh.initialise(np.random.RandomState(1))
        slots = {name: (low, high) for name, low, high in self._about["slots_at_start"]}
        for (name, p), told in zip(
            fresh.named_parameters(), self._about["own_initialisation"], strict=True
        ):
            ms = fresh.mean_square[name]
            got = (float(ms.min()), float(ms.max()))
            self._compare.value("slots_at_start", slots[f"{name + SLOT}:0"], got, name)
            # Both are random: they agree as far as means of so many draws do.
            values = p.detach().double()
            near = 6 * 0.02 / np.sqrt(p.numel())
            for what, number, mine in zip(
                ("mean", "sd"),
                told,
                (values.mean(), values.std(correction=0)),
                strict=False,
            ):
                self._compare.number(
                    f"own_initialisation: {what}",
                    number,
                    float(mine),
                    tolerance=near if told[2] else 0.0,
                    where=name,
                    sums=True,
                )
            self._compare.value(
                "own_initialisation: at most 0.04",
                told[2] <= 0.04,
                bool(values.abs().max() <= 0.04),
            )

    def _states(self, u: int) -> NDArray[np.uint8]:
        n = int(np.prod(self._shape))
        flat = mix(np.arange(self._batch * n), self._salt + 50 + u % 3) >> 24
        return flat.astype(np.uint8).reshape(self._batch, *self._shape)

    def _targets(self, u: int) -> NDArray[np.float64]:
        b, a = np.mgrid[: self._batch, : self._actions]
        targets: NDArray[np.float64] = ((7 * b + 3 * a + 5 * u) % 11 - 5) * 0.2
        return targets

    def _q(self, states: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.no_grad():
            x = torch.from_numpy(states).to(self._replaying.device)
            q: NDArray[np.float32] = self.network(x).cpu().numpy()
        return q

    def _gradients(
        self, states: NDArray[np.uint8], targets: NDArray[np.float64]
    ) -> dict[str, NDArray[Any]]:
        """Return the gradient of every parameter, by the loss of ``NeuralNetwork``."""
        names = [name for name, _ in self.network.named_parameters()]
        loss = self.network.loss(states, targets)
        found = torch.autograd.grad(loss, list(self.network.parameters()))
        return {name: g.cpu().numpy() for name, g in zip(names, found, strict=True)}

    def _undecided(
        self, states: NDArray[np.uint8], targets: NDArray[np.float64]
    ) -> dict[str, NDArray[Any]]:
        """Return by how much the gradients depend on units that are 0 within rounding.

        Whether ReLU lets such a unit pass is decided by the order of a sum; in ``full`` there is
        one, in the third update.
        """
        near: list[bool] = []

        def passing(x: torch.Tensor, side: int) -> torch.Tensor:
            zero = _ROUNDING * x.detach().abs().mean()
            near.append(bool((x.detach().abs() <= zero).any()))
            return torch.where(x > side * zero, x, 0.0)

        found = []
        for side in (1, -1):
            self.network.activation = functools.partial(passing, side=side)
            with torch.no_grad():
                self.network.loss(states, targets)
            if not any(near):
                break
            found.append(_sums_and_probes(self._gradients(states, targets)))
        self.network.activation = torch.relu
        if not found:
            return {"stats": np.zeros((16, 3)), "probes": np.zeros((16, 24))}
        return {kind: np.abs(found[0][kind] - found[1][kind]) for kind in found[0]}

    def _weights(self) -> dict[str, NDArray[Any]]:
        return {n: p.detach().cpu().numpy() for n, p in self.network.named_parameters()}

    def _layers(self, x0: NDArray[np.uint8]) -> None:
        """Compare the sums of the convolutions' outputs of the first state."""
        with torch.no_grad():
            x = torch.from_numpy(x0[:1]).to(self._replaying.device)
            outputs = self.network.layer_outputs(x)
        for layer in ("layer_conv1", "layer_conv2", "layer_conv3"):
            values = outputs[layer][0].double().cpu().numpy()
            shape = [1, *values.shape[1:], values.shape[0]]
            expected = self._about.get(f"{layer}_shape")
            self._compare.value(f"{layer}_shape", expected, shape, f"case {self._name}")
            weights = list(self.network.get_parameter(f"{layer}/weights").shape)
            expected = self._about.get(f"{layer}_weights_shape")
            self._compare.value(f"{layer}_weights_shape", expected, weights, f"case {self._name}")
            for what, axes in (("sum", (1, 2)), ("rowsum", (0, 2)), ("colsum", (0, 1))):
                self._summed(f"{layer}_{what}", values.sum(axis=axes), 0.0)

    def _tensors(self, what: str, found: dict[str, NDArray[Any]], tolerance: float) -> None:
        for kind, values in _sums_and_probes(found).items():
            self._summed(f"{what}_{kind}", values, tolerance)

    def _summed(self, name: str, got: NDArray[Any], tolerance: Any) -> None:
        """Compare probes within a tolerance, and sums within a part of their size."""
        probes = name.endswith("probes")
        expected = self._trace.arrays.get(f"{self._name}_{name}")
        bound: Any = tolerance
        if not probes and expected is not None and expected.shape == got.shape:
            bound = _RELATIVE * (1 + np.abs(expected)) + 40 * tolerance
        self._array(name, got, bound, sums=not probes)

    def _array(self, name: str, got: Any, tolerance: Any = 0.0, *, sums: bool = False) -> None:
        self._compare.array(f"{self._name}_{name}", got, tolerance=tolerance, sums=sums)


def _sums_and_probes(found: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return sums and probes of tensors in the trace's order: float64 [16, 3], [16, 24]."""
    values = list(found.values())
    return {
        "stats": np.array([sums(v) for v in values]),
        "probes": np.array([probes(v, t) for t, v in enumerate(values)]),
    }
