"""What runs tell of their evaluations in training, as curves need it; a snapshot may lack some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dqn_port.runs.record import RunRecord


class Axis(NamedTuple):
    """What curves are drawn against."""

    column: str
    """Of the history; empty: the evaluations' numbers."""
    short: str
    label: str


_AXES: Final = (
    Axis("frames", "frames", "frames of training"),
    Axis("step", "steps", "steps of training"),
)
_NUMBERS: Final = Axis("", "evaluations", "evaluation")


def axis_of(runs: Sequence[RunRecord]) -> tuple[Axis, list[NDArray[Any]]]:
    """Return the first axis that all runs tell, and each run's numbers on it."""
    for axis in _AXES:
        if all(axis.column in run.history for run in runs):
            return axis, [run.history[axis.column] for run in runs]
    return _NUMBERS, [np.arange(1, run.n_evaluations + 1) for run in runs]


def played_in(run: RunRecord) -> NDArray[np.bool_]:
    """Tell of each evaluation whether an episode ended in it; yes where that is not told."""
    episodes = run.history.get("episodes")
    return np.ones(run.n_evaluations, dtype=bool) if episodes is None else episodes > 0


def rewards_of(run: RunRecord) -> NDArray[np.float64]:
    """Return the scores of the evaluations, NaN where they are not told."""
    return run.history.get("reward", np.full(run.n_evaluations, np.nan))
