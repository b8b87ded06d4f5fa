"""An ASCII .t7 file as the sequence of its ints, longs, doubles and bytes."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.torch7.binary_source import Data, Source
from dqn_port.torch7.faults import Fault, held, shown
from dqn_port.torch7.tensors import dtype_of

# What C's printf writes for %d, %ld, %.9g and %.17g; more digits than any of them are taken.
INTEGER: Final = re.compile(rb"-?[0-9]{1,20}")
DECIMAL: Final = re.compile(
    rb"[+-]?(?:(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,5})?|inf|nan)"
)
_INT: Final = np.iinfo(np.int32)
_LONG: Final = np.iinfo(np.int64)


class AsciiSource(Source):
    """Reads forward from ``position``; every length is checked before anything is taken.

    One write is one line: its numbers with a blank between them and one newline after. A
    line without its newline is an error, for a cut file would read ``84`` as ``8``.
    Methods raise Fault where the file does not hold what is asked for.
    """

    # The least bytes of an object, nil, and of a pair: a boolean or a back reference, and nil.
    least_object, least_pair = 2, 6

    def __init__(self, data: Data) -> None:
        super().__init__(data)
        self.long_size, self.guessed = 8, False

    def integer(self, what: str) -> int:
        """Read the line of an int."""
        return self._integers(what, 1, _INT)[0]

    def double(self, what: str) -> float:
        """Read the line of a double."""
        return float(self._words(what, 1, DECIMAL, 1000)[0])

    def longs(self, count: int, what: str) -> tuple[int, ...]:
        """Read the line of ``count`` longs; without any, there is no line."""
        return tuple(self._integers(what, count, _LONG))

    def raw(self, count: int, what: str, offset: int) -> bytes:
        """Read bytes and the newline after them; without any, there is no line."""
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
        # One digit each, with a blank or the newline.
        self.need(2 * count, what, offset)
        if dtype.kind == "f":
            words = self._words(what, count, DECIMAL, 1000)
            with np.errstate(over="ignore"):
                return np.fromiter(map(float, words), np.float64, count).astype(dtype)
        return np.array(self._integers(what, count, np.iinfo(dtype)), dtype)

    def _integers(self, what: str, count: int, limits: np.iinfo[Any]) -> list[int]:
        start = self.position
        numbers = [int(word) for word in self._words(what, count, INTEGER, 21)]
        for number in (min(numbers, default=0), max(numbers, default=0)):
            if not limits.min <= number <= limits.max:
                raise Fault(start, f"{what}: numbers that {limits.dtype} holds", str(number))
        return numbers

    def _words(
        self, what: str, count: int, pattern: re.Pattern[bytes], longest: int
    ) -> list[bytes]:
        """Read a line of ``count`` words that match; without any, there is no line."""
        if count == 0:
            return []
        start = self.position
        limit = min(self.end, start + count * (longest + 1))
        end = self.data.find(b"\n", start, limit)
        if end < 0:
            got = shown(bytes(self.data[start : min(limit, start + 80)])) if start < limit else ""
            at_end = held(0) if limit == self.end else ""
            raise Fault(start, f"{what} and a newline", " and ".join(filter(None, (got, at_end))))
        words = bytes(self.data[start:end]).split(b" ")
        if len(words) != count:
            got = f"{len(words)} words" if words != [b""] else "an empty line"
            raise Fault(start, f"{what}: {count} number{'s' if count > 1 else ''}", got)
        at = start
        for word in words:
            if pattern.fullmatch(word) is None:
                raise Fault(at, what if count == 1 else f"{what}: a number", shown(word))
            at += len(word) + 1
        self.position = end + 1
        return words
