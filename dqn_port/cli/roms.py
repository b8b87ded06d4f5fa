"""``dqn-port roms``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click
from ale_py import Action

from dqn_port.errors import RomError
from dqn_port.frameworks.alewrap.emulator import AleEmulator
from dqn_port.frameworks.alewrap.roms import check_rom, expected_md5s, rom_path

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


@click.command()
@click.argument("games", nargs=-1, metavar="[GAME]...")
@click.option(
    "--game-path",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Look at the ROMs in DIR instead of those that come with ale-py.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON: a list of objects.")
def roms(games: tuple[str, ...], game_path: Path | None, as_json: bool) -> None:
    """List the games that can be played: name, md5 of the ROM, state, minimal action set.

    \b
    dqn-port roms
    dqn-port roms pong breakout
    """
    folder = str(game_path) if game_path is not None else ""
    names = list(games or expected_md5s())
    for name in names:
        rom_path(name)
    found = look(names, folder)
    if as_json:
        click.echo(json.dumps([asdict(game) for game in found], indent=2))
        return
    width = max(map(len, names))
    for game in found:
        click.echo(_line(game, width))


def _line(game: Game, width: int) -> str:
    actions = ", ".join(
        f"{number} {name}"
        for number, name in zip(game.actions or (), game.action_names or (), strict=True)
    )
    return f"{game.name:{width}}  {game.md5 or '-':32}  {game.state:2}  {actions}".rstrip()


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
