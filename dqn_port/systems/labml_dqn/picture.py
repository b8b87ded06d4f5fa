"""The picture that the network sees: gray and 84 x 84, byte for byte as OpenCV makes it.

labml: game.py, Game._process_obs, which calls OpenCV: gray, then resize with INTER_AREA.
"""

from __future__ import annotations

import functools
import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.native.library import kernels

SIZE: Final = 84
"""Pixels of one side."""
_LEAST: Final = 1e-3
"""OpenCV leaves out a pixel of which less than this is covered."""


def gray_of(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the gray of colours: uint8 [...] of uint8 [..., 3]."""
    weighted = rgb.astype(np.int32) @ np.array((9798, 19235, 3735), dtype=np.int32)
    return ((weighted + (1 << 14)) >> 15).astype(np.uint8)


@functools.cache
def _area(n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return which of ``n`` pixels make each of 84, and by what weight: [most, 84] both."""
    scale = n / SIZE
    rows: list[list[tuple[int, float]]] = []
    for d in range(SIZE):
        start, end = d * scale, d * scale + scale
        width = min(scale, n - start)
        last = min(math.floor(end), n - 1)
        first = min(math.ceil(start), last)
        row = [(first - 1, (first - start) / width)] if first - start > _LEAST else []
        row += [(i, 1 / width) for i in range(first, last)]
        if end - last > _LEAST:
            row.append((last, min(end - last, 1.0, width) / width))
        rows.append(row)
    most = max(map(len, rows))
    # A tap of weight 0 adds exactly nothing.
    padded: Any = [row + [(row[-1][0], 0.0)] * (most - len(row)) for row in rows]
    taps = np.array([[row[k][0] for row in padded] for k in range(most)], dtype=np.int32)
    weights = np.array([[row[k][1] for row in padded] for k in range(most)], dtype=np.float32)
    return taps, weights


class Shrinking:
    """Shrinks screens of one size to gray pictures of 84 x 84, with tables that are computed once.

    Along x, then along y, every number is a float32 sum in the order of its pixels. A C kernel
    computes them if it is available, otherwise NumPy, with the same bytes.
    """

    def __init__(self, height: int, width: int, grays: NDArray[np.uint8]) -> None:
        """``grays``: uint8 [256], of every byte of a screen."""
        self._shape = height, width
        self._x, self._y = _area(width), _area(height)
        self._grays = grays.astype(np.float32)
        self._kernels = kernels()
        x, y = ((len(at), at.ctypes.data, w.ctypes.data) for at, w in (self._x, self._y))
        self._tables = (self._grays.ctypes.data, height, width, SIZE, SIZE, *x, *y)

    def shrink(self, screen: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return uint8 [84, 84]: the larger of two screens' pictures, pixel by pixel.

        screen, other: uint8 [height, width]; may be the same.
        """
        assert screen.shape == other.shape == self._shape
        if self._kernels is None or not (screen.flags.c_contiguous and other.flags.c_contiguous):
            return np.maximum(self._picture(screen), self._picture(other))
        out = np.empty((SIZE, SIZE), dtype=np.uint8)
        self._kernels.shrink_pair(
            screen.ctypes.data, other.ctypes.data, *self._tables, out.ctypes.data
        )
        return out

    def _picture(self, screen: NDArray[np.uint8]) -> NDArray[np.uint8]:
        gray = self._grays.take(screen)
        wide = _sum([gray[:, at] * w for at, w in zip(*self._x, strict=True)])
        small = _sum([wide[at] * w[:, None] for at, w in zip(*self._y, strict=True)])
        return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def _sum(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
