"""Write pictures: PNG through OpenCV, animated GIF by an encoder of its own.

OpenCV dithers a GIF's colours and holds all of its frames; GifWriter keeps the colours and the
memory. OpenCV is imported where it is used: without its system libraries only PNG is missing.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import ArgsError, MissingLibraryError
from dqn_port.interfaces import Screen
from dqn_port.snapshot import write_whole

Picture = NDArray[np.uint8]
"""uint8 [height, width, 3], RGB 0..255; of gray ones uint8 [height, width]."""

_MAX_CODES: Final = 4096
"""Entries of a GIF's code table: codes have up to 12 bits."""
_MAX_COLOURS: Final = 256
_MAX_DELAY: Final = 0xFFFF


def opencv() -> Any:
    """Return OpenCV's module.

    Raises:
        MissingLibraryError: it cannot be imported, with what to install.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingLibraryError(_what_opencv_lacks(str(error))) from error
    return cv2


def _what_opencv_lacks(message: str) -> str:
    library = re.search(r"lib[\w.+-]*\.so[.\d]*", message)
    if library is not None:
        return (
            f"pictures need OpenCV's system libraries ({library[0]} is missing): sudo apt-get "
            "install libgl1 libglib2.0-0 (libglib2.0-0t64 on Ubuntu 24.04 and later)"
        )
    return f"pictures need OpenCV ({message}): pip install opencv-python"


def check_ending(path: Path, ending: str, where: str) -> None:
    """Check that a picture's name says its format; ``where`` is the option that gave it.

    Raises:
        ArgsError: it does not end in ``ending``.
    """
    if path.suffix.lower() != ending:
        raise ArgsError(f"{where}: expected the name of a file ending in {ending}, got '{path}'")


def picture_of(screen: Screen) -> Picture:
    """Return a screen's pixels as bytes, rounded: uint8 [height, width, 3]."""
    return np.rint(screen.rgb().transpose(1, 2, 0) * 255).astype(np.uint8)


def resize(picture: Picture, height: int, width: int) -> Picture:
    """Return ``picture`` in another size, every pixel the nearest one's."""
    rows = np.arange(height) * picture.shape[0] // height
    columns = np.arange(width) * picture.shape[1] // width
    return np.asarray(picture[rows[:, None], columns])


def enlarge(picture: Picture, least_height: int) -> Picture:
    """Return ``picture`` with every pixel repeated until it is ``least_height`` high or more."""
    factor = -(-least_height // picture.shape[0])
    return resize(picture, picture.shape[0] * factor, picture.shape[1] * factor)


def write_png(path: Path, picture: Picture) -> None:
    """Write an RGB picture whole.

    Raises:
        MissingLibraryError: see opencv.
        RunFolderError: see snapshot.write_whole.
    """
    encoded = opencv().imencode(".png", picture[..., ::-1])[1].tobytes()
    write_whole(path, lambda file: file.write(encoded))


class GifWriter:
    """Write an endless animated GIF, picture by picture; none is kept but the last.

    Every picture has its own colour table, so up to 256 colours a picture are exact, and only the
    rectangle that differs from the picture before is stored.
    """

    def __init__(self, file: BinaryIO, *, delay: int) -> None:
        """``delay``: how long a picture is shown, in hundredths of a second."""
        self._file = file
        self._delay = min(delay, _MAX_DELAY)
        self._last: NDArray[np.uint32] | None = None
        self.n_pictures = 0

    def add(self, picture: Picture) -> None:
        """Append uint8 [height, width, 3]; all are of one size."""
        r, g, b = np.moveaxis(picture.astype(np.uint32), -1, 0)
        pixels = r << 16 | g << 8 | b
        if self._last is None:
            self._write_header(pixels.shape[0], pixels.shape[1])
            top, left = 0, 0
            changed = pixels
        else:
            top, bottom, left, right = _changed_rectangle(self._last, pixels)
            changed = pixels[top:bottom, left:right]
        self._last = pixels
        self._write_picture(changed, left, top)
        self.n_pictures += 1

    def close(self) -> None:
        """Write the end; the file itself stays open."""
        self._file.write(b";")

    def _write_header(self, height: int, width: int) -> None:
        # No global colour table; the extension says that the animation is repeated for ever.
        self._file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0))
        self._file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")

    def _write_picture(self, pixels: NDArray[np.uint32], left: int, top: int) -> None:
        colours, indices = _with_colour_table(pixels)
        bits = max(1, int(len(colours) - 1).bit_length())
        table = np.zeros((1 << bits, 3), dtype=np.uint8)
        for channel, shift in enumerate((16, 8, 0)):
            table[: len(colours), channel] = colours >> shift & 0xFF
        height, width = pixels.shape
        # 4: leave the picture standing when the next is drawn. 0x80: it has a colour table.
        self._file.write(b"\x21\xf9\x04" + struct.pack("<BHBB", 4, self._delay, 0, 0))
        self._file.write(b"," + struct.pack("<HHHHB", left, top, width, height, 0x80 | bits - 1))
        self._file.write(table.tobytes())
        code_bits = max(2, bits)
        data = lzw(indices.tobytes(), code_bits)
        self._file.write(bytes([code_bits]))
        for at in range(0, len(data), 255):
            block = data[at : at + 255]
            self._file.write(bytes([len(block)]) + block)
        self._file.write(b"\0")


def _changed_rectangle(
    before: NDArray[np.uint32], now: NDArray[np.uint32]
) -> tuple[int, int, int, int]:
    """Return (top, bottom, left, right) around what differs; one pixel where nothing does."""
    differs = before != now
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not len(rows):
        return 0, 1, 0, 1
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _with_colour_table(
    pixels: NDArray[np.uint32],
) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Return up to 256 colours and every pixel's index.

    Of more colours the most frequent are kept, and the others become the nearest of them.
    """
    colours, indices, counts = np.unique(pixels, return_inverse=True, return_counts=True)
    if len(colours) > _MAX_COLOURS:
        kept = np.sort(np.argsort(-counts, kind="stable")[:_MAX_COLOURS])
        channels = np.stack([colours >> shift & 0xFF for shift in (16, 8, 0)], axis=1)
        channels = channels.astype(np.int32)
        nearest = np.empty(len(colours), dtype=np.intp)
        for at in range(0, len(colours), _MAX_COLOURS):
            some = channels[at : at + _MAX_COLOURS, None]
            distances = np.square(some - channels[kept]).sum(axis=-1)
            nearest[at : at + _MAX_COLOURS] = distances.argmin(axis=1)
        colours, indices = colours[kept], nearest[indices]
    return colours, indices.reshape(-1).astype(np.uint8)


def lzw(indices: bytes, code_bits: int) -> bytes:
    """Return the packed codes of a GIF picture, of colours of ``code_bits`` bits."""
    clear = 1 << code_bits
    packed, n_packed, out = 0, 0, bytearray()
    codes: dict[int, int] = {}
    free, size = clear + 2, code_bits + 1
    packed, n_packed = clear, size
    prefix = indices[0]
    for index in indices[1:]:
        # The string that prefix stands for and one more colour.
        key = prefix << 8 | index
        if key in codes:
            prefix = codes[key]
            continue
        packed |= prefix << n_packed
        n_packed += size
        prefix = index
        if free < _MAX_CODES:
            # Codes get a bit longer as soon as the table holds one that needs it.
            if free == 1 << size:
                size += 1
            codes[key] = free
            free += 1
        else:
            packed |= clear << n_packed
            n_packed += size
            codes.clear()
            free, size = clear + 2, code_bits + 1
        whole = n_packed >> 3
        out += (packed & (1 << 8 * whole) - 1).to_bytes(whole, "little")
        packed >>= 8 * whole
        n_packed &= 7
    packed |= prefix << n_packed
    n_packed += size
    if free == 1 << size and size < 12:
        size += 1
    packed |= clear + 1 << n_packed
    n_packed += size
    out += packed.to_bytes(-(-n_packed // 8), "little")
    return bytes(out)
