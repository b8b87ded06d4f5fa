"""The report of a suite, games × seeds: a league table and all learning curves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from dqn_port.exports.league import Aggregate, League, LeagueRow, Place
from dqn_port.exports.nature_scores import nature_scores
from dqn_port.exports.report import charts, figures
from dqn_port.exports.report.page import (
    Tile,
    cited,
    clock_unit,
    shown_game,
    training_seconds,
    write_page,
)
from dqn_port.exports.report.told import axis_of, played_in, trained_steps
from dqn_port.records import RunRecord
from dqn_port.runs.evaluations import EvaluationRecord, mean_and_std

Suite = Sequence[tuple[RunRecord, Sequence[EvaluationRecord]]]
"""Every run with its evaluations; the first evaluation counts."""

_EPSILON = "with ε\N{NO-BREAK SPACE}0.05"
"""What a table says if its evaluations always use this ε."""
_LONGEST_BAR = 2.0
"""Human-normalised score at which the table's bars end."""


def suite_scores(runs: Suite) -> dict[Place, list[float]]:
    """Return (game, system) → the score of each of its runs, the input of a league.

    A run's score is the mean return of its best network, or else of its last one, in its first
    evaluation; a run without one has none.
    """
    scores: dict[Place, list[float]] = {}
    for run, evaluations in runs:
        if evaluations:
            top = figures.results_of(evaluations[0])[0]
            scores.setdefault((run.game, run.system), []).append(top.mean)
    return scores


def write_suite_report(path: Path, runs: Suite, league: League, *, title: str) -> None:
    """Write the report of many runs to ``path``; ``league`` is that of suite_scores.

    Raises:
        RunFolderError: see files.write_whole.
    """
    # A seed's colour goes by its rank, so it is the same in every game.
    runs = sorted(runs, key=lambda entry: (entry[0].seed or 0, entry[0].name))
    games = sorted({run.game for run, _ in runs})
    several = len({run.system for run, _ in runs}) > 1
    shown = [_game(i, game, runs, path) for i, game in enumerate(games)]
    context = {
        "title": title,
        "tiles": _tiles(runs, league),
        "league": league,
        "rows": [_row(row, runs) for row in league.rows],
        "several": several,
        "aggregates": _aggregates(league, "rows" if several else "games"),
        "said": _said(runs),
        "notes": _notes(runs, league),
        "games": shown,
        "beyond": any(game["beyond"] for game in shown),
        "axes": figures.listing(sorted({game["axis"] for game in shown})),
        "all_told": all(
            run.finished is not None and _EPSILON in run.table.score_means for run, _ in runs
        ),
    }
    context["cited"] = cited([run for run, _ in runs])
    write_page(path, "suite.html", context)


def _tiles(runs: Suite, league: League) -> list[Tile]:
    tiles = []
    for label, aggregate in (
        ("Human-normalised median", league.median),
        ("Interquartile mean", league.interquartile_mean),
    ):
        if aggregate is not None:
            note = _interval(aggregate, "95% interval ") or "one seed a game: no interval"
            tiles.append(Tile(label, figures.percent(aggregate.value), "", note, "best"))
    n_games = len({run.game for run, _ in runs})
    tiles.append(Tile("Games", str(n_games), "", figures.many(len(runs), "run")))
    steps = [n for run, _ in runs if (n := trained_steps(run)) is not None]
    seconds = sum(training_seconds(run) for run, _ in runs)
    duration = figures.duration(seconds)
    units = {clock_unit(run.table) for run, _ in runs}
    if len(units) == 1 and len(steps) == len(runs):
        note = f"{duration} of training, all runs together"
        tiles.append(Tile("Trained", figures.large(sum(steps)), units.pop(), note))
    elif seconds:
        tiles.append(Tile("Training time", duration, "", "all runs together"))
    return tiles


def _interval(aggregate: Aggregate, before: str = "") -> str:
    if aggregate.low is None or aggregate.high is None:
        return ""
    return f"{before}{figures.percent(aggregate.low)} to {figures.percent(aggregate.high)}"


def _aggregates(league: League, rows: str) -> list[dict[str, str]]:
    named = (
        (f"Median over the {rows}", league.median),
        ("Interquartile mean over the runs", league.interquartile_mean),
    )
    return [
        {
            "name": name,
            "value": figures.percent(aggregate.value),
            "interval": _interval(aggregate) or figures.NONE,
            "paper": figures.percent(aggregate.paper),
        }
        for name, aggregate in named
        if aggregate is not None
    ]


def _row(row: LeagueRow, runs: Suite) -> dict[str, Any]:
    """Return a game's row of the table."""
    _, std = mean_and_std(row.scores)
    return {
        "row": row,
        "game": shown_game(row.game),
        "system": row.system,
        "std": std if len(row.scores) > 1 else None,
        "bar": _bar(row.human_normalised),
        "tick": _bar(row.paper_normalised),
        "comparable": not any(
            figures.why_not_comparable(evaluations[0])
            for run, evaluations in runs
            if (run.game, run.system) == (row.game, row.system) and evaluations
        ),
    }


def _bar(share: float | None) -> float | None:
    """Return the length of a human-normalised score's bar, in percent."""
    return None if share is None else round(100 * min(max(share, 0.0), _LONGEST_BAR) / _LONGEST_BAR)


def _said(runs: Suite) -> str:
    """Return how the scores were made; where runs differ, all values are listed."""
    records = [evaluations[0] for _, evaluations in runs if evaluations]
    if not records:
        return "No evaluation was recorded, so there is no score."
    networks = {figures.results_of(record)[0].network for record in records}
    which = " or ".join(sorted(networks))
    said = [f"Mean return of each run's {which} network"]
    for name, values in (
        ("{}", {figures.epsilon(r.epsilon) for r in records}),
        ("{} a run", {figures.many(figures.results_of(r)[0].episodes, "episode") for r in records}),
        ("at most {} frames an episode", {figures.whole(r.max_frames) for r in records}),
        ("up to {} null actions at its start", {r.random_starts for r in records}),
    ):
        said.append(name.format(figures.listing(sorted(map(str, values)))))
    if all(record.sticky == 0 for record in records):
        said.append("no action is repeated at random (sticky actions off)")
    return "; ".join(said) + "."


def _notes(runs: Suite, league: League) -> list[str]:
    """Return what a reader must know about the figures."""
    notes = []
    reasons: dict[str, list[str]] = {}
    for run, evaluations in runs:
        reason = figures.why_not_comparable(evaluations[0]) if evaluations else ""
        if reason and run.game in nature_scores():
            reasons.setdefault(reason, []).append(shown_game(run.game))
    for reason, games in sorted(reasons.items()):
        names = figures.listing(sorted(set(games)))
        notes.append(f"Not comparable with the paper, {names}: {reason}.")
    silent = [run.name for run, evaluations in runs if not evaluations]
    if silent:
        notes.append(f"Without a recorded evaluation: {figures.listing(sorted(silent))}.")
    if league.median is not None:
        if league.median.low is None:
            notes.append("There is no interval with one seed a game.")
        elif league.fewest_seeds < 3:
            notes.append(
                "Intervals: 95%, from a bootstrap over seeds; with fewer than three seeds a game "
                "they say little."
            )
        else:
            notes.append("Intervals: 95%, from a bootstrap over seeds, game by game.")
    return notes


def _game(number: int, game: str, runs: Suite, path: Path) -> dict[str, Any]:
    """Return a game's learning curves, and the key to them."""
    scores = nature_scores().get(game)
    mine = [(run, evaluations) for run, evaluations in runs if run.game == game]
    several = len({run.system for run, _ in mine}) > 1
    some = any(run.table.score in run.history and np.any(played_in(run)) for run, _ in mine)
    chart = charts.curves_chart(f"curves{number}", game, [run for run, _ in mine], scores)
    return {
        "name": shown_game(game),
        "beyond": charts.is_beyond([run for run, _ in mine], scores),
        "chart": chart if some else None,
        "axis": axis_of([run for run, _ in mine if run.n_evaluations])[0].short,
        "keys": [
            {
                "colour": f"seed{i % charts.SEED_COLOURS}",
                "text": f"{run.system}, {_key(run)}" if several else _key(run),
                "link": _link(evaluations, path),
            }
            for i, (run, evaluations) in enumerate(mine)
        ],
    }


def _key(run: RunRecord) -> str:
    """Return a run's label next to its game; single snapshots may share their seeds."""
    if run.finished is None:
        return run.name
    return f"seed {run.seed}" + ("" if run.finished else " (unfinished)")


def _link(evaluations: Sequence[EvaluationRecord], path: Path) -> str | None:
    """Return the link from the page to a run's own: report-X.html next to evaluation-X."""
    for evaluation in evaluations:
        folder = evaluation.folder.absolute()
        name = folder.name.replace("evaluation-", "report-", 1) + ".html"
        if name.startswith("report-") and (folder.parent / name).is_file():
            way = os.path.relpath(folder.parent / name, path.absolute().parent)
            return quote(way, errors="surrogateescape")
    return None
