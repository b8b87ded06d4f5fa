"""Leaf: take the fields of a table that a file held, each checked before it is used."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError, DqnPortError

MOST: Final = 2**53
"""Up to here a double holds every whole number."""
LARGEST: Final = 1e15
"""No run has larger numbers; they are left out."""
NOTHING: Final = object()
"""Stands for a missing field."""


class Fields:
    """A table's fields by name: those of a state, whose errors are CheckpointErrors.

    Tables of another kind override ``TABLE`` and ``error``.
    """

    TABLE = "fields by name"
    """What error messages call such a table."""

    def __init__(self, table: Any, where: str, before: str | None = None) -> None:
        """``where``: the table, in errors; ``before``: what they put before a field's name."""
        if not isinstance(table, Mapping):
            raise self.error(where, self.TABLE, table)
        self._table, self._before = table, f"{where}." if before is None else before

    @staticmethod
    def error(where: str, expected: str, value: Any) -> DqnPortError:
        """Return the error for a value at ``where`` that is not what was ``expected``."""
        return CheckpointError(f"{where}: expected {expected}, got {_kind(value)}")

    def fault(self, name: str, expected: str, value: Any) -> DqnPortError:
        """Return the error that a field is not what was ``expected``."""
        return self.error(self._before + name, expected, value)

    def take(self, name: str, expected: str, good: Callable[[Any], object]) -> Any:
        """Return a field that is ``good``."""
        value = self._table.get(name, NOTHING)
        if value is NOTHING or not good(value):
            raise self.fault(name, expected, value)
        return value

    def integer(self, name: str, low: int, high: int = MOST) -> int:
        """Return a whole number of ``low`` to ``high``."""
        expected = f"a whole number of {low} to {high}"
        return self.take(name, expected, lambda value: is_whole(value) and low <= value <= high)

    def number(self, name: str) -> float:
        """Return a finite number."""
        return float(self.take(name, "a finite number", is_finite))

    def boolean(self, name: str) -> bool:
        """Return a boolean."""
        return self.take(name, "true or false", lambda value: type(value) is bool)

    def text(self, name: str) -> str:
        """Return a string."""
        return self.take(name, "a string", lambda value: isinstance(value, str))

    def numbers(self, name: str, kind: type[int] | type[float]) -> list[Any]:
        """Return a list of finite numbers, whole ones if ``kind`` is int."""
        expected = f"a list of {'whole' if kind is int else 'finite'} numbers"
        good = is_whole if kind is int else is_finite
        values = self.take(name, expected, lambda v: isinstance(v, list) and all(map(good, v)))
        return [kind(value) for value in values]

    def entries(self, name: str) -> list[Any]:
        """Return a list of anything."""
        return self.take(name, "a list", lambda value: isinstance(value, list))

    def array(self, name: str, like: NDArray[Any]) -> NDArray[Any]:
        """Return an array of the dtype and shape of ``like``."""

        def good(value: Any) -> bool:
            found = isinstance(value, np.ndarray) and (value.dtype, value.shape)
            return found == (like.dtype, like.shape)

        return self.take(name, _kind(like), good)

    def has(self, name: str) -> bool:
        """Return whether the field exists and is not None."""
        return self._table.get(name) is not None

    def inner(self, name: str) -> Self:
        """Return the fields of a field."""
        return type(self)(self._table.get(name, NOTHING), self._before + name)

    def raw(self, name: str) -> Any:
        """Return a field unchecked, for callers that check it themselves."""
        return self.take(name, "a value", lambda _: True)


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number, which true and false are not."""
    return type(value) is int


def is_finite(value: Any) -> bool:
    """Return whether a value is a finite number that a double holds."""
    if type(value) is int:
        return abs(value) <= MOST
    return type(value) is float and math.isfinite(value)


def _kind(value: Any) -> str:
    if value is NOTHING:
        return "nothing"
    if isinstance(value, np.ndarray):
        return f"{value.dtype.name} {list(value.shape)}"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return f"a {type(value).__name__}"


def as_json(value: Any) -> str:
    """Return a value as JSON holds it, cut short."""
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 60 else text[:59] + "…"


def number(value: Any) -> float | None:
    """Return a number from a file; None if it is not a usable one."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if good and abs(value) < LARGEST else None
