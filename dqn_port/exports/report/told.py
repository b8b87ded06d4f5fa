"""Data of runs' evaluations in training, as needed for curves; a snapshot may lack some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dqn_port.fields import number
from dqn_port.records import RunRecord


class Axis(NamedTuple):
    """What curves are drawn against."""

    column: str
    """Column of the history; empty: the evaluations' numbers."""
    short: str
    label: str


_NUMBERS: Final = Axis("", "evaluations", "evaluation")


def axis_of(runs: Sequence[RunRecord]) -> tuple[Axis, list[NDArray[Any]]]:
    """Return the first axis that all runs have, and each run's numbers on it."""
    axes = [Axis("frames", "frames", "frames of training")]
    tables = {run.table.clock: run.table for run in runs}
    for clock, table in tables.items() if len(tables) == 1 else ():
        heading = table.column(clock).heading or clock
        axes.append(Axis(clock, heading, f"{heading} of training"))
    for axis in axes:
        if all(axis.column in run.history for run in runs):
            return axis, [run.history[axis.column] for run in runs]
    return _NUMBERS, [np.arange(1, run.n_evaluations + 1) for run in runs]


def evaluated_in(run: RunRecord) -> NDArray[np.bool_]:
    """Return for each row whether it is an evaluation; without counts of games, one with a
    score."""
    if run.table.episodes or run.table.score not in run.history:
        return np.ones(run.n_evaluations, dtype=bool)
    return ~np.isnan(run.scores)


def played_in(run: RunRecord) -> NDArray[np.bool_]:
    """Return for each evaluation whether an episode ended in it; true if not known."""
    episodes = run.history.get(run.table.episodes)
    return ~np.isnan(run.scores) if episodes is None else episodes > 0


def trained_steps(run: RunRecord) -> int | None:
    """Return how far a run has trained; None if not known."""
    steps = number(run.about.get("steps")) if run.finished else None
    if steps is not None:
        return int(steps)
    rows = run.history.get(run.table.clock)
    return None if rows is None else int(rows[-1] if len(rows) else 0)


def trained_frames(run: RunRecord) -> float | None:
    """Return how many emulator frames that was, if the rows show it."""
    frames = number(run.about.get("frames"))
    if frames is not None:
        return frames
    steps, rows, counted = (
        trained_steps(run),
        run.history.get(run.table.clock),
        run.history.get("frames"),
    )
    if steps is None or rows is None or counted is None:
        return None
    if not len(rows) or not rows[-1]:
        return None if steps else 0.0
    return float(steps * counted[-1] / rows[-1])
