"""Events that a training reports while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    step: int
    """When, on the training's own clock: agent steps, updates, episodes …"""


@dataclass(frozen=True)
class Started(Event):
    """The training begins or resumes."""

    training: Any
    device: str = "cpu"
    """Where the network is computed."""
    resumed: bool = False
    """Whether it resumes from a checkpoint."""
    notes: tuple[str, ...] = ()
    """What to say about that, the device and the folder's lock."""


@dataclass(frozen=True)
class Resumed(Event):
    """The training resumes from a checkpoint of this step; what came after it is dropped."""


@dataclass(frozen=True, kw_only=True)
class Ticked(Event):
    """A tick was done."""

    phase: str
    """What it was a part of: playing, learning, evaluating …"""
    text: str
    """How far that is: step 20/300, evaluation 7/50."""
    frames: int = 0
    """Emulator frames that the tick took."""
    all_frames: int = 0
    """Emulator frames of training so far."""
    epsilon: float | None = None


@dataclass(frozen=True)
class EpisodeEnded(Event):
    """A training episode ended: a game, or a life of one."""

    reward: float
    """Undiscounted sum of the game's own rewards, in points."""
    ended: str = "game"
    """life | game | limit"""
    game: int = 0
    """Which of several games at once."""


@dataclass(frozen=True)
class Row(Event):
    """A row of one of the system's tables; it is on the disk before the event is reported."""

    cells: Mapping[str, Any]
    """Column → value; None for an empty cell."""
    table: str = ""
    """Table.name; empty: history.csv."""


@dataclass(frozen=True)
class Saved(Event):
    """A network's file was written."""

    path: Path


@dataclass(frozen=True)
class Stopped(Event):
    """A signal stopped the training, and a checkpoint was written."""

    training: Any


@dataclass(frozen=True)
class Finished(Event):
    """The training is finished and all is written."""

    folder: Path
