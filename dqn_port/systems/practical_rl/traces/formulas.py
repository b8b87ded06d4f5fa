"""Formulas: ε, smoothing, ε-greedy actions, the loss and its gradients."""

from __future__ import annotations

import itertools
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dqn_port.systems.practical_rl.dqn_agent import DQNAgent
from dqn_port.systems.practical_rl.linear_decay import linear_decay
from dqn_port.systems.practical_rl.replay_buffer import Batch
from dqn_port.systems.practical_rl.smoothen import kernel, smoothen
from dqn_port.systems.practical_rl.td_loss import compute_td_loss
from dqn_port.systems.practical_rl.traces.stream import halves, stream
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_SMOOTH: Final = 1e-12
_LOSS: Final = 1e-6
"""Relative; the README's."""
_CALLS: Final = 200
_CLIPPED: Final = 0.05
_STATE: Final = 5
_HIDDEN: Final = 8
_ACTIONS: Final = 3


def replay_decay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Compute every value of the trace."""
    del replaying
    for i, row in enumerate(trace.meta):
        got = linear_decay(row["init"], row["final"], row["step"], row["total"])
        where = f"row {i + 1}"
        compare.value("value", float(row["value"]), float(got), where)
        compare.value("type", row["type"], type(got).__name__, where)
    compare.what = plural(len(trace.meta), "step") + " of ε"


def replay_smoothing(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Smooth the first values of the stream."""
    del replaying
    numbers = halves(777)
    values = np.array([next(numbers) / 65535 * 4 - 1 for _ in range(6000)])
    compare.array("stream", values)
    compare.array("kernel", kernel(), tolerance=_SMOOTH)
    names = [name for name in trace.arrays if name not in ("stream", "kernel")]
    for name in names:
        compare.array(name, smoothen(values[: int(name[1:])]), tolerance=_SMOOTH)
    compare.what = plural(len(names), "curve")


def replay_actions(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Choose the actions of every case."""
    del replaying
    for row in trace.meta:
        case, n_rows, n, seed = row["case"], row["B"], row["n"], row["seed"]
        agent = DQNAgent((1,), n, architecture="dense", epsilon=row["epsilon"])
        generator, values = np.random.RandomState(seed), stream(seed + 99)
        chosen, greedy = [], []
        for _ in range(_CALLS):
            q = np.array(
                [[next(values) / 64 - 2 for _ in range(n)] for _ in range(n_rows)], dtype=np.float32
            )
            q[::2, 0] = q[::2].max(axis=1)
            chosen.append(agent.sample_actions(q, generator))
            greedy.append(q.argmax(axis=-1))
        compare.array(case, chosen)
        compare.array(f"{case}_greedy", greedy)
        after = generator.random_sample()
        compare.value("next_random_after", row["next_random_after"], after, case)
        compare.value("dtype", row["dtype"], chosen[0].dtype.name, case)
    compare.what = f"{plural(len(trace.meta), 'case')} of {_CALLS} calls"


def flat_network(*layers: nn.Module, salt: int, over: float, scale: float = 1.0) -> nn.Sequential:
    """Return layers whose k-th parameter is ((7k² + 13k + salt) % 199 − 99) / over · scale."""
    network = nn.Sequential(*layers)
    fill(network, salt=salt, over=over, scale=scale)
    return network


def fill(network: nn.Module, *, salt: int, over: float, scale: float = 1.0) -> None:
    """Fill a network by the formula of ``flat_network``."""
    n = sum(parameter.numel() for parameter in network.parameters())
    k = np.arange(n)
    values = ((7 * k * k + 13 * k + salt) % 199 - 99) / over * scale
    nn.utils.vector_to_parameters(torch.from_numpy(values.astype(np.float32)), network.parameters())


def _network(salt: int) -> nn.Sequential:
    layers = (nn.Linear(_STATE, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _ACTIONS))
    return flat_network(*layers, salt=salt, over=150)


def _batch(salt: int) -> Batch:
    i, j = np.arange(6)[:, None], np.arange(_STATE)
    row = i[:, 0]
    s = ((31 * i + 17 * j + salt) % 97) / 48.5 - 1
    s2 = ((53 * i + 29 * j + 3 * salt + 11) % 97) / 48.5 - 1
    done = (row + salt) % 3 == 0
    return Batch(
        s.astype(np.float32),
        (5 * row + salt) % _ACTIONS,
        ((7 * row + salt) % 5 - 2) / 2,
        s2.astype(np.float32),
        done,
        np.zeros_like(done),
    )


def _gradient(network: nn.Module) -> NDArray[Any]:
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    return torch.cat([gradient.reshape(-1) for gradient in gradients]).numpy().copy()


def replay_td_loss(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Compute loss and gradients of every case, plain and double."""
    del replaying
    for row, double in itertools.product(trace.meta, (False, True)):
        case, salt = row["case"], row["salt"]
        batch, agent, target = _batch(salt), _network(salt), _network(salt + 37)
        stem = f"{case}_{'double' if double else 'plain'}"
        s, s2 = torch.from_numpy(batch.s), torch.from_numpy(batch.s2)
        got: dict[str, Any] = {
            f"{case}_s": batch.s, f"{case}_a": batch.a, f"{case}_r": batch.r,
            f"{case}_s2": batch.s2, f"{case}_done": batch.done,
            f"{case}_q": agent(s).detach().numpy(),
            f"{case}_q_next_agent": agent(s2).detach().numpy(),
            f"{case}_q_next_target": target(s2).detach().numpy(),
        }  # fmt: skip
        loss = compute_td_loss(batch, agent, target, gamma=row["gamma"], double=double)
        loss.backward()
        got |= {f"{stem}_loss": loss.item(), f"{stem}_grad": _gradient(agent)}
        got[f"{stem}_grad_norm"] = nn.utils.clip_grad_norm_(agent.parameters(), _CLIPPED).item()
        got[f"{stem}_grad_clipped_{_CLIPPED}"] = _gradient(agent)
        for name, values in got.items():
            expected = np.abs(trace.arrays[name].astype(float)) if name in trace.arrays else 0
            compare.array(name, values, tolerance=np.maximum(1e-7, _LOSS * np.max(expected)))
    compare.what = f"{plural(len(trace.meta), 'case')}, plain and double: loss and gradients"
