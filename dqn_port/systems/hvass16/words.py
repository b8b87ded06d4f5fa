"""The words of the original's command line, read by argparse as there."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final, NoReturn

from dqn_port.errors import LuaExit, UsageError
from dqn_port.options import Words

_WORDS: Final = ("--env GAME", "--training", "--render", "--episodes N", "--dir FOLDER", "--help")


class _Parser(argparse.ArgumentParser):
    """A parser that raises in place of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"words of hvass16: {message}; there are {', '.join(_WORDS)}")


def read_words(words: Sequence[str]) -> Words:
    """Return the options of a command line: without --training nothing is learned.

    ``episodes`` is then how many more to play than the run, or --network, has had.

    Raises:
        UsageError: argparse refuses them.
        LuaExit: they ask for help.
    """
    parser = _Parser(
        prog="dqn-port train --system hvass16 --",
        description="Q-learning by motion trace, backward sweep and bursts of updates.",
        add_help=False,
    )
    add = parser.add_argument
    add("-h", "--help", action="store_true", help="show this and exit")
    add("--env", help="gym's name of the game; Breakout-v0 if neither it nor --args gives one")
    add("--training", action="store_true", help="train; without it a network plays, ε 0.01")
    add("--render", action="store_true", help="show the game, when not training")
    add(
        "--episodes", type=int,
        help="how many more episodes than the run has had; without it there is no end",
    )  # fmt: skip
    add("--dir", help="base folder for checkpoints; only noted, --out sets the folder")
    given = parser.parse_args(list(words))
    if given.help:
        raise LuaExit(
            "--help: the words of hvass16", lua_exit_code=0, help_text=parser.format_help()
        )
    named = {"env": given.env, "dir": given.dir, "episodes": given.episodes}
    options = {name: value for name, value in named.items() if value is not None}
    if given.training:
        return Words("train", options)
    return Words("play" if given.render else "evaluate", options)
