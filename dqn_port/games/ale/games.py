"""What can be played: every game with its ROM and its actions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ale_py import Action

from dqn_port.errors import RomError
from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.ale.roms import check_rom

_OK: Final = "ok"


@dataclass(frozen=True, kw_only=True)
class Game:
    """A game, its ROM and what an agent can do in it."""

    name: str
    state: str
    """ok, or what is wrong with the file."""
    md5: str | None
    """Of the file, if it is the right one."""
    actions: tuple[int, ...] | None
    """The minimal action set: the emulator's numbers."""
    action_names: tuple[str, ...] | None


def look(names: Iterable[str], folder: str) -> Iterator[Game]:
    """Yield every game of ``names`` with the ROM found in ``folder``; empty: ale-py's.

    ale-py takes some 70 ms to load a ROM.

    Raises:
        UnknownGameError: no game has one of the names.
    """
    labels = {int(action.value): label for label, action in Action.__members__.items()}
    for name in names:
        try:
            md5 = check_rom(name, folder)[1]
        except RomError as error:
            yield Game(name=name, state=error.state, md5=None, actions=None, action_names=None)
            continue
        actions = AleEmulator(name, folder).actions
        action_names = tuple(labels[action] for action in actions)
        yield Game(name=name, state=_OK, md5=md5, actions=actions, action_names=action_names)
