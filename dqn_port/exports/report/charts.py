"""The charts of a report."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from dqn_port.exports.nature_scores import Scores
from dqn_port.exports.report.drawing import COLOURS, Size, count_axis, draw, value_axis
from dqn_port.exports.report.figures import many, score
from dqn_port.exports.report.told import axis_of, played_in
from dqn_port.exports.thinning import thinned
from dqn_port.fields import LARGEST
from dqn_port.records import RunRecord
from dqn_port.registry import find_system
from dqn_port.runs.evaluations import EvaluationRecord, mean_and_std

_BIG: Final = (
    Size(1040, 380, left=56, right=112),
    Size(350, 300, left=44, right=62),
)
_SMALL: Final = (Size(510, 230), Size(350, 210))
SEED_COLOURS: Final = 8
"""Colours in the style sheet, seed0 to seed7."""
_FEW, _FEW_NARROW = 60, 25
"""Most evaluations that are marked one by one, on a wide page and on a phone."""
_FLAT: Final = 0.15
"""Share of a chart's height below which a curve is unreadable."""
_DOT: Final = 11.0
"""Pixels from one dot to the next, at most."""
_TALLEST_ROW: Final = 108.0
"""Pixels of a network's row."""
_LEAST_DOT: Final = 4.0
"""Pixels; instead of smaller dots, columns are drawn."""


def reference_lines(scores: Scores | None) -> list[tuple[str, float]]:
    """Return the reference lines, by name."""
    if scores is None:
        return []
    return [("Random", scores.random), ("Human", scores.human), ("Paper", scores.dqn_mean)]


def draw_references(axes: Axes, size: Size, scores: Scores | None, apart: float = 15) -> None:
    """Draw the reference lines, named on the right without overlap."""
    lines = sorted(reference_lines(scores), key=lambda line: line[1])
    if not lines:
        return
    low, high = axes.get_ylim()
    pixels = (size.height - size.top - size.bottom) / (high - low)
    top = (high - low) * pixels
    at = [min(max((value - low) * pixels, 0), top) for _, value in lines]
    for i in range(1, len(at)):
        at[i] = max(at[i], at[i - 1] + apart)
    for i in reversed(range(len(at))) if at[-1] > top else ():
        at[i] = min(at[i], top - (len(at) - 1 - i) * apart)
    for (name, value), y in zip(lines, at, strict=True):
        text = name if size.narrow else f"{name} {score(value)}"
        if low <= value <= high:
            axes.axhline(value, color=COLOURS["muted"], linewidth=1, dashes=(5, 4))
        else:
            text += " ↑" if value > high else " ↓"
        axes.annotate(
            text,
            (1, 0),
            (8, y),
            xycoords="axes fraction",
            textcoords="offset pixels",
            va="center",
            annotation_clip=False,
        )


def _drawable(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return numbers as they can be drawn, NaN where they cannot."""
    return np.where(np.abs(values) < LARGEST, values, np.nan).astype(np.float64)


def score_chart(run: RunRecord, scores: Scores | None) -> Markup | None:
    """Return the score of every evaluation in training against frames; None without scores."""
    if not run.n_evaluations or run.table.score not in run.history:
        return None
    axis, (x,) = axis_of([run])
    reward, played = _drawable(run.scores), played_in(run)
    best = run.history.get(run.table.best, best_so_far(reward)) > 0

    def plot(axes: Axes, size: Size) -> None:
        axes.plot(*thinned(x[played], reward[played]), color=COLOURS["best"], zorder=3)
        marks: dict[str, Any] = {
            "s": 26,
            "zorder": 4,
            "linewidths": 2,
            "edgecolors": COLOURS["best"],
        }
        if _marked(len(x), size):
            axes.scatter(x[played], reward[played], color=COLOURS["best"], **marks)
        axes.scatter(x[~played], reward[~played], facecolors=COLOURS["paper"], **marks)
        newest = np.flatnonzero(played & best)[-1:]
        axes.scatter(
            x[newest],
            reward[newest],
            s=130,
            facecolors="none",
            edgecolors=COLOURS["best"],
            linewidths=1.5,
            zorder=4,
        )
        finite = [r for r in reward if np.isfinite(r)] + [v for _, v in reference_lines(scores)]
        _set_limits(axes, finite)
        axes.set_xlim(right=x.max() * 1.02)
        count_axis(axes, size, axis.label)
        value_axis(axes, size, ticks=6)
        draw_references(axes, size, scores)

    alt = f"Score of {many(len(x), 'evaluation')} in training, against {axis.short}"
    sizes = _BIG if scores is not None else tuple(_without_names(size) for size in _BIG)
    return draw("score", alt, sizes, plot)


def best_so_far(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for each score whether it is the first, or larger than all before."""
    found = np.zeros(len(scores), dtype=bool)
    best = -np.inf
    for i, value in enumerate(scores):
        if value > best:
            found[i], best = True, value
    return found


def _without_names(size: Size) -> Size:
    return Size(size.width, size.height, left=size.left)


def _marked(n: int, size: Size) -> bool:
    """Return whether ``n`` evaluations are marked one by one."""
    return n <= (_FEW_NARROW if size.narrow else _FEW)


def is_flat(values: Sequence[float], scores: Scores | None) -> bool:
    """Return whether the reference lines squash a curve that is not constant."""
    everything = [*values, *(value for _, value in reference_lines(scores))]
    if scores is None or len(values) < 2:
        return False
    low, high = min(values), max(values)
    return low < high and high - low < _FLAT * (max(everything) - min(everything))


def _shown(run: RunRecord) -> NDArray[np.bool_]:
    """Return for each evaluation in training whether it has a score that can be drawn."""
    finite: NDArray[np.bool_] = np.isfinite(_drawable(run.scores))
    return finite & played_in(run)


def closer_chart(run: RunRecord, scores: Scores | None) -> Markup | None:
    """Return the score without the reference lines, if they squash it."""
    reward, shown = run.scores, _shown(run)
    if not is_flat(reward[shown].tolist(), scores):
        return None
    score = run.table.score
    closer = dict(run.history) | {score: np.where(shown, reward, np.nan)}
    alt = "Score of the evaluations in training against {x}, closer"
    sizes = (Size(1040, 230, left=56, right=112), Size(350, 210, left=44, right=62))
    return line_chart("closer", alt, replace(run, history=closer), {score: "best"}, sizes=sizes)


def _set_limits(axes: Axes, values: Sequence[float]) -> None:
    """Leave a little room above and below what is shown."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.06 * (high - low) or 0.1 * abs(high) or 0.5
    axes.set_ylim(low - room, high + room)


def line_chart(
    name: str,
    alt: str,
    run: RunRecord,
    columns: Mapping[str, str],
    *,
    sizes: tuple[Size, Size] = _SMALL,
    from_zero: bool = False,
    smooth: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
    beside: Sequence[RunRecord] = (),
) -> Markup:
    """Return some columns of the history against frames; ``columns``: column → colour.

    ``alt``: a description, in which {x} is the x axis. ``smooth``: see Chart. ``beside``: others
    drawn, over the same x if possible.
    """
    axis, (x, *_) = axis_of([run, *beside])
    if not axis.column:
        axis, (x,) = axis_of([run])
    lines = {column: _drawable(run.history[column]) for column in columns}
    if smooth is not None:
        lines = {column: smooth(values) for column, values in lines.items()}

    def plot(axes: Axes, size: Size) -> None:
        for column, colour in columns.items():
            points = thinned(x, lines[column])
            marker = "o" if _marked(len(points[0]), size) else None
            axes.plot(*points, color=COLOURS[colour], marker=marker, markersize=4)
        values = np.concatenate([*lines.values()])
        _set_limits(axes, values[np.isfinite(values)].tolist())
        if from_zero:
            axes.set_ylim(bottom=0)
        axes.set_xlim(right=x.max() * 1.02)
        count_axis(axes, size, axis.label)
        value_axis(axes, size, ticks=4)

    return draw(name, alt.format(x=axis.short), sizes, plot)


def epsilon_chart(run: RunRecord) -> Markup | None:
    """Return ε of training against frames, to the run's planned end."""
    curve = find_system(run.system).epsilon_curve(run.arguments)
    if curve is None:
        return None

    def plot(axes: Axes, size: Size) -> None:
        axes.plot(*curve, color=COLOURS["best"])
        axes.set_ylim(0, 1.05)
        axes.set_xlim(right=curve[0][-1] * 1.02)
        count_axis(axes, size, "frames of training")
        value_axis(axes, size, ticks=5)

    return draw("epsilon", "ε of training against frames", _SMALL, plot)


def steps_chart(name: str, alt: str, rows: Sequence[Sequence[float]]) -> Markup:
    """Return the numbers of an episode's steps, one line each; ``rows``: one per step."""
    values = np.asarray(rows, dtype=np.float64)

    def plot(axes: Axes, size: Size) -> None:
        for i in range(values.shape[1]):
            axes.plot(values[:, i], color=COLOURS[f"seed{i % SEED_COLOURS}"], linewidth=1.5)
        _set_limits(axes, values[np.isfinite(values)].tolist())
        count_axis(axes, size, "steps of the episode")
        value_axis(axes, size, ticks=4)

    return draw(name, alt, _SMALL, plot)


def returns_are_beyond(record: EvaluationRecord, scores: Scores | None) -> bool:
    """Return whether reference lines lie beyond the scale of the returns.

    The scale is the returns' own if the lines would squash them.
    """
    return is_flat([episode.reward for episode in record.episodes], scores)


def returns_chart(name: str, record: EvaluationRecord, scores: Scores | None) -> Markup:
    """Draw the returns of an evaluation: a dot per episode, or columns; below them the mean."""
    rows = [n for n in ("best", "last") if record.of(n)]
    everything = [episode.reward for episode in record.episodes]
    lines = reference_lines(scores)
    beyond = returns_are_beyond(record, scores)
    spread = {n: mean_and_std([e.reward for e in record.of(n)]) for n in rows}
    shown = everything + [value for _, value in lines if not beyond]
    shown += [mean + side * std for mean, std in spread.values() for side in (-1, 1)]
    low, high = min(shown), max(shown)
    room = 0.04 * (high - low) or 1.0
    low, high = low - room, high + room

    def stacks_of(size: Size) -> tuple[dict[str, list[tuple[float, int]]], int]:
        column = (high - low) * _DOT / (size.width - size.left - size.right)
        stacks = {n: stacked([e.reward for e in record.of(n)], column) for n in rows}
        return stacks, max(level for stack in stacks.values() for _, level in stack) + 1

    def plot(axes: Axes, size: Size) -> None:
        height = size.height - size.top - size.bottom
        row_height = height / len(rows)
        stacks, tallest = stacks_of(size)
        step = min(_DOT, (row_height - 46) / tallest)
        axes.set_xlim(low, high)
        axes.set_ylim(0, height)
        for i, network in enumerate(rows):
            foot = height - (i + 1) * row_height + 26
            colour = COLOURS[network]
            x = [value for value, _ in stacks[network]]
            y = [foot + 8 + level * step for _, level in stacks[network]]
            if step >= _LEAST_DOT:
                axes.scatter(x, y, s=(0.82 * step) ** 2, color=colour, linewidths=0, zorder=3)
            else:
                axes.vlines(x, foot, np.add(y, step), color=colour, linewidth=_DOT - 2, zorder=3)
            mean, std = spread[network]
            axes.plot(
                [mean - std, mean + std],
                [foot - 8] * 2,
                color=colour,
                linewidth=3,
                alpha=0.45,
            )
            axes.plot([mean], [foot - 8], "|", color=colour, markersize=14, markeredgewidth=3)
            axes.axhline(foot, color=COLOURS["grid"], linewidth=1)
            axes.annotate(
                network,
                (0, 0),
                (-8, foot + 4),
                xycoords=("axes fraction", "axes fraction"),
                textcoords="offset pixels",
                ha="right",
                color=colour,
                annotation_clip=False,
            )
        axes.grid(visible=False)
        axes.set_yticks([])
        steps = [1, 2, 2.5, 5, 10]
        axes.xaxis.set_major_locator(
            MaxNLocator(5 if size.narrow else 9, steps=steps, integer=True)
        )
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: score(v, 0)))
        axes.set_xlabel("return of an episode", labelpad=6)
        _name_above(axes, size, lines, low, high)

    alt = f"Returns of the {len(everything)} episodes, by network"
    top = 30 if lines else 4
    sizes = [
        Size(1040, 0, left=56, right=24, top=top),
        Size(350, 0, left=40, right=14, top=top),
    ]
    for i, size in enumerate(sizes):
        row = min(_TALLEST_ROW, 46 + max(3, stacks_of(size)[1]) * _DOT)
        sizes[i] = replace(size, height=round(size.top + size.bottom + row * len(rows)))
    return draw(name, alt, tuple(sizes), plot)


def stacked(values: Sequence[float], width: float) -> list[tuple[float, int]]:
    """Return (place, level) of sorted values: those less than ``width`` apart are stacked.

    A pile is centred on its values, or as near as the previous pile permits: no two piles are less
    than ``width`` apart, and none is off by more than half of it.
    """
    piles: list[list[float]] = []
    for value in sorted(values):
        if not piles or value - piles[-1][0] >= width:
            piles.append([])
        piles[-1].append(value)
    found: list[tuple[float, int]] = []
    place = -np.inf
    for pile in piles:
        place = max(place + width, (pile[0] + pile[-1]) / 2)
        found += [(place, level) for level in range(len(pile))]
    return found


def _name_above(
    axes: Axes, size: Size, lines: Sequence[tuple[str, float]], low: float, high: float
) -> None:
    """Draw vertical reference lines, named above without overlap."""
    pixels = (size.width - size.left - size.right) / (high - low)
    height = size.height - size.top - size.bottom
    apart = 60
    lines = sorted(lines, key=lambda line: line[1])
    most = (high - low) * pixels - 14
    at = [min(max((value - low) * pixels, 0), most) for _, value in lines]
    for i in range(1, len(at)):
        at[i] = max(at[i], at[i - 1] + apart)
    for i in reversed(range(len(at))):
        at[i] = min(at[i], most - (len(at) - 1 - i) * apart)
    for (name, value), x in zip(lines, at, strict=True):
        if low <= value <= high:
            axes.plot([value] * 2, [0, height], color=COLOURS["muted"], linewidth=1, dashes=(5, 4))
        else:
            name += " →" if value > high else " ←"
        axes.annotate(
            name,
            (0, 1),
            (x, 10),
            xycoords="axes fraction",
            textcoords="offset pixels",
            ha="center",
            annotation_clip=False,
        )


def scores_of(runs: Sequence[RunRecord]) -> list[float]:
    """Return every score of the runs' evaluations in training that can be drawn."""
    return [value for run in runs for value in run.scores[_shown(run)].tolist()]


def is_beyond(runs: Sequence[RunRecord], scores: Scores | None) -> bool:
    """Return whether reference lines lie beyond the scale of a game's curves.

    The scale is the curves' own if the lines would squash them.
    """
    return is_flat(scores_of(runs), scores)


def curves_chart(name: str, game: str, runs: Sequence[RunRecord], scores: Scores | None) -> Markup:
    """Return the learning curves of one game, one line per run."""
    size = Size(344, 216, left=46, right=74 if scores is not None else 16)
    values = scores_of(runs)
    if not is_beyond(runs, scores):
        values += [value for _, value in reference_lines(scores)]
    shown = [run for run in runs if run.n_evaluations]
    axis, every_x = axis_of(shown)

    def plot(axes: Axes, size: Size) -> None:
        colours = itertools.cycle(COLOURS[f"seed{i}"] for i in range(SEED_COLOURS))
        for run, every, colour in zip(shown, every_x, colours, strict=False):
            keep = _shown(run)
            x, reward = every[keep], run.scores[keep]
            marker = "o" if len(x) <= 20 else None
            axes.plot(*thinned(x, reward), color=colour, marker=marker, markersize=3.5)
        _set_limits(axes, values)
        axes.set_xlim(right=max((x.max() for x in every_x), default=1) * 1.02)
        count_axis(axes, size, axis.short)
        value_axis(axes, size, ticks=4)
        draw_references(axes, size, scores, apart=14)

    return draw(name, f"Learning curves of {game}, one line per seed", (size,), plot)
