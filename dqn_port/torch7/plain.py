"""Convert Python's plain values to Lua's."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from dqn_port.errors import T7Error
from dqn_port.torch7.tensors import Tensor
from dqn_port.torch7.values import LuaObject, LuaTable, to_number, to_text

_TAKEN: Final = (
    "a dict, list, tuple, str, bytes, int, float, bool, None, NumPy array or value of Torch7"
)


class Plain:
    """Converts values one at a time; the same dict, list or array gives the same object again.

    The result is None, a bool, float, str or LuaObject. A table made of a dict holds the dict's
    values unconverted.
    """

    def __init__(self) -> None:
        # Also keeps the original alive, so that its id is not reused.
        self._made: dict[int, tuple[object, LuaObject]] = {}

    def lua(self, value: Any) -> Any:
        """Return ``value`` as Lua has it.

        Raises:
            T7Error: Lua has no such value.
        """
        if value is None or isinstance(value, LuaObject):
            return value
        if isinstance(value, bool | np.bool):
            return bool(value)
        if isinstance(value, float | int | np.integer | np.floating):
            return to_number(value)
        if isinstance(value, str):
            return value
        if isinstance(value, bytes):
            return to_text(value)
        known = self._made.get(id(value))
        if known is None:
            self._made[id(value)] = known = value, self._object(value)
        return known[1]

    def _object(self, value: Any) -> LuaObject:
        if isinstance(value, dict):
            return LuaTable(value.items())
        if isinstance(value, list | tuple):
            return LuaTable.from_list(value)
        if isinstance(value, np.ndarray):
            return Tensor.from_array(value)
        raise T7Error(f"a value: expected {_TAKEN}, got a {type(value).__name__}")
