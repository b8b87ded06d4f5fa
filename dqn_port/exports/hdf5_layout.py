"""The layout of a file of histories, in one place for writing and reading.

One run: ``/history``, further tables ``/history_NAME``, and ``/episodes``, its attributes at the
root. Several: the same below ``/runs/<id>``, with each run's attributes there. docs/hdf5.md shows a
whole file.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from dqn_port.records import Column, Table
from dqn_port.registry import DEFAULT, part_of

SCHEMA: Final = "dqn-port history"
SCHEMA_VERSION: Final = 3
"""Files of version 1 and 2 are still read: see episode_series, first_tables."""
CONVENTIONS: Final = "CF-1.11"
"""Units are those of UDUNITS; a count has the unit 1."""

RUNS: Final = "runs"

HDF5_SUFFIXES: Final = frozenset({".h5", ".hdf5", ".hdf", ".he5", ".nc", ".nc4"})
"""What HDF5 files are called, netCDF-4 among them."""


TIME: Final = "training_seconds"
"""The column of seconds of training since the row before, where a table has it."""

TEXT: Final = "str"
"""The type of a UTF-8 string of variable length, which every reader turns into a string."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One dataset of a group: a list of numbers, or of short words."""

    name: str
    axis: str
    """The dataset of the group that is its dimension scale; its own name if it is the scale
    itself."""
    dtype: str
    """int64 | float64 | uint8 | TEXT"""
    units: str
    long_name: str
    column: str = ""
    """The column of history.csv that it holds, if any."""
    words: tuple[str, ...] = ()
    """The values that a TEXT may have."""


def _episodes(
    name: str, long_name: str, *, dtype: str = "int64", words: tuple[str, ...] = ()
) -> Series:
    return Series(
        name=name, axis="episode", dtype=dtype, units="1", long_name=long_name, words=words
    )


def history_series(table: Table) -> tuple[Series, ...]:
    """Return the series of a table: one number per row, and one more on the axis of time."""
    axis = exported(table.column(table.clock))
    numbers = [column for column in table.columns if column.dtype != "text"]
    series = [
        Series(
            name=exported(column),
            axis=axis,
            dtype=column.dtype,
            units=column.unit or "1",
            long_name=column.meaning,
            column=column.name,
        )
        # The scale of an axis comes before the series on it.
        for column in sorted(numbers, key=lambda column: column.name != table.clock)
    ]
    if TIME in table.names:
        clock = table.column(table.clock).meaning.partition(" at the ")[0]
        scale = f"time_{axis}"
        series += [
            Series(
                name=scale,
                axis=scale,
                dtype="int64",
                units="1",
                long_name=f"{clock}, with 0 before the first evaluation",
            ),
            Series(
                name="time",
                axis=scale,
                dtype="float64",
                units="s",
                long_name="training time so far, evaluations left out",
            ),
        ]
    return tuple(series)


def exported(column: Column) -> str:
    """Return the name of a column in a file."""
    return column.exported or column.name


def group_of(table: Table) -> str:
    """Return the group of a table."""
    return f"history_{table.name}" if table.name else "history"


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
"""The series of ``episodes``: one entry per episode played after training, in all evaluations."""


def episode_series(version: int) -> tuple[Series, ...]:
    """Return EPISODES for a version of the schema: in version 1 a word was four bytes of ASCII."""
    if version > 1:
        return EPISODES
    return tuple(replace(each, dtype="S4") if each.words else each for each in EPISODES)


def first_tables() -> tuple[Table, ...]:
    """Return the tables of files that do not describe theirs: those of versions 1 and 2."""
    module = part_of(DEFAULT, "histories")
    assert module is not None
    return (module.HISTORY,)


def told_history(table: Table, told: Collection[str]) -> tuple[Series, ...]:
    """Return the series of a table that a single snapshot holds; ``told`` has their names.

    Without the clock the axes are the numbers of the evaluations.
    """
    series = history_series(table)
    clock = series[0].name
    if clock not in told:
        by_number = {
            clock: ("evaluation", "number of the evaluation, from 1 on"),
            f"time_{clock}": (
                "time_evaluation",
                "number of the evaluation, with 0 before the first",
            ),
        }
        series = tuple(_by_number(each, *by_number[each.axis]) for each in series)
    scales = {series[0].name, series[-1].axis if "time" in told else ""}
    return tuple(each for each in series if each.name in scales or each.name in told)


def _by_number(series: Series, axis: str, long_name: str) -> Series:
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
    "system": "S",
    "tables": "S",
}
"""Attribute of a run → string (S), int64 (i) or uint8 (u). Absent values are an empty string."""


def attributes_of(found: Collection[str], version: int) -> dict[str, str]:
    """Return the RUN_ATTRIBUTES that a run must have; ``found`` has the names in the file.

    A run from a single snapshot does not say whether it is finished, and may lack its seed. Since
    version 3 a run names its system and describes its tables as JSON.
    """
    may_lack = set() if "finished" in found else {"finished", "seed"} - set(found)
    if version < SCHEMA_VERSION:
        may_lack |= {"system", "tables"}
    return {name: kind for name, kind in RUN_ATTRIBUTES.items() if name not in may_lack}


FILE_ATTRIBUTES: Final = {
    "schema": "S",
    "schema_version": "i",
    "Conventions": "S",
    "created": "S",
    "run_count": "i",
}
"""Attribute of the file's root → its kind."""

EPISODES_ATTRIBUTES: Final = {"evaluations": "S"}
"""Attribute of the group ``episodes`` → its kind; those of tables have none."""

SERIES_ATTRIBUTES: Final = {"units": "S", "long_name": "S"}
"""Attribute of a dataset → its kind, in addition to those of dimension scales."""
