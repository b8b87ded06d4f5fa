"""Histories as text: a table with sparklines for the terminal, and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.exports.hdf5 import run_ids
from dqn_port.exports.hdf5_reading import ExportedRun
from dqn_port.exports.runs import RunRecord
from dqn_port.files import write_whole
from dqn_port.run_folder import HISTORY_COLUMNS

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

    ``episodes``, ``rewards``: what the series of those counts are called in ``history``.
    """
    yield shortened(title)
    n = len(history["step"])
    if not n:
        yield "no evaluation yet"
        return
    yield ""
    yield (
        f"{'steps':>11} {'frames':>12} {'reward':>10} {'episodes':>8} {'rewards':>7} "
        f"{'V':>9} {'TD error':>9}  best"
    )
    for i in range(n):
        yield (
            f"{history['step'][i]:11,d} {history['frames'][i]:12,d} "
            f"{_number(history['reward'][i]):>10} {history[episodes][i]:8d} "
            f"{history[rewards][i]:7d} {_number(history['v'][i]):>9} "
            f"{_number(history['td'][i]):>9}  {'*' if history['best'][i] else ''}"
        ).rstrip()
    yield ""
    for name, series in _SPARKS.items():
        values = history[series]
        limits = f"{_number(values.min())} to {_number(values.max())}"
        yield f"{name:8}  {sparkline(values)}  {limits}"


def run_lines(run: RunRecord) -> Iterator[str]:
    """Yield the lines of a run's folder."""
    state = "finished" if run.finished else "unfinished"
    title = f"{run.name}: {run.game}, seed {run.seed}, {state}"
    yield from history_lines(title, run.history, episodes="episodes", rewards="rewards")


def exported_lines(run: ExportedRun) -> Iterator[str]:
    """Yield the lines of a run of a file of histories, its evaluations after training included."""
    told = run.attributes
    state = "finished" if told["finished"] else "unfinished"
    title = f"{told['name']}: {told['game']}, seed {told['seed']}, {state}"
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

    The columns are those of history.csv, and ``time``: seconds of training so far.

    Raises:
        HistoryError: a run is there twice.
        RunFolderError: see files.write_whole.
    """
    several = len(runs) > 1
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(["run"] if several else []), *HISTORY_COLUMNS, "time"])
    for name, run in zip(run_ids(runs), runs, strict=True):
        columns = [run.history[column].tolist() for column in HISTORY_COLUMNS]
        for row in zip(*columns, run.time[1:].tolist(), strict=True):
            writer.writerow([*([name] if several else []), *row])
    content = text.getvalue().encode("utf-8", "backslashreplace")
    write_whole(path, lambda file: file.write(content))


def shortened(text: str) -> str:
    """Return a line's text cut to WIDTH, without what would move the terminal's cursor."""
    plain = "".join(c if c.isprintable() else "�" for c in text)
    return plain if len(plain) <= WIDTH else plain[: WIDTH - 1] + "…"


def _number(value: float) -> str:
    """Return a number in nine characters at most."""
    text = f"{value:.4g}"
    return text if len(text) <= 9 else f"{value:.2g}"
