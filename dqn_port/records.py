"""Tables that trainings keep, and the record of a training, as reports and exports take it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table that a training keeps."""

    name: str
    meaning: str
    dtype: str = "float64"
    """float64 | float32 | int64 | uint8 | text; float32 is how an HDF5 file keeps it."""
    unit: str = ""
    measured: bool = False
    """Whether it differs between two equal runs, as times do."""
    may_be_empty: bool = False
    exported: str = ""
    """Its name in HDF5 files; empty: the same."""
    heading: str = ""
    """Its title in the terminal; empty: its name."""
    width: int = 0
    """In the terminal; 0: it is not shown there, unless all columns of the table have 0."""
    tag: str = ""
    """Its name in TensorBoard; where no column of a table has one, all numbers are written."""

    @property
    def is_count(self) -> bool:
        """Whether its numbers are whole."""
        return self.dtype in ("int64", "uint8")

    @property
    def is_fraction(self) -> bool:
        """Whether its numbers may have decimals."""
        return self.dtype in ("float64", "float32")


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A small chart of a report: some columns of a table over its clock."""

    title: str
    columns: tuple[str, ...]
    alt: str = ""
    """What is seen, {x} being what it is drawn against; empty: the title."""
    note: str = ""
    keys: tuple[str, ...] = ()
    """What the lines are called, where there are several."""
    from_zero: bool = False
    unless_constant: bool = False
    """Whether it is left out where all numbers are the same."""
    smooth: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None
    """What makes the numbers of a column, [n], a smooth line, [n]; None: they are drawn as they
    are."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that a training keeps: history.csv, or history-NAME.csv."""

    columns: tuple[Column, ...]
    clock: str
    """The column that the others are drawn over."""
    name: str = ""
    """Empty: history.csv, the table with the score."""
    score: str = ""
    """The column with the mean raw return of whole games."""
    score_means: tuple[str, ...] = ()
    """How those games were played, a phrase each: ε, limit, whose environment; {option} stands for
    what the run's arguments say of it."""
    repeats: bool = False
    """Whether rows may share a number of the clock, which else rises from row to row."""
    curves: str = ""
    """The column of words that tells which curve a row is of, such as a phase; empty: all are of
    one."""
    episodes: str = ""
    """The column that counts those games."""
    best: str = ""
    """The column that is 1 where the network was the best so far."""
    charts: tuple[Chart, ...] = ()

    def column(self, name: str) -> Column:
        """Return the column of a name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def drawn(self) -> tuple[Chart, ...]:
        """The charts that it asks for; else one of each column of fractions."""
        plain = [
            Chart(title=column.heading or column.name, columns=(column.name,), note=column.meaning)
            for column in self.columns
            if column.is_fraction and not column.measured
            if column.name not in (self.clock, self.score)
        ]
        return self.charts or tuple(plain)

    def to_json(self) -> dict[str, Any]:
        """Return what files of histories keep of it: its columns of numbers, and what they are."""
        kept = {name: getattr(self, name) for name in _KEPT_OF_TABLE}
        numbers = [column for column in self.columns if column.dtype != "text"]
        columns = [{n: getattr(c, n) for n in _KEPT_OF_COLUMN} for c in numbers]
        return kept | {"columns": columns}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def measured(self) -> set[str]:
        """The columns that differ between two equal runs."""
        return {column.name for column in self.columns if column.measured}

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"history-{self.name}.csv" if self.name else "history.csv"


_KEPT_OF_COLUMN: Final = ("name", "meaning", "dtype", "unit", "exported", "heading", "width")
_KEPT_OF_TABLE: Final = ("name", "clock", "score", "episodes", "best")
_NUMBERS: Final = ("float64", "float32", "int64", "uint8")


def table_from_json(value: Any) -> Table:
    """Return the table that a file of histories describes, which a stranger may have written.

    Raises:
        ValueError: it is none.
    """
    columns = tuple(_column_from_json(each) for each in _list(value, "columns"))
    table = Table(columns=columns, **{name: value.get(name, "") for name in _KEPT_OF_TABLE})
    names = {column.name for column in columns}
    texts = (table.name, table.clock, table.score, table.episodes, table.best)
    if len(names) != len(columns) or table.clock not in names:
        raise ValueError("columns of different names, the clock among them")
    if not all(isinstance(text, str) and len(text) < 1000 for text in texts):
        raise ValueError("short texts")
    if not {table.score, table.episodes, table.best} <= names | {""}:
        raise ValueError("the names of columns")
    return table


def _list(value: Any, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list) or not 0 < len(found) <= 200:
        raise ValueError(f"a table with {key}")
    return found


def _column_from_json(value: Any) -> Column:
    told = {n: value.get(n, "") for n in _KEPT_OF_COLUMN} if isinstance(value, dict) else {}
    width = told.pop("width", None)
    texts = all(isinstance(text, str) and len(text) < 1000 for text in told.values())
    if not told or not texts or told["dtype"] not in _NUMBERS or type(width) is not int:
        raise ValueError("a column with name, meaning, dtype, unit and width")
    names = told["name"], told["exported"] or told["name"]
    if not all(re.fullmatch(r"\w{1,60}", name) for name in names):
        raise ValueError("a name of letters, digits and _")
    return Column(width=max(0, min(width, 40)), **told)


MOST: Final = 1e300
"""Of a number of a history, so that sums of them are finite, too."""

Columns = Mapping[str, NDArray[Any]]
"""Column → int64, float64 or text [n], a row each; an empty cell is NaN, the least int64 or ''."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The record of a training, from its folder or, with less in it, from a snapshot alone."""

    folder: Path
    """The run's; of a snapshot alone, its file."""
    system: str
    """The name in the registry, or module:object."""
    table: Table
    """What the columns of ``history`` are."""
    name: str
    game: str
    """Empty if unknown."""
    arguments: dict[str, Any]
    """The options as they took effect, from args.json; from a snapshot, those it holds."""
    arguments_hash: str
    """Short hash of what makes two runs the same; empty while the run is unfinished."""
    seed: int | None
    about: dict[str, Any]
    """What run.json holds; empty while the run is unfinished."""
    finished: bool | None
    """None for a snapshot alone, which does not say."""
    history: Columns
    """Of history.csv; those known."""
    time: NDArray[np.float64] | None
    """Seconds of training so far, [n + 1], 0 first; None if unknown."""
    snapshot: Path | None
    """The newest one; None before the first, and where it was removed."""
    further: Mapping[str, tuple[Table, Columns]] = field(default_factory=dict)
    """The further tables by name, those of history-NAME.csv."""

    @property
    def n_evaluations(self) -> int:
        """Rows of history.csv."""
        return len(next(iter(self.history.values()), ()))

    @property
    def views(self) -> tuple[RunRecord, ...]:
        """The run as each of its tables tells it, history.csv first."""
        tables = [(self.table, self.history), *self.further.values()]
        return tuple(replace(self, table=table, history=rows) for table, rows in tables)

    @property
    def scores(self) -> NDArray[np.float64]:
        """Mean raw return of whole games, a row each; NaN where there is none."""
        told = self.history.get(self.table.score)
        return np.full(self.n_evaluations, np.nan) if told is None else told

    @property
    def rom_md5(self) -> str | None:
        """The md5 of the game's ROM; None for a game without one, and while unfinished."""
        return self.about.get("rom_md5")

    @property
    def versions(self) -> dict[str, str]:
        """Package → version; empty while unfinished."""
        return dict(self.about.get("versions", {}))

    @property
    def snapshot_sha256s(self) -> frozenset[str]:
        """The checksums of the snapshots that the finished run left."""
        return frozenset(self.about.get("sha256", {}).values())
