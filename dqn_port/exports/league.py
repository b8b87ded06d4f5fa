"""A league table: scores of games × systems × seeds, compared with random play, a human and the
paper.

A row is one system in one game. Over all rows there are the median and the interquartile mean of
human-normalised scores, with intervals of a stratified bootstrap (Agarwal et al. 2021, rliable),
which resamples the seeds of each row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dqn_port.errors import HistoryError
from dqn_port.exports.nature_scores import nature_scores

RESAMPLES: Final = 10_000
"""Resamples of the bootstrap; rliable's examples take 2,000 to 50,000."""
_CONFIDENCE: Final = 0.95
_TRIMMED: Final = 0.25
"""Share of the scores that is left out at each end."""


Place = tuple[str, str]
"""Game and system."""


@dataclass(frozen=True, kw_only=True)
class LeagueRow:
    """One system in one game; scores in points of the game."""

    game: str
    system: str
    scores: tuple[float, ...]
    """One per seed."""
    mean: float
    """Over the seeds."""
    random: float | None = None
    """None, like all that follow, for a game without scores in the paper."""
    human: float | None = None
    paper: float | None = None
    """Mean score of the paper's agent."""
    human_normalised: float | None = None
    """Of the mean: 0 is random play, 1 the human tester."""
    paper_normalised: float | None = None


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """One number over all rows of the paper's games, human-normalised."""

    value: float
    low: float | None
    """Lower end of the 95 % interval; None if no row has two seeds, so that nothing can be
    resampled."""
    high: float | None
    paper: float
    """The same of the paper's mean scores in the same games."""


@dataclass(frozen=True, kw_only=True)
class League:
    """The table and its aggregates."""

    rows: tuple[LeagueRow, ...]
    """Sorted by game and system."""
    games: int
    """Number of rows in the aggregates: those of games with scores in the paper."""
    fewest_seeds: int
    """Smallest number of seeds of a row that counts; with fewer than 3 the intervals mean little. 0
    if no row counts."""
    median: Aggregate | None
    """Median over the rows of their mean over seeds; None if no row counts."""
    interquartile_mean: Aggregate | None
    """Over all runs of all rows; None if no row counts."""


def interquartile_mean(scores: ArrayLike) -> float:
    """Return the mean of the middle half; of n scores, n // 4 are left out at each end.

    Raises:
        ValueError: there is no score.
    """
    values = np.asarray(scores, dtype=np.float64).ravel()
    if not len(values):
        raise ValueError("expected at least one score, got none")
    return float(_interquartile_means(values[None])[0])


def league(
    scores: Mapping[Place, Sequence[float]], *, seed: int = 0, resamples: int = RESAMPLES
) -> League:
    """Return the league table of ``scores``: (game, system) → its score for each seed.

    ``seed`` of the bootstrap: the same scores give the same intervals.

    Raises:
        HistoryError: a row has no score, or one that is not finite.
    """
    for (game, system), found in scores.items():
        if not found or not all(map(math.isfinite, found)):
            raise HistoryError(
                f"league: {game}, {system}: expected at least one finite score, got {list(found)}"
            )
    rows = tuple(_row(*place, scores[place]) for place in sorted(scores))
    table = nature_scores()
    # In a fixed order, so that the same draws meet the same scores.
    normalised = [
        np.array([table[row.game].human_normalised(score) for score in sorted(row.scores)])
        for row in rows
        if row.game in table
    ]
    paper = np.array([row.paper_normalised for row in rows if row.paper_normalised is not None])
    if not normalised:
        return League(rows=rows, games=0, fewest_seeds=0, median=None, interquartile_mean=None)
    drawn = [_resample(values, seed, i, resamples) for i, values in enumerate(normalised)]
    if max(map(len, normalised)) == 1:
        drawn = []
    return League(
        rows=rows,
        games=len(normalised),
        fewest_seeds=min(map(len, normalised)),
        median=_aggregate(_medians, normalised, drawn, paper),
        interquartile_mean=_aggregate(
            lambda games: _interquartile_means(np.concatenate(games, axis=1)),
            normalised,
            drawn,
            paper,
        ),
    )


def _row(game: str, system: str, scores: Sequence[float]) -> LeagueRow:
    mean = math.fsum(scores) / len(scores)
    known = nature_scores().get(game)
    found = tuple(float(score) for score in scores)
    if known is None:
        return LeagueRow(game=game, system=system, scores=found, mean=mean)
    return LeagueRow(
        game=game,
        system=system,
        scores=found,
        mean=mean,
        random=known.random,
        human=known.human,
        paper=known.dqn_mean,
        human_normalised=known.human_normalised(mean),
        paper_normalised=known.human_normalised(known.dqn_mean),
    )


Games = list[NDArray[np.float64]]
"""One float64 [B, seeds] per game: B tables that are processed at once."""


def _resample(
    values: NDArray[np.float64], seed: int, number: int, resamples: int
) -> NDArray[np.float64]:
    """Return a game's scores drawn with replacement, float64 [resamples, seeds]."""
    generator = np.random.default_rng([seed, number])
    return values[generator.integers(0, len(values), (resamples, len(values)))]


def _aggregate(
    of: Callable[[Games], NDArray[np.float64]],
    games: Games,
    drawn: Games,
    paper: NDArray[np.float64],
) -> Aggregate:
    low: float | None = None
    high: float | None = None
    if drawn:
        tail = 50 * (1 - _CONFIDENCE)
        low, high = np.percentile(of(drawn), [tail, 100 - tail]).tolist()
    return Aggregate(
        value=float(of([values[None] for values in games])[0]),
        low=low,
        high=high,
        paper=float(of([np.array([[score]]) for score in paper])[0]),
    )


def _medians(games: Games) -> NDArray[np.float64]:
    """Return the median over the games of their means, float64 [B]."""
    means = np.stack([values.mean(axis=1) for values in games], axis=1)
    medians: NDArray[np.float64] = np.median(means, axis=1)
    return medians


def _interquartile_means(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the interquartile means of the rows of ``scores``, float64 [B, N] → [B]."""
    n = scores.shape[1]
    cut = int(_TRIMMED * n)
    means: NDArray[np.float64] = np.sort(scores, axis=1)[:, cut : n - cut].mean(axis=1)
    return means
