"""Leaf: take the fields of a saved state, each checked before it is used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError


class Fields:
    """A state's fields by name; ``where`` is named in errors, which are CheckpointErrors."""

    def __init__(self, state: Any, where: str) -> None:
        if not isinstance(state, Mapping):
            raise CheckpointError(f"{where}: expected fields by name, got {_kind(state)}")
        self._state, self._where = state, where

    def _get(self, name: str, expected: str) -> Any:
        if name not in self._state:
            raise CheckpointError(f"{self._where}.{name}: expected {expected}, got nothing")
        return self._state[name]

    def _fault(self, name: str, expected: str, value: Any) -> CheckpointError:
        return CheckpointError(f"{self._where}.{name}: expected {expected}, got {_kind(value)}")

    def integer(self, name: str, *, low: int, high: int) -> int:
        """Return a whole number of ``low`` to ``high``."""
        expected = f"a whole number of {low} to {high}"
        value = self._get(name, expected)
        if type(value) is not int or not low <= value <= high:
            raise self._fault(name, expected, value)
        return value

    def number(self, name: str) -> float:
        """Return a finite number."""
        value = self._get(name, "a finite number")
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self._fault(name, "a finite number", value)
        return float(value)

    def boolean(self, name: str) -> bool:
        """Return a boolean."""
        value = self._get(name, "true or false")
        if type(value) is not bool:
            raise self._fault(name, "true or false", value)
        return value

    def text(self, name: str) -> str:
        """Return a string."""
        value = self._get(name, "a string")
        if not isinstance(value, str):
            raise self._fault(name, "a string", value)
        return value

    def numbers(self, name: str, kind: type[int] | type[float]) -> list[Any]:
        """Return a list of finite numbers, whole ones if ``kind`` is int."""
        expected = f"a list of {'whole' if kind is int else 'finite'} numbers"
        value = self._get(name, expected)
        kinds = (int,) if kind is int else (int, float)
        if not isinstance(value, list) or not all(
            type(entry) in kinds and math.isfinite(entry) for entry in value
        ):
            raise self._fault(name, expected, value)
        return [kind(entry) for entry in value]

    def entries(self, name: str) -> list[Any]:
        """Return a list of anything."""
        value = self._get(name, "a list")
        if not isinstance(value, list):
            raise self._fault(name, "a list", value)
        return value

    def array(self, name: str, like: NDArray[Any]) -> NDArray[Any]:
        """Return an array of the dtype and shape of ``like``."""
        expected = f"{like.dtype.name} {list(like.shape)}"
        value = self._get(name, expected)
        if (
            not isinstance(value, np.ndarray)
            or value.dtype != like.dtype
            or value.shape != like.shape
        ):
            raise self._fault(name, expected, value)
        return value

    def has(self, name: str) -> bool:
        """Tell whether the field is there and not None."""
        return self._state.get(name) is not None

    def inner(self, name: str) -> Fields:
        """Return the fields of a field."""
        return Fields(self._get(name, "fields by name"), f"{self._where}.{name}")

    def raw(self, name: str) -> Any:
        """Return a field as it is, for those who check it themselves."""
        return self._get(name, "a value")


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype.name} {list(value.shape)}"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return f"a {type(value).__name__}"
