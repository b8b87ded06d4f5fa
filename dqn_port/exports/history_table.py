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
from dqn_port.exports.hdf5_reading import ExportedRun
from dqn_port.files import write_whole
from dqn_port.runs.record import RunRecord
from dqn_port.systems.lua_dqn.histories import HISTORY_COLUMNS

WIDTH: Final = 80
"""Columns of a terminal that everything fits into."""
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_SPARKS: Final = {"reward": "reward", "V": "v", "TD error": "td"}
"""Title → series."""
_SPARK_WIDTH: Final = 44


def sparkline(values: Sequence[float] | NDArray[Any], width: int = _SPARK_WIDTH) -> str:
    """Return a line of blocks from the least to the most; more values than ``width`` are averaged.

    A value that is not finite is a blank.
    """
    every = np.asarray(values, dtype=np.float64)
    parts = np.array_split(every, min(width, len(every))) if len(every) else []
    with np.errstate(all="ignore"):
        means = [float(part.mean()) for part in parts]
    finite = [value for value in means if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    # Halves, so that the largest doubles do not overflow.
    span = high / 2 - low / 2
    top = len(_BLOCKS) - 1
    return "".join(
        " " if not math.isfinite(value)
        else _BLOCKS[round((value / 2 - low / 2) / span * top) if span else top // 2]
        for value in means
    )  # fmt: skip


def history_lines(
    title: str, history: Mapping[str, NDArray[Any]], *, episodes: str, rewards: str
) -> Iterator[str]:
    """Yield the lines of a run's history: a row an evaluation, and sparklines below.

    What is not in ``history`` stays blank; without the steps an evaluation has its number.
    ``episodes``, ``rewards``: what the series of those counts are called.
    """
    yield shortened(title)
    n = len(next(iter(history.values()), ()))
    if not n:
        yield "no evaluation yet"
        return
    yield ""
    first = "steps" if "step" in history else "evaluation"
    yield (
        f"{first:>11} {'frames':>12} {'reward':>10} {'episodes':>8} {'rewards':>7} "
        f"{'V':>9} {'TD error':>9}  best"
    )
    written: dict[str, tuple[int, Callable[[Any], str]]] = {
        "step": (11, _count),
        "frames": (12, _count),
        "reward": (10, _number),
        episodes: (8, str),
        rewards: (7, str),
        "v": (9, _number),
        "td": (9, _number),
    }
    shown = {"step": np.arange(1, n + 1)} | dict(history)
    for i in range(n):
        cells = [
            f"{write(shown[series][i]) if series in shown else '':>{width}}"
            for series, (width, write) in written.items()
        ]
        best = "best" in shown and shown["best"][i]
        yield f"{' '.join(cells)}  {'*' if best else ''}".rstrip()
    yield ""
    for name, series in _SPARKS.items():
        if series not in history:
            continue
        values = history[series]
        limits = f"{_number(values.min())} to {_number(values.max())}"
        yield f"{name:8}  {sparkline(values)}  {limits}"


def run_lines(run: RunRecord) -> Iterator[str]:
    """Yield the lines of a run."""
    title = _title(run.name, run.game, run.seed, run.finished)
    yield from history_lines(title, run.history, episodes="episodes", rewards="rewards")


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
    yield from history_lines(title, run.history, episodes="episode_counts", rewards="reward_counts")
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
    """Write histories as CSV: a row an evaluation, in front the run where there are several.

    The columns are those of history.csv, and ``time``: seconds of training so far. What a run does
    not tell stays empty; where one does not tell its steps, ``evaluation`` counts the rows of each.

    Raises:
        HistoryError: a run is there twice.
        RunFolderError: see files.write_whole.
    """
    several = len(runs) > 1
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    numbered = any("step" not in run.history for run in runs)
    before = [*(["run"] if several else []), *(["evaluation"] if numbered else [])]
    writer.writerow([*before, *HISTORY_COLUMNS, "time"])
    for name, run in zip(run_ids(runs), runs, strict=True):
        told = {column: values.tolist() for column, values in run.history.items()}
        if run.time is not None:
            told["time"] = run.time[1:].tolist()
        told |= {"run": [name] * run.n_evaluations, "evaluation": range(1, run.n_evaluations + 1)}
        for i in range(run.n_evaluations):
            writer.writerow(
                [told[c][i] if c in told else "" for c in (*before, *HISTORY_COLUMNS, "time")]
            )
    content = text.getvalue().encode("utf-8", "backslashreplace")
    write_whole(path, lambda file: file.write(content))


def shortened(text: str) -> str:
    """Return a line's text cut to WIDTH, without what would move the terminal's cursor."""
    plain = "".join(c if c.isprintable() else "�" for c in text)
    return plain if len(plain) <= WIDTH else plain[: WIDTH - 1] + "…"


def _count(value: int) -> str:
    return f"{value:,d}"


def _number(value: float) -> str:
    """Return a number in nine characters at most."""
    text = f"{value:.4g}"
    return text if len(text) <= 9 else f"{value:.2g}"
