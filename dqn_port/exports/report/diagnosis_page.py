"""The page of a diagnosis, one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dqn_port.exports.report import figures
from dqn_port.exports.report.diagnosis import sections_of, value
from dqn_port.exports.report.page import Tile, drawn_curve, shown_game, write_page
from dqn_port.records import RunRecord
from dqn_port.runs.diagnosis import Diagnosis


def write_diagnosis(
    path: Path, diagnosis: Diagnosis, *, game: str, name: str, run: RunRecord | None
) -> None:
    """Write the page of a diagnosis to ``path``.

    ``name``: of the run, or of the network's file. ``run``: its histories are drawn too.

    Raises:
        RunFolderError: see files.write_whole.
    """
    context = {
        "title": f"{shown_game(game)} · {name}",
        "game": shown_game(game),
        "name": name,
        "tiles": _tiles(diagnosis),
        "diagnosis": sections_of(diagnosis),
        "curves": [] if run is None else _curves(run),
    }
    write_page(path, "diagnosis.html", context)


def _tiles(diagnosis: Diagnosis) -> list[Tile]:
    rewards = [episode.reward for episode in diagnosis.episodes]
    raw = figures.score(sum(rewards) / len(rewards))
    tiles = [Tile("Raw return", raw, "", f"mean of {figures.many(len(rewards), 'episode')}")]
    tiles.append(Tile("Value", value(diagnosis.mean_value), "", "mean over the states", "best"))
    if diagnosis.compared:
        tiles.append(Tile("Return", value(diagnosis.mean_return), "", "as learnt, discounted"))
        tiles.append(Tile("Error", value(diagnosis.mean_error), "", "mean of |return − V|"))
    return tiles


def _curves(run: RunRecord) -> list[dict[str, Any]]:
    """Return the charts of all tables of a run."""
    return [
        drawn_curve(view, f"{view.table.name or 'run'}{i}", chart)
        for view in run.views
        for i, chart in enumerate(view.table.drawn)
        if set(chart.columns) <= view.history.keys() and view.n_evaluations
    ]
