"""The two logs of a training: text files that are appended to, line by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import HistoryError
from dqn_port.files import reading

Append = Callable[[str, str], None]
"""Appends a text to the file of a name; see interfaces.Files."""


class LogReward:
    """A line an episode: episodes, states, its reward, the mean of the last episodes.

    Hvass: reinforcement_learning.py, LogReward
    """

    NAME: Final = "log_reward.txt"
    TABLE: Final = "reward"
    COLUMNS: Final = ("episodes", "states", "reward", "mean")

    def __init__(self, append: Append) -> None:
        self._append = append

    def write(
        self, count_episodes: int, count_states: int, reward_episode: float, reward_mean: float
    ) -> dict[str, Any]:
        """Append a line, and return its numbers unrounded, by column."""
        numbers = (count_episodes, count_states, reward_episode, reward_mean)
        self._append(self.NAME, "{}\t{}\t{:.1f}\t{:.1f}\n".format(*numbers))
        return dict(zip(self.COLUMNS, numbers, strict=True))


class LogQValues:
    """A line a burst: episodes, states, and the Q-values' min, mean, max, standard deviation.

    Hvass: reinforcement_learning.py, LogQValues

    Quirk: they are taken over the whole array after the sweep, unused rows included;
    test_logs.py, test_unused_rows_count.
    """

    NAME: Final = "log_q_values.txt"
    TABLE: Final = "q_values"
    COLUMNS: Final = ("episodes", "states", "min", "mean", "max", "std")

    def __init__(self, append: Append) -> None:
        self._append = append

    def write(
        self, count_episodes: int, count_states: int, q_values: NDArray[np.float64]
    ) -> dict[str, Any]:
        """Append a line, and return its numbers unrounded, by column."""
        of = (np.min(q_values), np.mean(q_values), np.max(q_values), np.std(q_values))
        return self.write_numbers(count_episodes, count_states, *map(float, of))

    def write_numbers(self, *numbers: float) -> dict[str, Any]:
        """Append a line of COLUMNS, and return them by name."""
        line = "{}\t{}\t{:.3f}\t{:.3f}\t{:.3f}\t{:.3f}\n".format(*numbers)
        self._append(self.NAME, line)
        return dict(zip(self.COLUMNS, numbers, strict=True))


def log_beside(network: Path, name: str) -> str:
    """Return the log of a name in a network's folder, which goes on as in the original's restore.

    Empty where there is none.
    """
    path = network.parent / name
    if not path.is_file():
        return ""
    with reading(path, HistoryError):
        return path.read_text(encoding="utf-8", errors="replace")


def read_log(path: Path, columns: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Return a log's columns: int64 for episodes and states, else float64.

    Raises:
        HistoryError: the file is not there, is empty, or has a line of another kind.
    """
    with reading(path, HistoryError, "`dqn-port train` of hvass16 writes it into the run's folder"):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines:
        raise HistoryError(f"{path}: expected lines of {len(columns)} numbers, got an empty file")
    rows: list[list[float]] = []
    for number, line in enumerate(lines, start=1):
        cells = line.split("\t")
        try:
            rows.append([*map(int, cells[:2]), *map(float, cells[2:])])
        except ValueError:
            rows.append([])
        if len(rows[-1]) != len(columns):
            raise HistoryError(
                f"{path}: line {number}: expected {', '.join(columns)}, with tabs between, "
                f"got {line[:60]!r}"
            )
    return {
        name: np.array([row[i] for row in rows], dtype=np.int64 if i < 2 else np.float64)
        for i, name in enumerate(columns)
    }
