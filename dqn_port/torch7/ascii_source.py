"""An ASCII .t7 file as the sequence of its ints, longs, doubles and bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.torch7.binary_source import Data
from dqn_port.torch7.faults import Fault, held, shown
from dqn_port.torch7.tensors import dtype_of

# What C's printf writes for %d, %ld, %.9g and %.17g; more digits than any of them are taken.
INTEGER: Final = re.compile(rb"-?[0-9]{1,20}")
DECIMAL: Final = re.compile(
    rb"[+-]?(?:(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,5})?|inf|nan)"
)
_INTEGERS: Final = re.compile(rb"(?:-?[0-9]{1,20} )*+-?[0-9]{1,20}")
_DECIMALS: Final = re.compile(rb"(?:" + DECIMAL.pattern + rb" )*+" + DECIMAL.pattern)
# bytes: how much of a line of elements is split at once; the longest number is shorter.
_PIECE: Final = 1 << 16
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1
_LONGEST_INTEGER: Final = 21


class AsciiSource:
    """Reads forward from ``position``; every length is checked before anything is taken.

    One write is one line: its numbers with a blank between them and one newline after. A
    line without its newline is an error, for a cut file would read ``84`` as ``8``.
    Methods raise Fault where the file does not hold what is asked for.
    """

    # The least bytes of an object, nil, and of a pair: a boolean or a back reference, and nil.
    least_object, least_pair = 2, 6

    def __init__(self, data: Data) -> None:
        self.data, self.end, self.position = data, len(data), 0
        self.long_size, self.guessed = 8, False

    @property
    def left(self) -> int:
        """The number of bytes not read yet."""
        return self.end - self.position

    def need(self, count: int, what: str, offset: int | None = None) -> None:
        """Check that the file still holds ``count`` bytes, for ``what`` read at ``offset``."""
        if count > self.left:
            at = self.position if offset is None else offset
            raise Fault(at, f"{count} bytes of {what}", held(self.left))

    def integer(self, what: str) -> int:
        """Read the line of an int."""
        return self._line(what, 1, _LONGEST_INTEGER, INTEGER, _integers(_INT_MIN, _INT_MAX))[0]

    def double(self, what: str) -> float:
        """Read the line of a double."""
        return self._line(what, 1, 1000, DECIMAL, float)[0]

    def longs(self, count: int, what: str) -> tuple[int, ...]:
        """Read the line of ``count`` longs; of none there is no line."""
        if count == 0:
            return ()
        self.need(2 * count, what)
        read = _integers(_LONG_MIN, _LONG_MAX)
        return tuple(self._line(what, count, _LONGEST_INTEGER, INTEGER, read))

    def _line(
        self, what: str, count: int, longest: int, pattern: re.Pattern[bytes],
        read: Callable[[bytes], Any],
    ) -> list[Any]:  # fmt: skip
        start = self.position
        limit = min(self.end, start + count * (longest + 1))
        end = self.data.find(b"\n", start, limit)
        if end < 0:
            if limit == self.end and limit - start < 40:
                got = shown(bytes(self.data[start:limit])) + " and the end of the file"
                raise Fault(start, f"{what} and a newline", got if start < limit else held(0))
            raise Fault(start, f"{what} and a newline", shown(bytes(self.data[start:limit])))
        words = bytes(self.data[start:end]).split(b" ")
        if len(words) != count:
            got = f"{len(words)} words" if words != [b""] else "an empty line"
            raise Fault(start, f"{what}: {count} number{'s' if count > 1 else ''}", got)
        values = []
        for word in words:
            value = read(word) if pattern.fullmatch(word) else None
            if value is None:
                raise Fault(start, what, shown(word))
            values.append(value)
        self.position = end + 1
        return values

    def raw(self, count: int, what: str, offset: int) -> bytes:
        """Read bytes and the newline after them; of none there is no line."""
        if count == 0:
            return b""
        self.need(count + 1, f"{what} and a newline", offset)
        start = self.position
        self.position += count
        data = bytes(self.data[start : self.position])
        if self.data[self.position] != 10:
            got = shown(bytes(self.data[self.position : self.position + 1]))
            raise Fault(self.position, f"a newline after {count} bytes of {what}", got)
        self.position += 1
        return data

    def elements(self, kind: str, count: int, what: str, offset: int) -> NDArray[Any]:
        """Read the elements of a storage; ``offset`` is that of their number."""
        dtype = dtype_of(kind)
        if dtype.itemsize == 1:
            return np.frombuffer(self.raw(count, what, offset), dtype).copy()
        if count == 0:
            return np.empty(0, dtype)
        # One digit each, with a blank or the newline.
        self.need(2 * count, what, offset)
        start = self.position
        end = self.data.find(b"\n", start)
        if end < 0:
            raise Fault(start, f"{what} and a newline", "the end of the file")
        array = np.empty(count, dtype)
        filled = 0
        while self.position <= end:
            piece, after = self._piece(end)
            words = self._words(piece, dtype, what)
            if filled + len(words) > count:
                raise Fault(start, f"{what} on the line", "more")
            array[filled : filled + len(words)] = self._numbers(words, dtype, what)
            filled += len(words)
            self.position = after
        if filled < count:
            raise Fault(start, f"{what} on the line", f"{filled}")
        return array

    def _piece(self, end: int) -> tuple[bytes, int]:
        """Return some whole numbers of the line that ends at ``end``, and where the next are."""
        start = self.position
        if end - start <= _PIECE:
            return bytes(self.data[start:end]), end + 1
        blank = self.data.rfind(b" ", start, start + _PIECE)
        if blank < 0:
            raise Fault(start, "a number", shown(bytes(self.data[start : start + 80])))
        return bytes(self.data[start:blank]), blank + 1

    def _words(self, piece: bytes, dtype: np.dtype[Any], what: str) -> list[bytes]:
        decimal = dtype.kind == "f"
        words = piece.split(b" ")
        if (_DECIMALS if decimal else _INTEGERS).fullmatch(piece) is None:
            pattern = DECIMAL if decimal else INTEGER
            at = self.position
            for word in words:
                if pattern.fullmatch(word) is None:
                    raise Fault(at, f"{what}: a number", shown(word))
                at += len(word) + 1
        return words

    def _numbers(self, words: list[bytes], dtype: np.dtype[Any], what: str) -> NDArray[Any]:
        if dtype.kind == "f":
            values = np.fromiter(map(float, words), np.float64, len(words))
            with np.errstate(over="ignore"):
                return values.astype(dtype)
        info = np.iinfo(dtype)
        numbers = [int(word) for word in words]
        low, high = min(numbers), max(numbers)
        if low < info.min or high > info.max:
            got = low if low < info.min else high
            raise Fault(self.position, f"{what}: numbers that {dtype} holds", str(got))
        return np.array(numbers, dtype)


def _integers(low: int, high: int) -> Callable[[bytes], int | None]:
    """Return what reads an integer of the range, else gives None."""

    def read(word: bytes) -> int | None:
        value = int(word)
        return value if low <= value <= high else None

    return read
