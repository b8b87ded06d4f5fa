"""Groups of runs that differ only in their seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import HistoryError
from dqn_port.records import RunRecord
from dqn_port.registry import find_system

Curve = tuple[NDArray[Any], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """A run, or several with the same arguments except for the seed."""

    runs: tuple[RunRecord, ...]
    label: str


def each_alone(runs: Sequence[RunRecord]) -> list[Seeds]:
    """Return every run separately; runs with the same name are labelled by their folders."""
    many = Counter(run.name for run in runs)
    return [
        Seeds(runs=(run,), label=run.name if many[run.name] == 1 else str(run.folder))
        for run in runs
    ]


def seeds_together(runs: Sequence[RunRecord]) -> list[Seeds]:
    """Return the runs, grouped if they differ only in their seeds."""
    groups: list[list[RunRecord]] = []
    for run in runs:
        group = next((group for group in groups if _differ_by_seed(group[0], run)), None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    labels = [_label(group) for group in groups]
    return [
        Seeds(
            runs=tuple(group),
            label=label if labels.count(label) == 1 else f"{label} of {group[0].name} …",
        )
        for group, label in zip(groups, labels, strict=True)
    ]


def _differ_by_seed(one: RunRecord, other: RunRecord) -> bool:
    """Return whether two runs may differ only in the seed; single tables have only their
    columns."""
    if (one.system, one.table) != (other.system, other.table):
        return False
    system = find_system(one.system)
    seeds = {param.name for param in system.OPTIONS if param.role == "seed"}
    if not (one.arguments and other.arguments):
        return one.arguments == other.arguments
    return set(system.differences(one.arguments, other.arguments).numbers) <= seeds


def _label(group: Sequence[RunRecord]) -> str:
    first = group[0]
    if len(group) == 1:
        return first.name
    return f"{first.system}{f' {first.game}' if first.game else ''}, {len(group)} seeds"


def mean_of(curves: Sequence[Curve], label: str) -> tuple[NDArray[Any], ...]:
    """Return x, mean, smallest and largest of curves, where all of them have values.

    Curves are interpolated linearly between rows.

    Raises:
        HistoryError: there is no x that all of them have.
    """
    low, high = max(x.min() for x, _ in curves), min(x.max() for x, _ in curves)
    every = np.unique(np.concatenate([x for x, _ in curves]))
    grid = every[(every >= low) & (every <= high)]
    if not len(grid):
        raise HistoryError(
            f"--band: expected seeds that share a part of their x, got those of {label}, where one "
            f"begins at {low:g} and another ends at {high:g}"
        )
    values = np.stack([np.interp(grid, x, y) for x, y in curves])
    return grid, values.mean(0), values.min(0), values.max(0)
