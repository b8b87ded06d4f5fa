"""``dqn-port roms``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from dqn_port.frameworks.alewrap.games import Game, look
from dqn_port.frameworks.alewrap.roms import expected_md5s, rom_path


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
