"""The page of a diagnosis, one HTML file that needs nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from dqn_port.exports.report import figures
from dqn_port.exports.report.diagnosis import sections_of, value
from dqn_port.exports.report.page import Tile, charts_of, drawn_curve, shown_game, write_page
from dqn_port.records import Columns, RunRecord
from dqn_port.runs.diagnosis import Diagnosis

_MOST_POINTS: Final = 2_000
"""Of a curve; of more rows every so many are drawn."""


def write_diagnosis(
    path: Path, diagnosis: Diagnosis, *, game: str, name: str, run: RunRecord | None
) -> None:
    """Write the page of a diagnosis to ``path``.

    ``name``: of the run, or of the network's file. ``run``: whose histories are drawn, too.

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
    tiles.append(Tile("Value", value(diagnosis.mean_value), "", "mean of the states", "best"))
    if diagnosis.compared:
        tiles.append(Tile("Return", value(diagnosis.mean_return), "", "as learnt, discounted"))
        tiles.append(Tile("Apart", value(diagnosis.mean_error), "", "mean of |return − V|"))
    return tiles


def _curves(run: RunRecord) -> list[dict[str, Any]]:
    """Return the charts of all tables of a run."""
    tables = [(run.table, run.history), *run.further.values()]
    return [
        drawn_curve(
            replace(run, table=table, history=_thinned(rows)), f"{table.name or 'run'}{i}", chart
        )
        for table, rows in tables
        for i, chart in enumerate(charts_of(table))
        if set(chart.columns) <= rows.keys() and len(rows[chart.columns[0]])
    ]


def _thinned(rows: Columns) -> Columns:
    n = max(map(len, rows.values()), default=0)
    every = -(-n // _MOST_POINTS) or 1
    return {name: values[::every] for name, values in rows.items()}
