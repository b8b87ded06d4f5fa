"""Play one game with a saved network, and show it as an animated GIF. Lua: test_agent.lua."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from dqn_port.files import write_whole
from dqn_port.systems.lua_dqn.setup import Setup
from dqn_port.systems.lua_dqn.slots import Screen
from dqn_port.tools.pictures import Picture, enlarge, gif_of, opencv, picture_of

FRAMES_PER_SECOND: Final = 60
"""Of the Atari 2600 (NTSC)."""

_LEAST_HEIGHT: Final = 150
"""Pixels; smaller screens are enlarged."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """One game that was played."""

    score: float
    """Undiscounted sum of the game's own rewards."""
    steps: int
    """Agent steps."""
    frames: int
    """Emulator frames, steps · actrep as the original counts them."""
    cut: bool
    """Whether it was ended by max_frames rather than by the game."""


def play_game(
    ready: Setup,
    *,
    epsilon: float,
    max_frames: int = 0,
    show: Callable[[Screen], None] | None = None,
) -> Played:
    """Play a new game to its end and return how it went.

    ``max_frames`` (emulator frames) ends it before; 0: only the game does. ``show`` is called with
    every screen, the first and the last one included.

    Lua: test_agent.lua. As there, the game begins with newGame: what the environment shows is
    first played at random to its end.
    """
    env, agent, actrep = ready.env, ready.agent, ready.opt.actrep
    max_steps = max(1, max_frames // actrep) if max_frames else None
    score, steps = 0.0, 0
    screen, reward, terminal = env.new_game()
    if show is not None:
        show(screen)
    while not terminal and steps != max_steps:
        action = agent.perceive(reward, screen, terminal, True, epsilon)
        assert action is not None, "only a terminal state has no action"
        screen, reward, terminal = env.step(env.actions[action])
        score += reward
        steps += 1
        if show is not None:
            show(screen)
    return Played(score=score, steps=steps, frames=steps * actrep, cut=not terminal)


def picture_delay(actrep: int) -> int:
    """Return the milliseconds that an agent step takes in the game, as whole as GIF keeps them."""
    return 10 * round(100 * actrep / FRAMES_PER_SECOND)


def record_game(ready: Setup, path: Path, *, epsilon: float, max_frames: int = 0) -> Played:
    """Play a game as ``play_game`` does and write it to ``path`` as a GIF, a picture a step.

    The pictures are held until the game ends, 0.1 MB each.

    Raises:
        MissingLibraryError, RunFolderError: see pictures.opencv, files.write_whole; before it
            plays, where the file could not be written anyway.
    """
    opencv()
    pictures: list[Picture] = []
    played: list[Played] = []

    def write(file: BinaryIO) -> None:
        played.append(
            play_game(
                ready,
                epsilon=epsilon,
                max_frames=max_frames,
                show=lambda screen: pictures.append(enlarge(picture_of(screen), _LEAST_HEIGHT)),
            )
        )
        file.write(gif_of(pictures, delay=picture_delay(ready.opt.actrep)))

    write_whole(path, write)
    return played[0]
