"""Torch7's ``torch.load`` and ``torch.save``: files and bytes in, Lua's values out, and back."""

from __future__ import annotations

import mmap
import os
import stat
from itertools import product
from pathlib import Path
from typing import Any, Final

from dqn_port.errors import RunFolderError, T7Error
from dqn_port.files import write_whole
from dqn_port.torch7.ascii_source import AsciiSource
from dqn_port.torch7.binary_source import BinarySource, ByteOrder, Data
from dqn_port.torch7.faults import shown
from dqn_port.torch7.other_formats import HEAD, other_format
from dqn_port.torch7.reader import Reader
from dqn_port.torch7.sinks import sink_of
from dqn_port.torch7.writer import Writer

# bytes: from this size on a file is mapped, not read; its storages are views of the mapping.
MAPPED_FROM: Final = 16 << 20
# Tensors and storages: a tensor and its storage, read in the right layout, are two.
_CLEARLY: Final = 2
_ORDERS: Final[tuple[ByteOrder, ...]] = ("little", "big")


def load(
    path: str | Path,
    *,
    all_objects: bool = False,
    long_size: int | None = None,
    byte_order: ByteOrder | None = None,
) -> Any:
    """Read the object of a Torch7 file, binary or ASCII, whatever its name.

    The size of its longs, 8 or 4 bytes, and the byte order are detected. If several fit, 8 bytes
    take precedence over 4 and little over big.

    A file of 16 MiB and more is mapped: its arrays are views, and writing to them does not change
    the file. It must not be truncated while one of them is in use.

    Args:
        all_objects: return the list of all objects of the file, not its only one.
        long_size: bytes of a long, 4 or 8; None: detect.
        byte_order: None: detect.

    Raises:
        T7Error: the file cannot be read or is damaged, in one line with file, byte offset,
            object path, what was expected and what was found; bytes follow the only object.
    """
    name = _shown_name(path)
    try:
        # Opening a pipe would block.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise T7Error(f"{name}: expected a file, got a folder or a device")
        with Path(path).open("rb") as file:
            if os.fstat(file.fileno()).st_size < MAPPED_FROM:
                data: Data = file.read()
            else:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise T7Error(f"{name}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise T7Error(f"{name}: cannot be read: {error}") from error
    return _read(data, name, all_objects=all_objects, long_size=long_size, byte_order=byte_order)


def loads(
    data: bytes,
    *,
    name: str = "<bytes>",
    all_objects: bool = False,
    long_size: int | None = None,
    byte_order: ByteOrder | None = None,
) -> Any:
    """Read the object of a Torch7 file's bytes, as ``load`` does.

    Args:
        data: the whole file.
        name: what errors call it.
        all_objects, long_size, byte_order: see ``load``.

    Raises:
        T7Error: see ``load``.
    """
    return _read(
        bytes(data), name, all_objects=all_objects, long_size=long_size, byte_order=byte_order
    )


def save(
    path: str | Path,
    value: Any,
    *,
    ascii: bool = False,
    all_objects: bool = False,
    long_size: int = 8,
    byte_order: ByteOrder = "little",
) -> None:
    """Write a file that Torch7 loads; it is written completely, then renamed.

    Python's plain values are converted: dict, list and tuple to tables, bytes to a string, int and
    NumPy's numbers to numbers, an array to a tensor with its own storage.

    Args:
        path: the file.
        value: the object, or with ``all_objects`` the list of the objects.
        ascii: as text rather than binary.
        all_objects: write several objects, one after another.
        long_size: bytes of a long in a binary file; 64-bit Linux has 8.
        byte_order: of a binary file.

    Raises:
        T7Error: a value is not a Lua value; the file cannot be written.
    """

    def write(file: Any) -> None:
        sink = sink_of(file.write, ascii=ascii, long_size=long_size, byte_order=byte_order)
        Writer(sink, _shown_name(path)).write_all(value if all_objects else [value])

    try:
        write_whole(Path(path), write)
    except RunFolderError as error:
        raise T7Error(str(error)) from error
    except ValueError as error:
        raise T7Error(f"{_shown_name(path)}: cannot be written: {error}") from error


def dumps(
    value: Any,
    *,
    ascii: bool = False,
    all_objects: bool = False,
    long_size: int = 8,
    byte_order: ByteOrder = "little",
) -> bytes:
    """Return the bytes of the file that ``save`` writes.

    Raises:
        T7Error: a value is not a Lua value.
    """
    buffer = bytearray()
    sink = sink_of(buffer.extend, ascii=ascii, long_size=long_size, byte_order=byte_order)
    Writer(sink, "<bytes>").write_all(value if all_objects else [value])
    return bytes(buffer)


def _shown_name(path: str | Path) -> str:
    text = str(path)
    return text if text.isprintable() else ascii(text)


def _read(
    data: Data, name: str, *, all_objects: bool, long_size: int | None, byte_order: ByteOrder | None
) -> Any:
    if long_size not in (None, 4, 8):
        raise T7Error(f"long_size: expected 4 or 8, got {long_size!r}")
    if byte_order not in (None, *_ORDERS):
        raise T7Error(f"byte_order: expected 'little' or 'big', got {byte_order!r}")
    head = bytes(data[:4])
    if len(head) > 1 and head[0] in b"012345678" and head[1:2] == b"\n":
        return _objects(Reader(AsciiSource(data), name), all_objects)
    other = other_format(bytes(data[:HEAD]))
    if other is not None:
        raise T7Error(f"{name}: expected a Torch7 file, got {other.name}; {other.advice}", offset=0)
    orders = [
        order for order in _ORDERS
        if int.from_bytes(head, order) <= 8 and len(head) == 4 and byte_order in (None, order)
    ]  # fmt: skip
    if not orders:
        raise T7Error(
            f"{name}: byte 0, at the top: expected the tag of a Torch7 object, an int of 0 to 8 in "
            f"{f'{byte_order}-endian ' if byte_order else ''}binary or a digit and a newline in "
            f"ASCII, got {shown(head)}",
            offset=0,
        )
    return _first_that_fits(
        data, name, [*product(orders, (long_size,) if long_size else (8, 4))], all_objects
    )


def _first_that_fits(
    data: Data, name: str, layouts: list[tuple[ByteOrder, int]], all_objects: bool
) -> Any:
    """Read a binary file in the first layout in which all of it is valid.

    If none is, the error is that of the first, or of one with clearly more valid tensors and
    storages: one may be valid by chance, as zeros are.
    """
    failed: tuple[int, T7Error] | None = None
    mapped = isinstance(data, mmap.mmap)
    for order, long_size in layouts:
        source = BinarySource(
            data,
            long_size=long_size,
            byte_order=order,
            mapped=mapped,
            guessed=long_size == 4 and (order, 8) in layouts,
        )
        reader = Reader(source, name)
        try:
            return _objects(reader, all_objects)
        except T7Error as error:
            if failed is None or reader.wholes >= failed[0] + _CLEARLY:
                failed = reader.wholes, error
    assert failed is not None
    raise failed[1]


def _objects(reader: Reader, all_objects: bool) -> Any:
    if not all_objects:
        value = reader.read()
        reader.expect_end()
        return value
    values = []
    while reader.source.left:
        values.append(reader.read())
    return values
