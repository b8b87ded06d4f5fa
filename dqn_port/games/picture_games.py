"""Open a game that is played frame by frame and shows pictures: an Atari game, or toyA."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

import numpy as np
from ale_py import Action
from numpy.typing import NDArray

from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.toy import GAMES, ToyEmulator


class Emulator(Protocol):
    """A game, frame by frame."""

    actions: tuple[int, ...]
    """The emulator's own numbers of the actions that do something in this game."""
    height: int
    width: int
    palette: NDArray[np.uint8]
    """uint8 [256, 3]: the colours of the screen's indices, RGB."""

    def reset_game(self) -> None:
        """Start a new game."""

    def act(self, action: int) -> float:
        """Play one frame and return its reward."""

    def game_over(self) -> bool:
        """Return whether the game is at its end."""

    def lives(self) -> int:
        """Return the lives left."""

    def get_screen(self, out: NDArray[np.uint8]) -> None:
        """Paint the current frame as indices into uint8 [height, width]."""

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state, all of it or nothing."""


_NAMES: Final = {int(action.value): name for name, action in Action.__members__.items()}


def action_names(actions: Iterable[int]) -> tuple[str, ...]:
    """Return the names of an emulator's actions: NOOP, FIRE, RIGHT …"""
    return tuple(_NAMES.get(action, str(action)) for action in actions)


def open_game(game: str, *, game_path: str = "", reset: str = "ale") -> Emulator:
    """Return the game of a name, reset: toyA, or an Atari game by its ROM's name without .bin.

    ``reset``: see AleEmulator; "ale" is ale-py as it is, by its own rules.

    Raises:
        RomError, UnknownGameError: see games.ale.roms.check_rom.
    """
    if game in GAMES:
        return ToyEmulator(**GAMES[game], null_rewards=game == "toyC")
    return AleEmulator(game, game_path, reset=reset, rules=reset)
