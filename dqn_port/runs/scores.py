"""Scores of a training at points of its run: whole games, played alike whatever the system."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from dqn_port.interfaces import System
from dqn_port.records import Column, Table
from dqn_port.runs.evaluations import mean_and_std
from dqn_port.runs.playing import episodes

GAMES: Final = 20
EPSILON: Final = 0.05
SCORES: Final = Table(
    name="scores",
    clock="step",
    columns=(
        Column(name="step", dtype="int64", meaning="the training's clock"),
        Column(name="frames", dtype="int64", unit="emulator frames", meaning="of training"),
        Column(name="score", meaning="mean raw return of whole games"),
        Column(name="sd", meaning="standard deviation of their returns"),
        Column(name="games", dtype="int64", meaning="those games"),
    ),
    score="score",
    episodes="games",
    score_means=(f"with ε {EPSILON}", "whole games in an environment of their own"),
)
"""history-scores.csv."""


def play_scores(
    system: System,
    snapshot: Path,
    *,
    seed: int,
    epsilon: float = EPSILON,
    games: int = GAMES,
    assignments: Sequence[str] = (),
) -> dict[str, Any]:
    """Play whole games with a file's last network; return score, sd and games, as SCORES has them.

    Raises:
        SnapshotError, T7Error: the file cannot be read.
    """
    player = system.open_player(
        snapshot, seed=seed, epsilon=epsilon, max_frames=0, assignments=assignments
    )
    returns = [episode.reward for episode in itertools.islice(episodes(player), games)]
    mean, sd = mean_and_std(returns)
    return {"score": mean, "sd": sd, "games": len(returns)}
