"""The events of this program, in addition to those that all systems share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dqn_port.events import EpisodeEnded, Event


@dataclass(frozen=True, kw_only=True)
class Episode(EpisodeEnded):
    """A training episode ended."""

    count_episodes: int
    mean: float
    """Of the last episodes' rewards."""
    epsilon: float
    """Of the last action."""


@dataclass(frozen=True, kw_only=True)
class BurstBegun(Event):
    """The memory was swept, and a burst of updates begins."""

    statistics: dict[str, Any]
    """See ReplayMemory.statistics."""
    num_used: int
    learning_rate: float
    loss_limit: float
    max_epochs: float


@dataclass(frozen=True, kw_only=True)
class Updated(Event):
    """An update of a burst was made."""

    iteration: int
    """From 0."""
    epoch: float
    loss: float
    loss_mean: float
    last: bool
    """Whether it ends the burst."""


@dataclass(frozen=True, kw_only=True)
class StateTested(Event):
    """A state of a test was played in which there was a reward or a life was lost."""

    count_episodes: int
    q_min: float
    q_max: float
    lives: int
    reward: float
    """Of the episode so far."""
    mean: float


@dataclass(frozen=True, kw_only=True)
class RunEnded(Event):
    """The last state was played."""

    rewards: Sequence[float]
    """Of all whole episodes."""
