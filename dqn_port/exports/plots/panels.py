"""The contents of a picture of runs: panels, each with the lines of some columns of their
tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import HistoryError, near_match
from dqn_port.exports.plots.seeds import Seeds, mean_of
from dqn_port.fields import LARGEST
from dqn_port.records import Chart, Column, RunRecord
from dqn_port.registry import find_system

SCORE: Final = "score"
"""The field for every system's column of mean raw returns, whatever its name."""
FRAMES: Final = "frames"
"""The x that a system may compute if its tables have no such column."""
_UNITS: Final = {"s-1": "1/s"}
"""Units that are written differently on an axis."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a panel."""

    x: NDArray[Any]
    y: NDArray[np.float64]
    owner: int
    """Index of its run, or of its group of seeds."""
    kind: tuple[str, str]
    """Which of their lines: what its column is called among several, and the word of its curve."""
    label: str
    band: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    """The smallest and the largest of the seeds, as long as ``y``."""
    is_level: bool = False
    """Whether it is a constant for comparison, such as the score of random play."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes with its lines."""

    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    from_zero: bool = False
    counts: bool = False
    """Whether its x are whole numbers."""


class _Wanted(NamedTuple):
    """What a panel shows."""

    fields: tuple[str, ...]
    title: str = ""
    keys: tuple[str, ...] = ()


class _Found(NamedTuple):
    """A column of a run."""

    view: RunRecord
    """The run with the column's table."""
    column: Column
    chart: Chart | None
    """The chart that draws it, if any."""


def panels_of(
    seeds: Sequence[Seeds], *, fields: Sequence[str] = (), x: str = "", raw: bool = False
) -> list[Panel]:
    """Return the panels of runs, with one line for each group of seeds.

    ``fields``: columns of their tables, a panel each: reward, or updates.reward of
    history-updates.csv; empty: what the system draws. ``x``: the column that they are drawn over;
    empty: the clock of their table. ``raw``: without the smoothing of the system's own charts.

    Raises:
        HistoryError: there is no such column, it is empty, or the runs have different x.
    """
    runs = [run for group in seeds for run in group.runs]
    wanted = [_Wanted((field,)) for field in fields] or _usual(runs)
    panels = [_panel(seeds, each, x=x, raw=raw) for each in wanted]
    if not any(panel.lines for panel in panels):
        raise HistoryError(f"{runs[0].folder}: expected rows to draw, got none yet")
    return panels


def _usual(runs: Sequence[RunRecord]) -> list[_Wanted]:
    """Return what is drawn by default."""
    first = runs[0]
    if any(run.system != first.system for run in runs):
        return [_Wanted((SCORE,))]
    own = [(field,) for field in getattr(find_system(first.system), "PLOTS", ())]
    known = {name for view in first.views for name in view.history}
    if own and all(fields[0] in known for fields in own):
        return [_Wanted(fields) for fields in own]
    charts = [
        _Wanted(
            tuple(f"{_name(view)}.{column}" for column in chart.columns), chart.title, chart.keys
        )
        for view in first.views
        for chart in view.table.drawn
        if set(chart.columns) <= view.history.keys() and not _is_constant(view, chart)
    ]
    return [*([_Wanted((SCORE,))] if first.table.score in first.history else []), *charts]


def _is_constant(view: RunRecord, chart: Chart) -> bool:
    values = view.history[chart.columns[0]]
    return chart.unless_constant and bool((values == values[:1]).all())


def _name(view: RunRecord) -> str:
    return view.table.name or "history"


def _panel(seeds: Sequence[Seeds], wanted: _Wanted, *, x: str, raw: bool) -> Panel:
    several, axes, lines = len(seeds) > 1, dict[str, str](), list[Line]()
    first = _find(seeds[0].runs[0], wanted.fields[0])
    for owner, group in enumerate(seeds):
        of_group: dict[tuple[str, str], list[Line]] = {}
        for run in group.runs:
            for field, key in zip(wanted.fields, wanted.keys or wanted.fields, strict=True):
                found = _find(run, field)
                name, numbers, axis = _over(found.view, x)
                axes.setdefault(name, axis)
                said = key if len(wanted.fields) > 1 else ""
                for line in _lines(found, numbers, owner, said, raw=raw):
                    of_group.setdefault(line.kind, []).append(line)
        for kind, found_lines in of_group.items():
            named = several or len(group.runs) > 1
            words = [group.label if named else "", *kind]
            label = ", ".join(word for word in words if word)
            merged = found_lines[0] if len(group.runs) == 1 else _merged(group, found_lines)
            lines.append(replace(merged, label=label))
    if len(axes) > 1:
        raise HistoryError(
            f"--x: expected one for all runs, got {' and '.join(axes)}; name a column that all of "
            "them have, such as frames"
        )
    chart = first.chart
    title = wanted.title or (chart.title if chart and not chart.keys else _heading(first.column))
    y = _axis(first.column) if len(wanted.fields) == 1 else _unit(first.column)
    if wanted.fields == (SCORE,):
        title, y = "Score", "mean return of whole games (points)"
    return Panel(
        title=title,
        x=next(iter(axes.values())),
        y=y,
        lines=tuple(lines),
        from_zero=chart is not None and chart.from_zero,
        counts=all(line.x.dtype.kind == "i" for line in lines),
    )


def _find(run: RunRecord, field: str) -> _Found:
    """Return the column that a field names.

    Raises:
        HistoryError: there is none.
    """
    table, _, name = field.rpartition(".")
    for view in run.views:
        is_score = name == SCORE and SCORE not in view.history
        column = view.table.score if is_score else name
        if column in view.history and table in ("", _name(view)):
            declared = view.table.column(column)
            if declared.dtype != "text":
                charts = [chart for chart in view.table.charts if column in chart.columns]
                return _Found(view, declared, next(iter(charts), None))
    known = [
        f"{view.table.name}.{name}" if i else name
        for i, view in enumerate(run.views)
        for name in view.history
        if view.table.column(name).dtype != "text"
    ]
    raise HistoryError(
        f"{run.folder}: --fields: expected some of {', '.join(known)}, got '{field}'"
        f"{near_match(field, known)}"
    )


def _over(view: RunRecord, x: str) -> tuple[str, NDArray[Any], str]:
    """Return the name of a table's x, its numbers, and the label of the axis.

    Raises:
        HistoryError: the table has no such column.
    """
    name = x or view.table.clock
    if name in view.history and view.table.column(name).dtype != "text":
        return name, view.history[name], _axis(view.table.column(name))
    if x == FRAMES and (frames := _frames(view)) is not None:
        return name, frames, "emulator frames"
    if x:
        raise HistoryError(
            f"{view.folder}: --x: expected a column of its table {_name(view)}, one of "
            f"{', '.join(view.history)}, got '{x}'{near_match(x, view.history)}"
        )
    return "evaluation", np.arange(1, view.n_evaluations + 1), "evaluation"


def _frames(view: RunRecord) -> NDArray[np.float64] | None:
    """Return the emulator frames of training at every row, if the system computes them."""
    reckon = getattr(find_system(view.system), "frames_of", None)
    frames: NDArray[np.float64] | None = reckon and reckon(view.arguments, view.history)
    return frames


def _lines(found: _Found, x: NDArray[Any], owner: int, key: str, *, raw: bool) -> Iterator[Line]:
    """Yield a column's lines: one, or one for each curve of its table."""
    values = found.view.history[found.column.name].astype(np.float64)
    values[~(np.abs(values) < LARGEST)] = np.nan
    words = found.view.history.get(found.view.table.curves, np.full(len(values), ""))
    curves = {word: np.flatnonzero(words == word) for word in dict.fromkeys(words.tolist())}
    for word, rows in curves.items():
        y = values[rows]
        if found.chart is not None and found.chart.smooth is not None and not raw:
            y = found.chart.smooth(y)
        told = np.isfinite(y)
        if told.any():
            alone = len(rows) == 1 and max(map(len, curves.values())) > 1
            yield Line(
                x=x[rows][told],
                y=y[told],
                owner=owner,
                kind=(key, word),
                label="",
                is_level=alone,
            )


def _merged(group: Seeds, lines: Sequence[Line]) -> Line:
    """Return the lines of several seeds as their mean, with the band between them."""
    x, mean, low, high = mean_of([(line.x, line.y) for line in lines], group.label)
    return replace(lines[0], x=x, y=mean, band=(low, high))


def _heading(column: Column) -> str:
    return (column.heading or column.name).replace("_", " ")


def _unit(column: Column) -> str:
    return _UNITS.get(column.unit, column.unit)


def _axis(column: Column) -> str:
    """Return an axis' label: what it shows, and in what unit."""
    heading, unit = _heading(column), _unit(column)
    if heading.removesuffix("s") in unit:
        return unit
    return f"{heading} ({unit})" if unit else heading
