"""A binary .t7 file as the sequence of its ints, longs, doubles and bytes."""

from __future__ import annotations

import mmap
import struct
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from dqn_port.torch7.faults import Fault, held
from dqn_port.torch7.tensors import dtype_of

ByteOrder = Literal["little", "big"]
# A mapping of a large file, or the bytes of a small one.
Data = bytes | mmap.mmap

_ORDER: Final[dict[str, Literal["<", ">"]]] = {"little": "<", "big": ">"}


class Source:
    """The bytes of a file, read forward from ``position``."""

    def __init__(self, data: Data) -> None:
        self.data, self.end, self.position = data, len(data), 0

    @property
    def left(self) -> int:
        """The number of bytes not read yet."""
        return self.end - self.position

    def need(self, count: int, what: str, offset: int | None = None) -> None:
        """Check that the file still holds ``count`` bytes, for ``what`` read at ``offset``."""
        if count > self.left:
            at = self.position if offset is None else offset
            raise Fault(at, f"{count} bytes of {what}", held(self.left))


class BinarySource(Source):
    """Reads forward from ``position``; every length is checked before anything is taken.

    ``mapped``: arrays are views of the data if its layout allows, not copies.
    ``guessed``: the size of a long is a guess, and not the usual one.
    Methods raise Fault if the file does not hold what is asked for.
    """

    # The least bytes of an object, nil, and of a pair: a boolean or a back reference, and nil.
    least_object, least_pair = 4, 12

    def __init__(
        self,
        data: Data,
        *,
        long_size: int,
        byte_order: ByteOrder,
        mapped: bool = False,
        guessed: bool = False,
    ) -> None:
        super().__init__(data)
        self.long_size, self.mapped, self.guessed = long_size, mapped, guessed
        self._order = order = _ORDER[byte_order]
        self._int = struct.Struct(order + "i")
        self._double = struct.Struct(order + "d")
        self._long_code = "q" if long_size == 8 else "i"

    def integer(self, what: str) -> int:
        """Read an int, 4 bytes."""
        self.need(4, what)
        (value,) = self._int.unpack_from(self.data, self.position)
        self.position += 4
        return value

    def double(self, what: str) -> float:
        """Read a double, 8 bytes."""
        self.need(8, what)
        (value,) = self._double.unpack_from(self.data, self.position)
        self.position += 8
        return value

    def longs(self, count: int, what: str) -> tuple[int, ...]:
        """Read longs that were written together."""
        self.need(count * self.long_size, what)
        layout = f"{self._order}{count}{self._long_code}"
        values = struct.unpack_from(layout, self.data, self.position)
        self.position += count * self.long_size
        return values

    def raw(self, count: int, what: str, offset: int) -> bytes:
        """Read bytes; ``offset`` is that of their number."""
        self.need(count, what, offset)
        start = self.position
        self.position += count
        return bytes(self.data[start : self.position])

    def elements(self, kind: str, count: int, what: str, offset: int) -> NDArray[Any]:
        """Read the elements of a storage; ``offset`` is that of their number."""
        dtype = dtype_of(kind)
        stored = dtype.newbyteorder(self._order)
        if kind == "Long" and self.long_size == 4:
            stored = np.dtype(self._order + "i4")
        self.need(count * stored.itemsize, what, offset)
        array: NDArray[Any] = np.frombuffer(self.data, stored, count, self.position)
        self.position += count * stored.itemsize
        # newbyteorder of the machine's own order equals the plain dtype.
        return array.astype(dtype, copy=not (self.mapped and stored == dtype))
