"""A game as gym's NoFrameskip-v4 plays it: one emulator frame per step, with a limit of frames.

labml: game.py, where gym.make('BreakoutNoFrameskip-v4') makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import ArgsError
from dqn_port.fields import Fields
from dqn_port.games.picture_games import Emulator
from dqn_port.games.toy import ToyEmulator
from dqn_port.interfaces import Picture
from dqn_port.systems.labml_dqn.picture import gray_of

MAX_FRAMES: Final = 400_000
"""Frames of a game after which gym ends it."""


class Environment(Protocol):
    """What Game plays, frame by frame."""

    height: int
    width: int
    frames: int
    """Frames played since the reset."""
    grays: NDArray[np.uint8]
    """uint8 [256]: the gray of every byte of a screen."""

    def seed(self, seed: int) -> None:
        """Take a seed."""

    def reset(self) -> None:
        """Begin a new game."""

    def step(self, action: int) -> tuple[float, bool]:
        """Play one frame; return its reward and whether the game is done."""

    def get_screen(self, out: NDArray[np.uint8]) -> None:
        """Paint the current picture into uint8 [height, width], as bytes that ``grays``
        converts."""

    def rgb(self) -> Picture:
        """Return the current picture in colours."""

    def lives(self) -> int:
        """Return the lives left."""

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state."""


class NoFrameskip:
    """An emulator's game: the first ``n_actions`` of its minimal action set, 0: all of them."""

    def __init__(self, emulator: Emulator, *, n_actions: int = 0) -> None:
        """Take a game.

        Raises:
            ArgsError: it has fewer actions.
        """
        if n_actions > len(emulator.actions):
            raise ArgsError(
                f"n_actions: expected at most {len(emulator.actions)}, the game's own, "
                f"got {n_actions}; set n_actions=game"
            )
        self.emulator = emulator
        self.actions = emulator.actions[: n_actions or None]
        self.height, self.width = emulator.height, emulator.width
        self.grays = gray_of(emulator.palette)
        self.frames = 0

    def seed(self, seed: int) -> None:
        """Set the seed: toyA counts its games from it.

        Quirk: an Atari game is the same with any seed, because nothing in it is random, so all
        start alike (tests/systems/labml_dqn/test_game.py).
        """
        if isinstance(self.emulator, ToyEmulator):
            self.emulator.ngames = seed

    def reset(self) -> None:
        """Begin a new game."""
        self.emulator.reset_game()
        self.frames = 0

    def step(self, action: int) -> tuple[float, bool]:
        """Play one frame; nothing moves in a finished game."""
        over = self.emulator.game_over()
        reward = 0.0 if over else self.emulator.act(self.actions[action])
        self.frames += 1
        return reward, self.emulator.game_over() or self.frames >= MAX_FRAMES

    def get_screen(self, out: NDArray[np.uint8]) -> None:
        """Paint the current picture into uint8 [height, width], as indices of the palette."""
        self.emulator.get_screen(out)

    def rgb(self) -> Picture:
        """Return the current picture: uint8 [height, width, 3]."""
        screen = np.empty((self.height, self.width), dtype=np.uint8)
        self.emulator.get_screen(screen)
        return self.emulator.palette.take(screen, axis=0)

    def lives(self) -> int:
        """Return the lives left."""
        return self.emulator.lives()

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        return {"frames": self.frames, "emulator": self.emulator.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: it is not of such a game.
        """
        fields = Fields(state, "environment")
        frames = fields.integer("frames", low=0, high=MAX_FRAMES + 4)
        self.emulator.load_state_dict(fields.raw("emulator"))
        self.frames = frames
