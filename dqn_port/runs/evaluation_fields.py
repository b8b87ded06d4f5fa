"""What may stand in evaluation.json: every value is looked at before it is used."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

from dqn_port.errors import EvaluationError

MOST: Final = 2**53
"""Up to here a double holds every whole number."""
_LONGEST_TEXT: Final = 4096


class Fields:
    """An object of evaluation.json, and what may stand in it."""

    def __init__(self, table: Any, path: str, where: str) -> None:
        """``where``: of the object in the file ``path``, with a full stop behind it."""
        self.path, self._where = path, where
        if not isinstance(table, dict):
            raise EvaluationError(
                f"{path}: {where.rstrip('.') or 'the file'}: expected an object, "
                f"got {_shown(table)}; record it again"
            )
        self._table = table

    def fault(self, key: str, expected: str, got: Any) -> EvaluationError:
        """Return the error that ``key`` is not what it must be."""
        return EvaluationError(
            f"{self.path}: {self._where}{key}: expected {expected}, got {_shown(got)}; "
            "record it again"
        )

    def held(self, key: str) -> Any:
        """Return what stands there, whatever it is."""
        if key not in self._table:
            raise EvaluationError(f"{self.path}: {self._where}{key}: missing; record it again")
        return self._table[key]

    def integer(self, key: str, low: int, high: int = MOST) -> int:
        """Return a whole number of a range."""
        return self._integer(key, self.held(key), low, high)

    def _integer(self, key: str, value: Any, low: int, high: int) -> int:
        if type(value) is not int or not low <= value <= high:
            most = "" if high == MOST else f" to {high}"
            least = "" if low == -MOST else f" from {low}"
            raise self.fault(key, f"a whole number{least}{most}", value)
        return value

    def integers(self, key: str) -> list[int]:
        """Return a list of whole numbers, one at least."""
        values = self.held(key)
        if not isinstance(values, list) or not values:
            raise self.fault(key, "a list of whole numbers", values)
        return [self._integer(f"{key}[{i}]", v, -MOST, MOST) for i, v in enumerate(values)]

    def number(self, key: str, low: float, high: float) -> float:
        """Return a finite number of a range."""
        value = self.held(key)
        good = type(value) is float or (type(value) is int and abs(value) <= MOST)
        if not good or not math.isfinite(value) or not low <= value <= high:
            raise self.fault(key, f"a number from {low:g} to {high:g}", value)
        return float(value)

    def boolean(self, key: str) -> bool:
        """Return true or false."""
        value = self.held(key)
        if type(value) is not bool:
            raise self.fault(key, "true or false", value)
        return value

    def text(self, key: str) -> str:
        """Return a text that is not too long."""
        value = self.held(key)
        if not isinstance(value, str) or not value or len(value) > _LONGEST_TEXT:
            raise self.fault(key, "a text", value)
        return value

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Return one of some words."""
        value = self.text(key)
        if value not in choices:
            raise self.fault(key, " or ".join(choices), value)
        return value

    def name(self, key: str) -> str:
        """Return the name of a file, without a path."""
        value = self.text(key)
        if value in (".", "..") or "/" in value or "\\" in value or "\0" in value:
            raise self.fault(key, "the name of a file", value)
        return value

    def digest(self, key: str, length: int) -> str:
        """Return a checksum of so many hexadecimal digits."""
        value = self.text(key)
        if len(value) != length or set(value) - set("0123456789abcdef"):
            raise self.fault(key, f"{length} hexadecimal digits", value)
        return value

    def texts(self, key: str) -> dict[str, str]:
        """Return an object of texts."""
        inner = self.table(key)
        return {name: inner.text(name) for name in inner._table}

    def tables(self, key: str) -> list[Fields]:
        """Return a list of objects, one at least."""
        values = self.held(key)
        if not isinstance(values, list) or not values:
            raise self.fault(key, "a list of objects", values)
        return [Fields(v, self.path, f"{self._where}{key}[{i}].") for i, v in enumerate(values)]

    def table(self, key: str) -> Fields:
        """Return an object."""
        return Fields(self.held(key), self.path, f"{self._where}{key}.")

    def table_or_none(self, key: str) -> Fields | None:
        """Return an object, or None for null."""
        return None if self.held(key) is None else self.table(key)


def _shown(value: Any) -> str:
    """Return a value as JSON holds it, cut short."""
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 60 else text[:59] + "…"
