"""Write a .t7 file's ints, longs, doubles and bytes, in binary or as text."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import T7Error
from dqn_port.torch7.binary_source import ByteOrder

Write = Callable[[Any], object]
_INT_MAX: Final = 2**31 - 1
# Elements that are converted at once.
_PIECE: Final = 1 << 16


class BinarySink:
    """Writes binary."""

    def __init__(self, write: Write, *, long_size: int, byte_order: ByteOrder) -> None:
        self._write, self._long_size = write, long_size
        self._order: Literal["<", ">"] = "<" if byte_order == "little" else ">"
        self._int = struct.Struct(self._order + "i")
        self._double = struct.Struct(self._order + "d")

    def integer(self, value: int) -> None:
        """Write an int.

        Raises:
            T7Error: 4 bytes do not hold it.
        """
        _check_int(value)
        self._write(self._int.pack(value))

    def double(self, value: float) -> None:
        """Write a double."""
        self._write(self._double.pack(value))

    def longs(self, values: Sequence[int]) -> None:
        """Write longs together.

        Raises:
            T7Error: a long does not hold one.
        """
        try:
            code = "q" if self._long_size == 8 else "i"
            self._write(struct.pack(f"{self._order}{len(values)}{code}", *values))
        except struct.error:
            raise T7Error(
                f"expected numbers that a long of {self._long_size} bytes holds, "
                f"got {max(values, key=abs)}"
            ) from None

    def raw(self, data: bytes) -> None:
        """Write bytes."""
        self._write(data)

    def elements(self, array: NDArray[Any], *, kind: str) -> None:
        """Write the elements of a storage of a kind.

        Raises:
            T7Error: a long does not hold one.
        """
        stored = array.dtype.newbyteorder(self._order)
        if kind == "Long" and self._long_size == 4:
            stored = np.dtype(self._order + "i4")
            if array.size and (array.max() >= 2**31 or array.min() < -(2**31)):
                raise T7Error("expected elements that a long of 4 bytes holds, got larger ones")
        for start in range(0, len(array), _PIECE):
            self._write(array[start : start + _PIECE].astype(stored).tobytes())


class AsciiSink:
    """Writes text: one line for each write of one number or more, formatted as by C's printf."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def integer(self, value: int) -> None:
        """Write the line of an int.

        Raises:
            T7Error: 4 bytes do not hold it.
        """
        _check_int(value)
        self._write(b"%d\n" % value)

    def double(self, value: float) -> None:
        """Write the line of a double."""
        self._write(_decimal("%.17g", value).encode() + b"\n")

    def longs(self, values: Sequence[int]) -> None:
        """Write the line of some longs; without any, there is no line.

        Raises:
            T7Error: a long does not hold one.
        """
        if values:
            if not all(-(2**63) <= value < 2**63 for value in values):
                raise T7Error(
                    "expected numbers that a long of 8 bytes holds, "
                    f"got one of {max(value.bit_length() for value in values)} bits"
                )
            self._write(" ".join(map(str, values)).encode() + b"\n")

    def raw(self, data: bytes) -> None:
        """Write bytes and a newline; without any, there is no line."""
        if data:
            self._write(data)
            self._write(b"\n")

    def elements(self, array: NDArray[Any], *, kind: str) -> None:
        """Write the line of a storage's elements; those of Byte and Char are raw bytes."""
        if kind in ("Byte", "Char"):
            self.raw(array.tobytes())
            return
        layout = "%.17g" if kind == "Double" else "%.9g"
        for start in range(0, len(array), _PIECE):
            numbers = array[start : start + _PIECE].tolist()
            is_float = array.dtype.kind == "f"
            words = [_decimal(layout, n) for n in numbers] if is_float else map(str, numbers)
            self._write((" " if start else "").encode() + " ".join(words).encode())
        if len(array):
            self._write(b"\n")


Sink = BinarySink | AsciiSink


def sink_of(
    write: Write,
    *,
    ascii: bool,
    long_size: int,
    byte_order: ByteOrder,
) -> Sink:
    """Return the sink that writes a file through ``write``.

    Raises:
        T7Error: no long has that size, or there is no such byte order.
    """
    if long_size not in (4, 8):
        raise T7Error(f"long_size: expected 4 or 8, got {long_size!r}")
    if byte_order not in ("little", "big"):
        raise T7Error(f"byte_order: expected 'little' or 'big', got {byte_order!r}")
    if ascii:
        return AsciiSink(write)
    return BinarySink(write, long_size=long_size, byte_order=byte_order)


def _check_int(value: int) -> None:
    if not -_INT_MAX - 1 <= value <= _INT_MAX:
        raise T7Error(f"expected a number that an int of 4 bytes holds, got {value}")


def _decimal(layout: str, number: float) -> str:
    """Return a number as C prints it, including the sign of a NaN."""
    if math.isnan(number):
        return "-nan" if math.copysign(1.0, number) < 0 else "nan"
    return layout % number
