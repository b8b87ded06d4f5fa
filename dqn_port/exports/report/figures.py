"""The figures of a report, and how they are written."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dqn_port.exports.nature_scores import MAX_FRAMES, nature_scores
from dqn_port.runs.evaluations import EvaluationRecord, mean_and_std

PAPER_EPSILON: Final = 0.05
PAPER_RANDOM_STARTS: Final = 30
"""Most null actions at the start of an episode in the paper's evaluations."""
PAPER_EPISODES: Final = 30
"""Episodes in its evaluation of a game."""

MINUS: Final = "\N{MINUS SIGN}"
NONE: Final = "\N{EN DASH}"
"""Where there is no figure."""

_HUGE: Final = 1e9
"""No game has such scores; they are shortened."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The results of one network's episodes."""

    network: str
    episodes: int
    mean: float
    std: float
    """Of a sample, n − 1."""
    median: float
    least: float
    most: float
    steps: float
    """Mean agent steps of an episode."""
    cut: int
    """Episodes cut at the limit of their length."""
    human: float | None
    """0 random play, 1 the human tester; None where it cannot be compared."""


def results_of(record: EvaluationRecord) -> list[Result]:
    """Return a record's results, the best network's first."""
    comparable = not why_not_comparable(record)
    results = []
    for network in ("best", "last"):
        episodes = record.of(network)
        if not episodes:
            continue
        rewards = [episode.reward for episode in episodes]
        mean, std = mean_and_std(rewards)
        scores = nature_scores().get(record.game) if comparable else None
        results.append(
            Result(
                network=network,
                episodes=len(episodes),
                mean=mean,
                std=std,
                median=statistics.median(rewards),
                least=min(rewards),
                most=max(rewards),
                steps=statistics.fmean(episode.steps for episode in episodes),
                cut=sum(episode.cut for episode in episodes),
                human=None if scores is None else scores.human_normalised(mean),
            )
        )
    return results


def why_not_comparable(record: EvaluationRecord) -> str:
    """Return why the paper's scores cannot be compared; an empty string if they can."""
    if record.game not in nature_scores():
        return f"the paper has no scores for {record.game}"
    if record.max_frames < MAX_FRAMES and any(e.cut for e in record.episodes):
        return f"episodes were cut before the paper's limit of {whole(MAX_FRAMES)} frames"
    if any(e.frames > MAX_FRAMES for e in record.episodes):
        return f"an episode is longer than the paper's limit of {whole(MAX_FRAMES)} frames"
    if record.epsilon != PAPER_EPSILON:
        return f"the paper's evaluations use {epsilon(PAPER_EPSILON)}"
    if record.random_starts != PAPER_RANDOM_STARTS:
        return f"the paper's episodes start with up to {PAPER_RANDOM_STARTS} null actions"
    return ""


def score(value: float, places: int | None = None) -> str:
    """Write a score: with as many decimals as it needs, 12.5 or −20.7 or 1,234."""
    if not math.isfinite(value):
        return NONE
    if abs(value) >= _HUGE:
        return f"{value:.3g}".replace("-", MINUS)
    if places is None:
        places = 0 if abs(value) >= 1000 else 1
    text = f"{abs(value):,.{places}f}"
    return MINUS + text if value < 0 and float(text.replace(",", "")) else text


def points(value: float) -> str:
    """Write an episode's return, without decimals if it is an integer."""
    return score(value, 0) if value == int(value) else score(value)


def whole(value: float) -> str:
    """Write a whole number with thousands separators."""
    return f"{value:,.0f}".replace("-", MINUS)


def percent(value: float | None) -> str:
    """Write a share as a percentage."""
    return NONE if value is None else f"{value:,.1%}".replace("-", MINUS)


def epsilon(value: float) -> str:
    """Write an ε, with a no-break space."""
    return f"ε\N{NO-BREAK SPACE}{value:g}"


def many(n: int, thing: str) -> str:
    """Write a number of things: 1 episode, 10 episodes."""
    return f"{whole(n)} {thing}{'' if n == 1 else 's'}"


def duration(seconds: float) -> str:
    """Write a time to the two largest units: 3 min 5 s."""
    if not math.isfinite(seconds):
        return NONE
    left = round(seconds)
    parts: list[tuple[int, str]] = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        n, left = divmod(left, size)
        if n or parts:
            parts.append((n, unit))
    return " ".join(f"{n} {unit}" for n, unit in parts[:2] if n) or "0 s"


def large(value: float) -> str:
    """Write a number briefly: 950, 12.3k, 4M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}".replace("-", MINUS)
    return f"{value:.3g}".replace("-", MINUS)


def listing(words: Sequence[str]) -> str:
    """Write words as a list: a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
