"""``dqn-port screens``."""

from __future__ import annotations

from pathlib import Path

import click

from dqn_port import registry
from dqn_port.cli.parameters import (
    args_option,
    lua_words_argument,
    set_option,
    system_option,
    trust_option,
    warn,
)
from dqn_port.errors import UsageError
from dqn_port.tools.pictures import MAX_SCREENS, check_ending


@click.command()
@trust_option
@system_option
@args_option
@click.option(
    "-n",
    "--screens",
    "n_screens",
    type=click.IntRange(1, MAX_SCREENS),
    default=36,
    show_default=True,
    help="Number of screens, one per agent step.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("screens.png"),
    show_default=True,
    metavar="FILE.png",
    help="The picture to write.",
)
@set_option
@lua_words_argument
def screens(
    system_name: str | None,
    args_file: Path | None,
    n_screens: int,
    out: Path,
    assignments: tuple[str, ...],
    lua_words: tuple[str, ...],
) -> None:
    """Draw the first screens of a game, each next to what the agent sees.

    The game is played with random actions, as at the start of training: with the action repeat, the
    pooling and the random starts of the options. Another option seed gives other actions.

    \b
    dqn-port screens --args legacy_args/pong_quick.json -n 36 -o sheet.png
    """
    check_ending(out, ".png", "--out")
    system, assignments = registry.choose(args_file, assignments, system_name)
    module = registry.part_of(registry.name_of(system), "screens")
    if module is None:
        raise UsageError(
            f"--system {system.NAME}: it draws no screens; `dqn-port play` shows a game"
        )
    draft = system.new_draft()
    opt = module.options_to_watch(
        args_file=args_file, lua_words=lua_words, assignments=assignments, draft=draft
    )
    warn(draft)
    module.write_sheet(opt, out, n_screens, args_file)
    game = system.facts(opt).game
    click.echo(f"{n_screens} {'screen' if n_screens == 1 else 'screens'} of {game}: {out}")
