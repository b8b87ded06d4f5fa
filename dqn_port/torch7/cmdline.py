"""Read words such as ``-seed 5 -saveNetworkParams`` as torch.CmdLine does.

Nothing here prints or exits: the result has the output and the exit code of the Lua process.

Lua: torch, CmdLine
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dqn_port.torch7.lua_number import tonumber

OptionValue: TypeAlias = str | int | float | bool

_FLAG = re.compile(r"--?[A-Za-z_]")
_HELP_WORDS = ("-help", "-h", "--help")


@dataclass(frozen=True)
class CmdLineResult:
    """The result of parsing words.

    ``values`` holds every option, by its name without the dash, up to where parsing stopped;
    ``given`` the names that words set, in the order of their first use.
    ``exit_code`` is None to continue, 0 after help and 1 after an error. ``stdout`` is the
    help text or empty, ``stderr`` one line without its line end or empty.
    """

    values: dict[str, OptionValue]
    given: tuple[str, ...]
    exit_code: int | None
    stdout: str
    stderr: str


@dataclass(frozen=True)
class _Option:
    default: OptionValue
    help: str


class _CmdLineError(Exception):
    """A word that cannot be used, with the exact message of torch.CmdLine."""


class CmdLine:
    """A table of options and the parser of the words that set them.

    Lua: torch, CmdLine
    """

    def __init__(self) -> None:
        self._options: dict[str, _Option] = {}

    def option(self, flag: str, default: OptionValue, help: str) -> None:
        """Add an option; the type of ``default`` is that of its values.

        A boolean makes a flag that takes no word.

        Lua: torch, CmdLine:option
        """
        assert flag.startswith("-"), flag
        assert flag not in (*self._options, *_HELP_WORDS), flag
        self._options[flag] = _Option(default, help)

    def parse(self, words: Sequence[str]) -> CmdLineResult:
        """Read words from left to right; a later duplicate wins.

        A flag that takes a word takes the next one, even ``-help``.

        Lua quirk: a boolean flag sets the option to ``not default`` however often it is
        given, and never back. Kept; pinned by test_golden_words with the flag twice.

        Lua: torch, CmdLine:parse
        """
        values = {_name(flag): option.default for flag, option in self._options.items()}
        given: dict[str, None] = {}
        rest = iter(words)
        for word in rest:
            if word in _HELP_WORDS:
                return CmdLineResult(values, tuple(given), 0, self.help_text(), "")
            try:
                values[_name(word)] = self._value(word, rest)
            except _CmdLineError as error:
                return CmdLineResult(values, tuple(given), 1, self.help_text(), str(error))
            given[_name(word)] = None
        return CmdLineResult(values, tuple(given), None, "", "")

    def known(self, words: Sequence[str]) -> tuple[list[str], list[list[str]]]:
        """Return the words of the known options, and those of each unknown one.

        An unknown option has the words up to the next one that looks like an option: ``-1`` does
        not, ``-gpu`` does.
        """
        known: list[str] = []
        unknown: list[list[str]] = []
        begun = False
        rest = iter(words)
        for word in rest:
            if word in self._options or word in _HELP_WORDS:
                begun = False
                known.append(word)
                option = self._options.get(word)
                if option is not None and not isinstance(option.default, bool):
                    known += itertools.islice(rest, 1)
            elif begun and not _FLAG.match(word):
                unknown[-1].append(word)
            else:
                begun = True
                unknown.append([word])
        return known, unknown

    def help_text(self) -> str:
        """Return the usage line and one line for each option, ending in a line end."""
        width = max(map(len, self._options), default=0)
        lines = [
            f"  {flag:<{width}} {option.help} [{_shown(option.default)}]"
            for flag, option in self._options.items()
        ]
        return "\n".join(["Usage: [options]", "", "Options:", *lines, ""])

    def _value(self, word: str, rest: Iterator[str]) -> OptionValue:
        """Return the value for the option of ``word``, reading the next word if it needs one."""
        option = self._options.get(word)
        if option is None:
            raise _CmdLineError(f"invalid argument: {word}")
        if isinstance(option.default, bool):
            return not option.default
        value = next(rest, None)
        if value is None:
            raise _CmdLineError(f"missing argument for option {word}")
        if isinstance(option.default, str):
            return value
        number = tonumber(value)
        if number is None:
            raise _CmdLineError(f"invalid type for option {word} (should be number)")
        return number


def _name(flag: str) -> str:
    return flag.lstrip("-")


def _shown(value: OptionValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else f"{value:.14g}"
