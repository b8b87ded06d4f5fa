"""Draw the original's CSV: a few fields over the epochs, random, train and test apart.

simple_dqn: plot.py. It failed on a CSV without exactly one random row, as resumed runs write, and
on one row alone; here both are drawn.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from dqn_port.errors import HistoryError, near_match
from dqn_port.files import reading, write_whole
from dqn_port.systems.simple_dqn.statistics import FIELDS

LABELS: Final = {
    "steps": "Number of steps",
    "nr_games": "Number of games",
    "average_reward": "Average reward",
    "min_game_reward": "Min. game reward",
    "max_game_reward": "Max. game reward",
    "last_exploration_rate": "Exploration rate",
    "total_train_steps": "Exploration steps",
    "replay_memory_count": "Replay memory size",
    "meanq": "Average Q-value",
    "meancost": "Average loss",
    "weight_updates": "Number of weight updates",
    "total_time": "Total time elapsed",
    "epoch_time": "Phase time",
    "steps_per_second": "Number of steps per second",
}
"""Field → title and y label."""
USUAL: Final = ("average_reward", "meanq", "nr_games", "meancost")
_PHASES: Final = ("random", "train", "test")


def read_csv(path: Path, *, delimiter: str = ",") -> list[dict[str, Any]]:
    """Return the rows of a CSV of the original's or of ours: field → number; phase is a text.

    Raises:
        HistoryError: it cannot be read, or is something else.
    """
    with reading(path, HistoryError):
        text = path.read_bytes().decode(errors="replace")
    lines = [line for line in csv.reader(io.StringIO(text), delimiter=delimiter) if line]
    if not lines or lines[0] != list(FIELDS):
        raise HistoryError(f"{path}: expected the 16 fields of simple_dqn's CSV in its first line")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            row = dict(zip(FIELDS, line, strict=True))
            rows.append({n: v if n == "phase" else float(v) for n, v in row.items()})
        except ValueError as error:
            raise HistoryError(
                f"{path}: line {number}: expected 16 numbers, got {','.join(line)[:60]!r}"
            ) from error
    if not rows:
        raise HistoryError(f"{path}: expected at least one row, got none")
    return rows


def plot(
    path: Path,
    png: Path,
    *,
    fields: Sequence[str] = USUAL,
    dpi: int = 80,
    delimiter: str = ",",
    figure_width: float = 16,
    figure_height: float = 9,
) -> None:
    """Draw the fields of a CSV into a PNG; sizes in inches.

    Raises:
        HistoryError: see read_csv; there is no such field.
        RunFolderError: see files.write_whole.
    """
    from matplotlib.figure import Figure

    for field in fields:
        if field not in LABELS:
            raise HistoryError(
                f"fields: expected some of {', '.join(LABELS)}, got '{field}'"
                f"{near_match(field, LABELS)}"
            )
    rows = read_csv(path, delimiter=delimiter)
    figure = Figure(figsize=(figure_width, figure_height), dpi=dpi)
    n_columns = math.ceil(math.sqrt(len(fields)))
    n_rows = math.ceil(len(fields) / n_columns)
    for place, field in enumerate(fields, start=1):
        axes = figure.add_subplot(n_rows, n_columns, place)
        for label, epochs, values in lines_of(rows, field):
            axes.plot(epochs, values, label=label, marker="." if len(values) == 1 else None)
        axes.set_title(LABELS[field])
        axes.set_xlabel("Epoch")
        axes.set_ylabel(LABELS[field])
        if axes.lines:
            axes.legend(loc="best")
    figure.tight_layout()
    write_whole(png, lambda file: figure.savefig(file, format="png"))


def lines_of(
    rows: Sequence[dict[str, Any]], field: str
) -> list[tuple[str, list[float], list[float]]]:
    """Return (label, epochs, values) of the phases that there are.

    The first random row's value stands at every epoch; rows of play phases are left out.
    """
    found = []
    epochs = sorted({row["epoch"] for row in rows if row["phase"] in _PHASES[1:]}) or [0.0]
    for phase in _PHASES:
        of_phase = [row for row in rows if row["phase"] == phase]
        if not of_phase:
            continue
        if phase == "random":
            found.append(("Random", epochs, [of_phase[0][field]] * len(epochs)))
        else:
            label = phase.capitalize()
            values = [row[field] for row in of_phase]
            found.append((label, [row["epoch"] for row in of_phase], values))
    return found
