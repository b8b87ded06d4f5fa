"""Lua's values as an argument file would hold them, of files that strangers may have written."""

from __future__ import annotations

import math
from typing import Any, Final

from dqn_port.torch7.values import LuaTable

_DEEPEST: Final = 100
_MOST: Final = 100_000
"""Values in all: a small file can hold one table in many places, and each is a value here."""


class OptionValues:
    """Turns the values of one file into Python's plain ones."""

    def __init__(self) -> None:
        self._left = _MOST

    def plain(self, value: Any) -> Any:
        """Return ``value``; whole numbers are ints, tables lists where they are, else dicts.

        Raises:
            ValueError: an option has no such value, or this one makes it too many.
        """
        return self._plain(value, 0)

    def _plain(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"more than {_MOST:,} values")
        if isinstance(value, bool | str):
            return value
        if isinstance(value, float):
            return int(value) if math.isfinite(value) and value == int(value) else value
        if isinstance(value, LuaTable) and depth < _DEEPEST:
            if len(value) and value.is_list:
                return [self._plain(entry, depth + 1) for entry in value.to_list()]
            return {key: self._plain(entry, depth + 1) for key, entry in value.items()}
        raise ValueError(f"{value!r} is no value of an option")
