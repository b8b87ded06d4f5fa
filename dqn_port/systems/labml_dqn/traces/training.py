"""The common part of replays of updates and of whole experiments: a training and its
minibatches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.errors import ArgsError, TraceError
from dqn_port.systems.labml_dqn.experiment import Trained, Trainer
from dqn_port.systems.labml_dqn.no_frameskip import Environment
from dqn_port.systems.labml_dqn.storage import Stacks, Storage
from dqn_port.systems.labml_dqn.system import SYSTEM
from dqn_port.systems.labml_dqn.traces.formulas import stats
from dqn_port.verify.comparing import Comparer, counted, sum_tolerances

FLOATS: Final = 1e-5
"""Tolerance of the network's numbers at first: another processor adds in another order."""
UPDATE: Final = 2.0
LOOP: Final = 1.08
"""Growth of the tolerance per minibatch, in one update and in a whole experiment.

Adam divides by the gradients' size, so that the last bit of one near 0 moves a weight. 60 % and 7 %
a minibatch were measured between an Intel and the AMD that made the traces.
"""
_OF_NETWORK: Final = frozenset(
    {"td_error", "loss", "q", "double_q", "target_q", "new_priorities", "grad_norm"}
)
_MOST: Final = 4096
"""Capacity of a replay in a trace."""


def trainer_of(
    options: dict[str, Any],
    open_environment: Callable[[], Environment],
    device: torch.device,
    *,
    stacks: bool = False,
    plain: bool = False,
) -> Trainer:
    """Return a training as a trace's options say, with four actions.

    Raises:
        TraceError: they make no sense.
    """
    if not 0 < options["capacity"] <= _MOST:
        raise TraceError(f"capacity: expected 1 to {_MOST}, got {options['capacity']}")
    try:
        checked = SYSTEM.load(assignments=[f"{name}={value}" for name, value in
                                           ({"game": "toyA"} | options).items()])  # fmt: skip
        storage: Storage | None = Stacks(options["capacity"], 84, 84) if stacks else None
        return Trainer(
            checked,
            open_environment=open_environment,
            n_actions=4,
            device=device,
            storage=storage,
            plain=plain,
        )
    except ArgsError as error:
        raise TraceError(str(error)) from error


class Epochs:
    """Rows of a training's minibatches, by the names of the trace's arrays.

    Each minibatch is learnt from, and then the trace's priorities are written back, so that the
    next is drawn as in the trace. Otherwise different rounding on another processor would make two
    runs diverge after about seventy minibatches.
    """

    def __init__(self, trainer: Trainer, compare: Comparer) -> None:
        self._trainer, self._compare = trainer, compare
        self._train, self._update = trainer.train, trainer.replay_buffer.update_priorities
        self.rows: dict[str, list[Any]] = {}
        self._given = compare.trace.numbers("new_priorities", ndim=2).astype(np.float32)
        trainer.train = self.train  # type: ignore[method-assign]
        trainer.replay_buffer.update_priorities = self.write  # type: ignore[method-assign]

    def write(self, indexes: Any, priorities: Any) -> None:
        """Write the trace's priorities in place of the computed ones."""
        n = len(self.rows.get("indexes", []))
        given = self._given[n : n + 1].reshape(-1)
        self._update(indexes, given if len(given) == len(indexes) else priorities)

    def train(self, beta: float) -> Trained:
        """Learn from a minibatch, and note a row."""
        trained = self._train(beta)
        samples, replay = trained.samples, self._trainer.replay_buffer
        row = {
            "indexes": samples.indexes,
            "sample_weights": samples.weights,
            "sample_action": samples.action,
            "sample_reward": samples.reward,
            "sample_done": samples.done,
            "td_error": trained.loss.td_error.cpu().numpy(),
            "loss": trained.loss.loss.item(),
            "q": trained.q.detach().cpu().numpy(),
            "double_q": trained.double_q.cpu().numpy(),
            "target_q": trained.target_q.cpu().numpy(),
            "new_priorities": trained.new_priorities,
            "grad_norm": trained.grad_norm,
            "root": float(replay.trees.root),
            "root_min": float(replay.trees.min[1]),
            "max_priority": float(replay.max_priority),
        }
        for name, value in row.items():
            self.rows.setdefault(name, []).append(value)
        return trained

    def compare(self, growth: float, *, leave_out: tuple[str, ...] = ()) -> None:
        """Compare all rows: draws and trees exactly, results of the network within the
        tolerance."""
        where = counted("minibatch")
        for name, values in self.rows.items():
            if name in leave_out:
                continue
            got = np.array(values)
            bounds = close(np.arange(len(got)), growth) if name in _OF_NETWORK else 0.0
            self._compare.array(name, got, tolerance=bounds, where=where)
        trees = self._trainer.replay_buffer.trees
        self._compare.array("final_sum", trees.sum)
        self._compare.array("final_min", trees.min)


def close(learnt: Any, growth: float) -> NDArray[np.float64]:
    """Return the tolerance of the network's numbers after so many minibatches."""
    return FLOATS * growth ** np.asarray(learnt, dtype=np.float64)


def close_stats(
    compare: Comparer, name: str, rows: list[Any], sizes: list[int], bounds: NDArray[np.float64]
) -> None:
    """Compare sums of tensors, whose numbers have these tolerances, by row."""
    got = np.array(rows)
    tolerance = sum_tolerances(np.array(sizes), bounds[..., None], got)
    compare.array(name, got, tolerance=tolerance, sums=True)


def sizes_of(trainer: Trainer) -> list[int]:
    """Return the number of weights of every tensor."""
    return [p.numel() for p in trainer.model.parameters()]


def stats_of(trainer: Trainer) -> NDArray[np.float64]:
    """Return the sums of the network's tensors."""
    return stats(trainer.model.parameters())
