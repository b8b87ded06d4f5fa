"""Fields of evaluation.json: every value is checked before it is used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Self

from dqn_port.errors import EvaluationError
from dqn_port.fields import MOST, NOTHING, Fields, as_json, is_finite, is_whole

_LONGEST_TEXT: Final = 4096


class EvaluationFields(Fields):
    """An object of evaluation.json, with its checks."""

    TABLE = "an object"

    @staticmethod
    def error(where: str, expected: str, value: Any) -> EvaluationError:
        """Return the error for a value at ``where`` that is not what was ``expected``."""
        fault = "missing" if value is NOTHING else f"expected {expected}, got {as_json(value)}"
        return EvaluationError(f"{where}: {fault}; record it again")

    def integer(self, name: str, low: int, high: int = MOST) -> int:
        """Return a whole number of a range."""
        least = "" if low == -MOST else f" from {low}"
        most = "" if high == MOST else f" to {high}"
        expected = f"a whole number{least}{most}"
        return self.take(name, expected, lambda value: is_whole(value) and low <= value <= high)

    def integers(self, name: str) -> list[int]:
        """Return a list of whole numbers, one at least."""
        values = self._list(name, "whole numbers")
        for i, value in enumerate(values):
            if not is_whole(value) or abs(value) > MOST:
                raise self.fault(f"{name}[{i}]", "a whole number", value)
        return values

    def rows(self, name: str, n: int, width: int | None = None) -> tuple[tuple[float, ...], ...]:
        """Return ``n`` rows of finite numbers, all of one width."""
        values = self._list(name, f"{n} rows of numbers")
        lengths = {len(row) if isinstance(row, list) else -1 for row in values}
        if (
            len(values) != n
            or len(lengths) != 1
            or lengths & {0, -1}
            or width not in (None, *lengths)
        ):
            raise self.fault(name, f"{n} rows of numbers, of one width", values[:1])
        for i, row in enumerate(values):
            if not all(map(is_finite, row)):
                raise self.fault(f"{name}[{i}]", "finite numbers", row)
        return tuple(tuple(map(float, row)) for row in values)

    def within(self, name: str, low: float, high: float) -> float:
        """Return a finite number of a range."""
        expected = f"a number from {low:g} to {high:g}"
        return float(self.take(name, expected, lambda v: is_finite(v) and low <= v <= high))

    def text(self, name: str) -> str:
        """Return a text that is not too long."""
        return self.take(name, "a text", _is_text)

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """Return one of some words."""
        self.text(name)
        return self.take(name, " or ".join(choices), lambda text: text in choices)

    def name(self, name: str) -> str:
        """Return the name of a file, without a path."""
        self.text(name)
        return self.take(
            name, "the name of a file", lambda t: t not in (".", "..") and not set(t) & set("/\\\0")
        )

    def digest(self, name: str, length: int) -> str:
        """Return a checksum of ``length`` hexadecimal digits."""
        self.text(name)
        pattern = f"[0-9a-f]{{{length}}}"
        return self.take(
            name, f"{length} hexadecimal digits", lambda text: re.fullmatch(pattern, text)
        )

    def texts(self, name: str) -> dict[str, str]:
        """Return an object of texts."""
        inner = self.inner(name)
        return {key: inner.text(key) for key in inner._table}

    def listed_texts(self, name: str) -> list[str]:
        """Return a list of texts; it may be empty."""
        return self.take(
            name, "a list of texts", lambda v: isinstance(v, list) and all(map(_is_text, v))
        )

    def tables(self, name: str) -> list[Self]:
        """Return a list of objects, one at least."""
        values = self._list(name, "objects")
        return [type(self)(v, f"{self._before}{name}[{i}]") for i, v in enumerate(values)]

    def inner_or_none(self, name: str) -> Self | None:
        """Return an object, or None for null."""
        return None if self.raw(name) is None else self.inner(name)

    def _list(self, name: str, of: str) -> list[Any]:
        return self.take(name, f"a list of {of}", lambda v: isinstance(v, list) and len(v) > 0)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT


def picture_size(content: bytes, ending: str) -> tuple[int, int] | None:
    """Return (width, height) of a PNG, or of a WebP that is animated or without loss."""
    if ending == ".png" and content[:16] == b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR":
        return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    kind = content[:4] + content[8:16]
    if ending == ".webp" and kind == b"RIFFWEBPVP8X":
        width, height = (int.from_bytes(content[i : i + 3], "little") for i in (24, 27))
        return width + 1, height + 1
    if ending == ".webp" and kind == b"RIFFWEBPVP8L":
        # One picture: two sides of 14 bits.
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None
