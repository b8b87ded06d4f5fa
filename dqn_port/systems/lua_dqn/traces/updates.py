"""Updates of qLearnMinibatch on computed batches, for several variants of the agent."""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.errors import TraceError
from dqn_port.systems.lua_dqn.neural_q_learner import NeuralQLearner
from dqn_port.systems.lua_dqn.slots import Minibatch
from dqn_port.systems.lua_dqn.traces.replaying import agent_of_parts, shapes_of
from dqn_port.systems.lua_dqn.traces.tolerances import tolerances_of
from dqn_port.systems.lua_dqn.traces.watching import FINALS, final_vectors, flat
from dqn_port.verify.comparing import (
    CHECKSUMS,
    Comparer,
    counted,
    plural,
    sum_sumsq_max,
    sum_tolerances,
)
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

N_UPDATES: Final = 20
N_BATCHES: Final = 5
"""Different batches, used in turn."""

_STATE: Final = 4 * 84 * 84
_R_MAX: Final = 2.5
_TARGET_COPIED_AT: Final = 10

_BASE: Final[dict[str, Any]] = {
    "target_q": 1_000_000,
    "clip_delta": 1,
    "rescale_r": True,
    "lr": 0.00025,
    "wc": 0,
    "lr_endt": 1_000_000,
    "discount": 0.99,
    "learn_start": 50,
    "valid_size": 1,
}
_BARE: Final = {"target_q": None, "clip_delta": None, "rescale_r": None, "wc": 0.01}
VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "base": {},
    "no_target": {"target_q": None},
    "no_clip": {"clip_delta": None},
    "no_rescale": {"rescale_r": None},
    "wc": {"wc": 0.01},
    "anneal": {"lr": 0.01, "lr_end": 0.001, "lr_endt": 50},
    "all_off": _BARE | {"lr": 0.01},
    "clip01": {"clip_delta": 0.1, "lr": 0.01},
    "all_off_full": _BARE,
}
"""Variant → its changes to _BASE, from the golden README."""

_PARTS: Final = re.compile(
    rf"(.+)_({'|'.join(sorted(VARIANTS, key=len, reverse=True))})"
    r"_(targets|delta|q2_max|q_all|lr|w0_first16|stat_\w+|u\d+_\w+)"
)
_ANY: Final = re.compile(r"(.+)_(targets|q2_max)")
_SENSITIVE_FROM: Final = {("convnet_atari3", "no_target"): 10}
"""Without a target network, rounding errors accumulate from update to update."""
_CHAOTIC_FROM: Final = {"all_off_full": 5}
"""Numerically unstable: later updates depend on rounding."""


def state_bytes(u: int, n_batch: int, which: int) -> NDArray[np.uint8]:
    """Return the states of batch u, uint8 [n_batch, 28224]; ``which``: 0 s, 1 s2."""
    b = np.arange(n_batch, dtype=np.int64)[:, None]
    j = np.arange(_STATE, dtype=np.int64)
    h = (u * 1000003 + b * 8191 + j * 131 + which * 524287 + 12345) % 65536
    for _ in range(2):
        h = (h * 25173 + 13849) % 65536
    return (h // 256).astype(np.uint8)


def make_batch(u: int, n_batch: int, n_actions: int) -> Minibatch:
    """Return batch u as the formula of the golden README makes it."""
    b = np.arange(n_batch)
    return Minibatch(
        torch.from_numpy(state_bytes(u, n_batch, 0)),
        torch.from_numpy((u * 7 + b * 3) % n_actions),
        torch.from_numpy((((u * 5 + b * 11) % 9 - 4) * 0.5).astype(np.float32)),
        torch.from_numpy(state_bytes(u, n_batch, 1)),
        torch.from_numpy(((u + b * 3) % 7 == 0).astype(np.uint8)),
    )


class _Served:
    """A replay that returns one batch; the original's was replaced in the same way."""

    def __init__(self) -> None:
        self.batch: Minibatch | None = None

    def size(self) -> int:
        """Return a number above any batch's."""
        return 1_000_000

    def sample(self, batch_size: int) -> Minibatch:
        """Return the batch."""
        assert self.batch is not None
        assert len(self.batch.a) == batch_size
        return self.batch


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Make the updates of every variant in the trace."""
    variants: dict[tuple[str, str], None] = {}
    for name in trace.arrays:
        if name.startswith("batch"):
            continue
        matched = _PARTS.fullmatch(_without_checksum(name))
        if matched:
            variants[matched[1], matched[2]] = None
        elif _ANY.fullmatch(_without_checksum(name)):
            raise TraceError(
                f"{trace.name}.npz: {name}: expected NETWORK_VARIANT_…, where VARIANT is one of "
                f"{', '.join(VARIANTS)}"
            )
    batches: dict[tuple[int, int], list[Minibatch]] = {}
    for at, (net, variant) in enumerate(variants):
        stem = f"{net}_{variant}"
        targets = trace.numbers(f"{stem}_targets", ndim=3)
        n_batch, n_actions = targets.shape[1:]
        if not (0 < n_batch < 64 and 0 < n_actions <= 64):
            raise TraceError(
                f"{trace.name}.npz: {stem}_targets: expected [{N_UPDATES}, fewer than 64, actions],"
                f" got {list(targets.shape)}"
            )
        if (n_batch, n_actions) not in batches:
            made = [make_batch(u, n_batch, n_actions) for u in range(N_BATCHES)]
            batches[n_batch, n_actions] = made
            _inputs(compare, made)
        made = batches[n_batch, n_actions]
        _Variant(compare, replaying, net, variant, n_actions).run(made)
        replaying.tell(at + 1, len(variants))
    nets = sorted({net for net, _ in variants})
    compare.what = f"{N_UPDATES} updates of {', '.join(nets)} in {plural(len(variants), 'variant')}"


def _without_checksum(name: str) -> str:
    for form in CHECKSUMS:
        name = name.removesuffix(form)
    return name


def _inputs(compare: Comparer, made: list[Minibatch]) -> None:
    """Compare the batches first: with others nothing else can be equal."""
    meta = compare.trace.meta
    digests = meta.get("sha256", {}) if isinstance(meta, dict) else {}
    for u, batch in enumerate(made):
        for name, tensor in vars(batch).items():
            key = f"batch{u}_{name}"
            got = tensor.numpy() + (1 if name == "a" else 0)
            if compare.holds(key):
                compare.array(key, got)
            if f"{key}_probe" in compare.trace.arrays:
                compare.array(f"{key}_probe", got[:, :8])
            if key in digests:
                sha256 = hashlib.sha256(got.tobytes()).hexdigest()
                compare.value(f"sha256 of {key}", digests[key], sha256)


class _Variant:
    """Twenty updates of one agent."""

    def __init__(
        self, compare: Comparer, replaying: Replaying, net: str, variant: str, n_actions: int
    ) -> None:
        self.compare, self.replaying = compare, replaying
        self.stem, self.variant = f"{net}_{variant}", variant
        self.params = {k: v for k, v in (_BASE | VARIANTS[variant]).items() if v is not None}
        self.net, self.n_actions = net, n_actions
        tolerances = tolerances_of(replaying.device)
        late = _SENSITIVE_FROM.get((net, variant), N_UPDATES)
        self.tolerance = np.where(
            np.arange(N_UPDATES) < late, tolerances.update, tolerances.sensitive
        )
        self.rows = _CHAOTIC_FROM.get(variant)
        if self.rows is not None:
            compare.notes.append(f"{variant}: updates 1 to {self.rows}, being unstable")

    def _build(self, n_batch: int) -> NeuralQLearner:
        agent = agent_of_parts(
            self.net, self.n_actions, self.replaying.device, minibatch_size=n_batch, **self.params
        )
        agent.r_max = _R_MAX
        return agent

    def run(self, batches: list[Minibatch]) -> None:
        """Make the updates, then compare."""
        agent, compare, stem = self._build(len(batches[0].a)), self.compare, self.stem
        device = self.replaying.device
        self.sizes = [math.prod(shape) for shape in shapes_of(agent.network)]
        compare.array(f"{stem}_w0_first16", flat(agent.network.w)[:16], family="*_w0_first16")
        served = _Served()
        agent.transitions = served  # type: ignore[assignment]
        seen: list[tuple[torch.Tensor, ...]] = []
        get_q_update = agent.get_q_update

        def noting(batch: Minibatch, *, keep: bool = True) -> Any:
            result = get_q_update(batch, keep=keep)
            seen.append(tuple(tensor.clone() for tensor in result))
            return result

        agent.get_q_update = noting  # type: ignore[method-assign]
        q_all: list[NDArray[np.float32]] = []
        lr: list[float] = []
        sums: dict[str, list[NDArray[np.float64]]] = {name: [] for name in FINALS}
        for u in range(self.rows or N_UPDATES):
            agent.num_steps = 50 + 4 * (u + 1)
            if agent.target_network is not None and u == _TARGET_COPIED_AT:
                agent.target_network.copy_from(agent.network)
            served.batch = batches[u % N_BATCHES]
            s = served.batch.s.to(device).float().div_(255)
            q_all.append(agent.network.forward(s).cpu().numpy())
            agent.q_learn_minibatch()
            lr.append(agent.lr)
            for name, vector in final_vectors(agent).items():
                sums[name].append(self._sums(vector))
                key = f"{stem}_u{u + 1}_{name}"
                if u in (0, N_UPDATES - 1) or compare.holds(key):
                    tolerance = float(self.tolerance[u])
                    family = "*_u*_deltas" if name == "deltas" else "*_u1_*, *_u20_*"
                    compare.array(key, vector, tolerance=tolerance, family=family)
        self._compare_rows(seen, q_all, lr)
        self._compare_sums(sums)

    def _sums(self, vector: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return sum, sum of squares and maximum of every parameter tensor: float64 [10, 3]."""
        ends = np.cumsum(self.sizes)[:-1]
        return np.array([sum_sumsq_max(part) for part in np.split(vector, ends)])

    def _compare_rows(
        self, seen: list[tuple[torch.Tensor, ...]], q_all: list[Any], lr: list[float]
    ) -> None:
        rows: dict[str, list[Any]] = {
            name: [update[i].cpu().numpy() for update in seen]
            for i, name in enumerate(("targets", "delta", "q2_max"))
        }
        for name, got in (rows | {"q_all": q_all, "lr": lr}).items():
            self.compare.array(
                f"{self.stem}_{name}",
                np.array(got),
                tolerance=self.tolerance[: len(got)] if name != "lr" else 0.0,
                where=counted("update", "transition"),
                rows=self.rows,
                family=f"*_{name}",
            )

    def _compare_sums(self, sums: dict[str, list[NDArray[np.float64]]]) -> None:
        """Compare the sums of every parameter tensor after every update."""
        for name, rows in sums.items():
            got = np.array(rows)
            self.compare.array(
                f"{self.stem}_stat_{name}",
                got,
                tolerance=sum_tolerances(
                    np.array(self.sizes), self.tolerance[: len(got), None], got
                ),
                where=counted("update", "tensor"),
                rows=self.rows,
                family=f"*_stat_{name}",
                sums=True,
            )
