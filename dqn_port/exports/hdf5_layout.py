"""What stands where in a file of histories: the one table that writing and reading go by.

One run: ``/history`` and ``/episodes``, its attributes at the root. Several: the same below
``/runs/<id>``, with each run's attributes there. docs/hdf5.md shows a whole file.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

SCHEMA: Final = "dqn-port history"
SCHEMA_VERSION: Final = 2
"""Files of version 1 are still read: see groups_of."""
CONVENTIONS: Final = "CF-1.11"
"""Units are those of UDUNITS; a count has the unit 1."""

RUNS: Final = "runs"

HDF5_SUFFIXES: Final = frozenset({".h5", ".hdf5", ".hdf", ".he5", ".nc", ".nc4"})
"""What HDF5 files are called, netCDF-4 among them."""


TEXT: Final = "str"
"""The type of a text in UTF-8, of any length: what every reader makes a string of."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One dataset of a group: a row of numbers, or of short words."""

    name: str
    axis: str
    """The dataset of the group that is its dimension scale; its own name: it is the scale."""
    dtype: str
    """int64 | float64 | uint8 | TEXT"""
    units: str
    long_name: str
    column: str = ""
    """The column of history.csv it is, if it is one."""
    words: tuple[str, ...] = ()
    """What a TEXT may be."""


def _history(
    name: str, long_name: str, *, units: str = "1", column: str = "", dtype: str = "float64"
) -> Series:
    return Series(
        name=name,
        axis="step",
        dtype=dtype,
        units=units,
        long_name=long_name,
        column=column or name,
    )


def _episodes(
    name: str, long_name: str, *, dtype: str = "int64", words: tuple[str, ...] = ()
) -> Series:
    return Series(
        name=name, axis="episode", dtype=dtype, units="1", long_name=long_name, words=words
    )


HISTORY: Final = (
    _history("step", "agent steps of training at the evaluation", dtype="int64"),
    _history("frames", "emulator frames of training at the evaluation", dtype="int64"),
    _history("reward", "mean return of the evaluation's finished episodes, in points of the game"),
    _history(
        "reward_counts",
        "agent steps of the evaluation with a reward other than 0",
        column="rewards",
        dtype="int64",
    ),
    _history(
        "episode_counts", "finished episodes of the evaluation", column="episodes", dtype="int64"
    ),
    _history("v", "mean of the target network's largest Q-value over the validation sample"),
    _history("td", "mean absolute TD error over the validation sample, after clipping"),
    _history("qmax", "Qmax, the constant 1 as in the original"),
    _history("epsilon", "probability of a random action in the evaluation"),
    _history("lr", "learning rate"),
    _history(
        "training_seconds", "training time since the evaluation before, evaluations left out",
        units="s",
    ),
    _history("training_rate", "emulator frames a second in that time", units="s-1"),
    _history("testing_seconds", "time of the evaluation", units="s"),
    _history("testing_rate", "emulator frames a second in the evaluation", units="s-1"),
    _history("best", "1 where the network was the best so far, else 0", dtype="uint8"),
    Series(
        name="time_step",
        axis="time_step",
        dtype="int64",
        units="1",
        long_name="agent steps of training, with 0 before the first evaluation",
    ),
    Series(
        name="time",
        axis="time_step",
        dtype="float64",
        units="s",
        long_name="training time so far, evaluations left out",
    ),
)  # fmt: skip
"""Of ``history``: one number an evaluation in training, and one more on the axis of time."""

EPISODES: Final = (
    _episodes("episode", "number of the episode"),
    _episodes("return", "undiscounted return, in points of the game", dtype="float64"),
    _episodes("length", "agent steps of the episode"),
    _episodes("frames", "emulator frames of the episode"),
    _episodes("seed", "seed of the evaluation that it belongs to"),
    _episodes("network", "network that played: last or best", dtype=TEXT, words=("last", "best")),
    _episodes("cut", "1 where the limit of length ended it, 0 where the game did", dtype="uint8"),
    _episodes("evaluation", "index of its evaluation in the attribute evaluations of the group"),
)
"""Of ``episodes``: one entry an episode that was played after training, in all evaluations."""

GROUPS: Final = {"history": HISTORY, "episodes": EPISODES}
"""Group of a run → its series, the scale of an axis before what lies on it."""


def groups_of(version: int) -> dict[str, tuple[Series, ...]]:
    """Return GROUPS as a version of the schema has them: in 1 a word was four bytes of ASCII."""
    if version == SCHEMA_VERSION:
        return GROUPS
    return {
        group: tuple(replace(each, dtype="S4") if each.words else each for each in table)
        for group, table in GROUPS.items()
    }


_BY_NUMBER: Final = {
    "step": ("evaluation", "number of the evaluation, from 1 on"),
    "time_step": ("time_evaluation", "number of the evaluation, with 0 before the first"),
}
"""Scale of HISTORY → the one in its place, and what that is, where steps are not told."""


def told_history(told: Collection[str]) -> tuple[Series, ...]:
    """Return the series of HISTORY that a snapshot alone tells, ``told`` being their names.

    Without the steps its axes are the numbers of the evaluations.
    """
    series: tuple[Series, ...] = HISTORY
    if "step" not in told:
        series = tuple(_by_number(each) for each in HISTORY)
    scales = {series[0].name, series[-1].axis if "time" in told else ""}
    return tuple(each for each in series if each.name in scales or each.name in told)


def _by_number(series: Series) -> Series:
    axis, long_name = _BY_NUMBER[series.axis]
    if series.name == series.axis:
        return replace(series, name=axis, axis=axis, long_name=long_name, column="")
    return replace(series, axis=axis)


RUN_ATTRIBUTES: Final = {
    "name": "S",
    "game": "S",
    "rom_md5": "S",
    "arguments": "S",
    "arguments_hash": "S",
    "versions": "S",
    "seed": "i",
    "finished": "u",
}
"""Attribute of a run → text (S), int64 (i) or uint8 (u). Absent values are an empty text."""


def attributes_of(found: Collection[str]) -> dict[str, str]:
    """Return RUN_ATTRIBUTES as a run has them, ``found`` being the names of its own.

    That of a snapshot alone does not tell whether it is finished, and may not tell its seed.
    """
    if "finished" in found:
        return RUN_ATTRIBUTES
    may_lack = {"finished", "seed"} - set(found)
    return {name: kind for name, kind in RUN_ATTRIBUTES.items() if name not in may_lack}


FILE_ATTRIBUTES: Final = {
    "schema": "S",
    "schema_version": "i",
    "Conventions": "S",
    "created": "S",
    "run_count": "i",
}
"""Attribute of the file's root → its kind."""

GROUP_ATTRIBUTES: Final = {"history": {}, "episodes": {"evaluations": "S"}}
"""Group of a run → its attributes and their kinds."""

SERIES_ATTRIBUTES: Final = {"units": "S", "long_name": "S"}
"""Attribute of a dataset → its kind, beside those of dimension scales."""
