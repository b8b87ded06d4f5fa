"""Play whole games with a player of any system."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dqn_port import registry
from dqn_port.interfaces import Player, Step, System
from dqn_port.saved_networks import SUFFIX, system_in


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One game that was played."""

    reward: float
    """Undiscounted sum of the game's own rewards."""
    steps: int
    """Agent steps."""
    frames: int
    """Emulator frames, as the system counts them."""
    cut: bool
    """Whether it was ended by the limit of its length rather than by the game."""
    crc: int
    """CRC-32 of its actions and rewards, by which repeated games are found."""


def episodes(
    player: Player, *, steps: int | None = None, watch: Callable[[Step], None] | None = None
) -> Iterator[Episode]:
    """Yield the games that end within ``steps`` agent steps; None: one after another, forever.

    ``watch`` is given every step, with what it showed. A lost life ends no game.
    """
    reward, frames, crc = 0.0, 0, 0
    for _ in itertools.count() if steps is None else range(steps):
        step = player.step(show=watch is not None)
        if watch is not None:
            watch(step)
        reward += step.earned
        frames += step.frames
        crc = zlib.crc32(f"{step.done} {step.earned};".encode(), crc)
        if step.ended in ("game", "limit"):
            cut = step.ended == "limit"
            yield Episode(reward=reward, steps=step.number + 1, frames=frames, cut=cut, crc=crc)
            reward, frames, crc = 0.0, 0, 0


def system_of(path: Path, args_file: Path | None = None) -> System:
    """Return the system whose network a file holds.

    ``args_file``: the arguments to play it by, which name the system where they are given.

    Raises:
        SnapshotError: it is damaged.
        RegistryError, UsageError: see registry.find_system.
    """
    if path.suffix == SUFFIX:
        return registry.find_system(system_in(path) or registry.DEFAULT)
    if args_file is not None:
        return registry.system_of_file(args_file)
    return registry.find_system(registry.FILES.get(path.suffix, registry.DEFAULT))
