"""``dqn-port roms``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from dqn_port.games.ale.games import Game, look
from dqn_port.games.ale.roms import expected_md5s, rom_path


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
    """List the games that can be played: name, state, md5 of the ROM, minimal action set.

    Actions: 0 NOOP, 1 FIRE, 2 UP, 3 RIGHT, 4 LEFT, 5 DOWN, 6 UPRIGHT, 7 UPLEFT, 8 DOWNRIGHT,
    9 DOWNLEFT; 10 to 17 are 2 to 9 with FIRE. --json has them by name.

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
        click.echo(line_of(game, width))


def line_of(game: Game, width: int) -> str:
    """Return a game's line, its name padded to ``width``."""
    ranges: list[list[int]] = []
    for action in game.actions or ():
        if ranges and action == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], action]
        else:
            ranges.append([action])
    actions = " ".join("-".join(map(str, ends)) for ends in ranges)
    return f"{game.name:{width}}  {game.state}  {game.md5 or ''}  {actions}".rstrip()
