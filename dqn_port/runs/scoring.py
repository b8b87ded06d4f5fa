"""Scores while a run trains: when they are due, and their rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dqn_port.interfaces import Facts, System
from dqn_port.runs.record import read_table
from dqn_port.runs.scores import SCORES, play_scores


class Scoring:
    """Plays whole games every ``every`` emulator frames of training."""

    def __init__(self, system: System, facts: Facts, every: int) -> None:
        """``every``: frames; 0: never."""
        self._system, self._every, self._scored_at = system, every, 0
        self._threads = f"{system.option_of('threads')}={facts.threads}"
        self.tables = (SCORES,) if every else ()

    def due(self, frames: int) -> bool:
        """Tell whether games are due after ``frames`` frames of training."""
        return bool(self._every) and frames // self._every > self._scored_at // self._every

    def row(self, snapshot: Path, *, step: int, frames: int) -> dict[str, Any]:
        """Play with the last network of a file, and return the row of SCORES."""
        self._scored_at = frames
        seed = frames // self._every
        played = play_scores(self._system, snapshot, seed=seed, assignments=[self._threads])
        return {"step": step, "frames": frames, **played}

    def go_on(self, folder: Path) -> None:
        """Go on after the last score that stands in a run's folder."""
        if self._every:
            content = (folder / SCORES.file).read_bytes()
            self._scored_at = int(
                max(read_table(content, SCORES, finished=False)["frames"], default=0)
            )
