"""Scores to compare with: random play, a human tester, the paper's agent.

Mnih et al. 2015, Extended Data Table 2: 30 episodes of at most 5 minutes, ε 0.05, up to 30 no-ops
at the start. ``dqn_rerun``: Wang et al. 2016, table 2 (no-op starts).
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

MAX_FRAMES = 18_000
"""Emulator frames of an episode there: 5 minutes at 60 a second."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One game's scores, in points of the game."""

    random: float
    human: float
    dqn_mean: float
    dqn_std: float
    dqn_rerun: float | None

    def human_normalised(self, score: float) -> float:
        """Return 0 for random play, 1 for the human tester."""
        return (score - self.random) / (self.human - self.random)


@functools.cache
def nature_scores() -> dict[str, Scores]:
    """Return the scores of the paper's 49 games by name."""
    text = (resources.files("dqn_port.exports") / "nature_scores.csv").read_text("utf-8")
    return {
        row["game"]: Scores(
            random=float(row["random"]),
            human=float(row["human"]),
            dqn_mean=float(row["dqn_mean"]),
            dqn_std=float(row["dqn_std"]),
            dqn_rerun=float(row["dqn_rerun"]) if row["dqn_rerun"] else None,
        )
        for row in csv.DictReader(text.splitlines())
    }
