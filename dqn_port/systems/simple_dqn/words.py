"""The original's command lines: main.py's, by argparse's rules, and those of its scripts.

simple_dqn: main.py, train.sh, resume.sh, test.sh, play.sh, record.sh, nvis.sh.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, Final, NoReturn

from dqn_port.errors import UsageError
from dqn_port.options import Words
from dqn_port.systems.simple_dqn.neon_files import SnapshotName, name_of
from dqn_port.systems.simple_dqn.options import ORIGINAL

_YES: Final = ("yes", "true", "t", "1")
_NO: Final = ("no", "false", "f", "0")
_INSTEAD: Final = {
    "plot.sh": "dqn-port plot CSV",
    "profile_train.sh": "dqn-port bench",
    "profile_test.sh": "dqn-port bench",
    "profile_random.sh": "dqn-port bench",
    "test_gym.sh": "dqn-port evaluate with environment=gym",
    "upload_gym.sh": "dqn-port report; the site it sent results to closed in 2017",
}
"""Scripts with other kinds of words, or whose service no longer exists."""
_FROM_SNAPSHOT: Final = ("resume.sh", "test.sh", "play.sh", "record.sh", "nvis.sh")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"--: {message}; `dqn-port args show --system simple_dqn` lists all")


def _boolean(word: str) -> bool:
    if word.lower() in _YES:
        return True
    if word.lower() in _NO:
        return False
    # argparse puts the option's name before this.
    raise argparse.ArgumentTypeError(
        f"expected one of {', '.join(_YES + _NO)}, got {word!r}; the original took it for false"
    )


def _parser() -> _Parser:
    parser = _Parser(prog="main.py", add_help=False, argument_default=argparse.SUPPRESS)
    kinds = {"boolean": _boolean, "integer": int, "number": float, "string": str}
    for param in ORIGINAL:
        if param.name == "game":
            parser.add_argument("game")
        elif param.name == "stochastic_round":
            parser.add_argument("--stochastic_round", nargs="?", const=True, type=int)
        else:
            choices = param.choices or None
            kind: Any = kinds[param.kind]
            parser.add_argument(f"--{param.name}", type=kind, choices=choices)
    return parser


def read_words(words: Sequence[str]) -> Words:
    """Return the options of a command line: main.py's words, or a script's name and its words.

    Raises:
        UsageError: the original refuses them, or a boolean word is neither true nor false.
    """
    first = PurePath(words[0]).name if words else ""
    if first in _INSTEAD:
        raise UsageError(f"-- {first}: here use {_INSTEAD[first]}")
    if first == "train.sh":
        return _train(words[1:])
    if first in _FROM_SNAPSHOT:
        return _from_snapshot(first, words[1:])
    return _main(words)


def _main(words: Sequence[str]) -> Words:
    """Read main.py's words."""
    options = vars(_parser().parse_args(list(words)))
    if options.get("play_games", 0) > 0:
        if options.get("visualization_file"):
            return Words("filters", options)
        return Words("record" if options.get("record_screen_path") else "play", options)
    tests_alone = options.get("random_steps") == 0 and options.get("train_steps") == 0
    if tests_alone and options.get("load_weights"):
        return Words("evaluate", options)
    return Words("train", options)


def _train(words: Sequence[str]) -> Words:
    """Read train.sh ROM [LABEL] options."""
    if not words:
        raise UsageError("-- train.sh: expected the ROM's file, got nothing")
    rom, *rest = words
    name = PurePath(rom).stem
    if rest and not rest[0].startswith("-"):
        name = f"{name}_{rest.pop(0)}"
    added = ["--csv_file", f"results/{name}.csv", "--save_weights_prefix", f"snapshots/{name}"]
    return _main([rom, *added, *rest])


def _from_snapshot(script: str, words: Sequence[str]) -> Words:
    """Read a script's words that begin with a snapshot, whose name contains the game and the epoch.

    Raises:
        UsageError: it contains no game, or no epoch where one is needed.
    """
    snapshot = name_of(Path(words[0])) if words else SnapshotName("", "", None)
    if not snapshot.game or (script == "resume.sh" and snapshot.epoch is None):
        raise UsageError(
            f"-- {script}: expected a snapshot named GAME_EPOCH.prm or GAME_LABEL_EPOCH.prm, "
            f"got {' '.join(words[:1]) or 'nothing'}"
        )
    name = "_".join(part for part in (snapshot.game, snapshot.label) if part)
    with_epoch = f"{name}_{snapshot.epoch}"
    added = {
        "resume.sh": [
            "--random_steps", "0", "--start_epoch", f"{snapshot.epoch}",
            "--save_weights_prefix", f"snapshots/{name}", "--csv_file", f"results/{with_epoch}.csv",
        ],
        "test.sh": ["--random_steps", "0", "--train_steps", "0", "--epochs", "1"],
        "play.sh": ["--play_games", "1", "--display_screen", "true"],
        "record.sh": ["--play_games", "1", "--record_screen_path", f"videos/{snapshot.game}"],
        "nvis.sh": ["--play_games", "1", "--visualization_file", f"results/{snapshot.game}.html"],
    }[script]  # fmt: skip
    start = [f"{snapshot.game}.bin", "--load_weights", words[0]]
    return _main([*start, *added, *words[1:]])
