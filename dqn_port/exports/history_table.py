"""Histories as text: a table with sparklines for the terminal, and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.exports.hdf5 import run_ids
from dqn_port.exports.hdf5_layout import exported
from dqn_port.exports.hdf5_reading import ExportedRun
from dqn_port.files import write_whole
from dqn_port.records import Column, RunRecord, Table
from dqn_port.runs.record import EMPTY_COUNT

WIDTH: Final = 80
"""Width of the output, in columns of a terminal."""
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_SPARK_WIDTH: Final = 44


def sparkline(values: Sequence[float] | NDArray[Any], width: int = _SPARK_WIDTH) -> str:
    """Return a sparkline of blocks from the smallest value to the largest; if there are more values
    than ``width`` they are averaged.

    A value that is not finite is a blank.
    """
    every = np.asarray(values, dtype=np.float64)
    parts = np.array_split(every, min(width, len(every))) if len(every) else []
    with np.errstate(all="ignore"):
        means = [float(part.mean()) for part in parts]
    finite = [value for value in means if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    # Halved, so that the largest doubles do not overflow.
    span = high / 2 - low / 2
    top = len(_BLOCKS) - 1
    return "".join(
        " " if not math.isfinite(value)
        else _BLOCKS[round((value / 2 - low / 2) / span * top) if span else top // 2]
        for value in means
    )  # fmt: skip


def history_lines(
    title: str, history: Mapping[str, NDArray[Any]], table: Table, name_of: Callable[[Column], str]
) -> Iterator[str]:
    """Yield the lines of a run's history: one row per evaluation, and sparklines below.

    What is not in ``history`` stays blank; without the clock an evaluation is shown by its number.
    ``name_of`` returns the name of a column in ``history``.
    """
    yield shortened(title)
    n = len(next(iter(history.values()), ()))
    if not n:
        yield "no evaluation yet"
        return
    yield ""
    columns = shown_columns(table)
    told = {
        column.name: history[name_of(column)] for column in columns if name_of(column) in history
    }
    headings = {column.name: column.heading or column.name for column in columns}
    if table.clock not in told:
        told[table.clock], headings[table.clock] = np.arange(1, n + 1), "evaluation"
    widths = {c.name: c.width or max(len(headings[c.name]), 9) for c in columns}
    yield " ".join(
        [
            *(f"{headings[c.name]:>{widths[c.name]}}" for c in columns),
            *([" best"] if table.best else []),
        ]
    )
    best = history.get(table.best)
    for i in range(n):
        cells = [
            f"{_cell(c, told[c.name][i]) if c.name in told else '':>{widths[c.name]}}"
            for c in columns
        ]
        marked = best is not None and best[i]
        yield f"{' '.join(cells)}  {'*' if marked else ''}".rstrip()
    yield ""
    for column in columns:
        if column.name not in told or not column.is_fraction:
            continue
        values = told[column.name]
        if np.isnan(values).all():
            continue
        with np.errstate(all="ignore"):
            limits = f"{_number(np.nanmin(values))} to {_number(np.nanmax(values))}"
        yield f"{headings[column.name]:8}  {sparkline(values)}  {limits}"


def shown_columns(table: Table) -> list[Column]:
    """Return the columns that fit into a terminal: those with a width, or else the first ones."""
    if any(column.width for column in table.columns):
        return [column for column in table.columns if column.width]
    first = [c for c in table.columns if c.name in (table.clock, table.score)]
    others = [c for c in table.columns if c not in first and c.dtype != "text" and not c.measured]
    return [*first, *others][:7]


def _cell(column: Column, value: Any) -> str:
    """Write a cell; an empty one is blank."""
    if column.dtype == "text":
        return str(value)
    if column.is_count:
        text = "" if value == EMPTY_COUNT else f"{value:,d}"
        # If commas for the thousands would not fit, they are left out.
        return text if len(text) <= (column.width or len(text)) else str(value)
    return "" if math.isnan(value) else _number(value)


def run_lines(run: RunRecord) -> Iterator[str]:
    """Yield the lines of a run."""
    title = _title(run.name, run.game, run.seed, run.finished)
    yield from history_lines(title, run.history, run.table, lambda column: column.name)


def _title(name: str, game: str, seed: int | None, finished: bool | int | None) -> str:
    seeded = "" if seed is None else f", seed {seed}"
    state = "from its snapshot alone"
    if finished is not None:
        state = "finished" if finished else "unfinished"
    return f"{name}: {game or 'unknown game'}{seeded}, {state}"


def exported_lines(run: ExportedRun) -> Iterator[str]:
    """Yield the lines of a run of a file of histories, its evaluations after training included."""
    told = run.attributes
    title = _title(told["name"], told["game"], told.get("seed"), told.get("finished"))
    yield from history_lines(title, run.history, run.table, exported)
    played = run.episodes["network"]
    returns = run.episodes["return"]
    if len(played):
        yield ""
    for network in ("last", "best"):
        found = returns[played == network]
        if len(found):
            with np.errstate(all="ignore"):
                mean, std = found.mean(), found.std(ddof=1) if len(found) > 1 else None
            spread = "" if std is None else f" ± {_number(std)}"
            many = f"{len(found)} episode{'s' if len(found) > 1 else ''}"
            yield f"evaluated, {network} network: {_number(mean)}{spread}, {many}"


def write_csv(path: Path, runs: Sequence[RunRecord]) -> None:
    """Write histories as CSV: one row per evaluation, preceded by the run if there are several.

    The columns are those of history.csv, and ``time``: seconds of training so far. Missing values
    stay empty; if a run does not have its steps, ``evaluation`` counts the rows of each.

    Raises:
        HistoryError: a run is given twice.
        RunFolderError: see files.write_whole.
    """
    several = len(runs) > 1
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    numbered = any(run.table.clock not in run.history for run in runs)
    before = [*(["run"] if several else []), *(["evaluation"] if numbered else [])]
    columns = list(dict.fromkeys(name for run in runs for name in run.table.names))
    after = ["time"] if any(run.time is not None for run in runs) or not several else []
    writer.writerow([*before, *columns, *after])
    for name, run in zip(run_ids(runs), runs, strict=True):
        told = {column: _plain(values) for column, values in run.history.items()}
        if run.time is not None:
            told["time"] = run.time[1:].tolist()
        told |= {
            "run": [name] * run.n_evaluations,
            "evaluation": list(range(1, run.n_evaluations + 1)),
        }
        for i in range(run.n_evaluations):
            writer.writerow([told[c][i] if c in told else "" for c in (*before, *columns, *after)])
    content = text.getvalue().encode("utf-8", "backslashreplace")
    write_whole(path, lambda file: file.write(content))


def shortened(text: str) -> str:
    """Return a line cut to WIDTH, without characters that would move the terminal's cursor."""
    plain = "".join(c if c.isprintable() else "�" for c in text)
    return plain if len(plain) <= WIDTH else plain[: WIDTH - 1] + "…"


def _plain(values: NDArray[Any]) -> list[Any]:
    """Return a column's values for CSV: an empty cell is an empty string."""
    return ["" if v != v or v == EMPTY_COUNT else v for v in values.tolist()]


def _number(value: float) -> str:
    """Return a number in at most nine characters."""
    text = f"{value:.4g}"
    return text if len(text) <= 9 else f"{value:.2g}"
