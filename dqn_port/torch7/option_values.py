"""Convert Lua's values to those of an argument file; the files may be strangers'."""

from __future__ import annotations

import math
from typing import Any, Final

from dqn_port.torch7.values import LuaTable

_DEEPEST: Final = 100
_MOST: Final = 100_000
"""Values in total: a small file can hold one table in many places, and each counts."""


class OptionValues:
    """Converts the values of one file."""

    def __init__(self) -> None:
        self._left = _MOST

    def plain(self, value: Any) -> Any:
        """Return ``value`` with whole numbers as ints, and tables as lists if possible, else dicts.

        Raises:
            ValueError: options have no such value, or there are too many values.
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
        raise ValueError(f"{value!r} is not a value that an option can have")
