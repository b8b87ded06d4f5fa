"""Stretching and Pillow's bicubic shrinking of a frame, by kernels in C.

The weights are Pillow's: of its cubic with a = −0.5, widened to the step between two pixels of the
small image, dropped beyond the borders, made to sum up to 1, and rounded to 22 bits.
"""

from __future__ import annotations

import functools
import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dqn_port.native.library import kernels

_BITS: Final = 22
_SUPPORT: Final = 2.0
_MOST: Final = 1000
"""Pixels of a side that a kernel takes, at the most, before and after."""


class Taps(NamedTuple):
    """How one side shrinks: ``out[d] = Σk weights[k, d] · x[step · d + k − before]``."""

    step: int
    before: int
    weights: NDArray[np.int32]
    """[taps, pixels]."""


def cubic(x: float) -> float:
    """Return Pillow's bicubic filter."""
    a, x = -0.5, abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


@functools.cache
def taps(src: int, dst: int) -> Taps | None:
    """Return the taps of a side; None where no whole number of pixels becomes one."""
    if src % dst or src > _MOST:
        return None
    step = src // dst
    support = _SUPPORT * step
    before = math.ceil(support - step / 2 - 0.5)
    n = math.ceil(2 * support) + 1
    weights = np.zeros((n, dst), dtype=np.int32)
    for d in range(dst):
        centre = (d + 0.5) * step
        first, end = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), src)
        values = [cubic((i - centre + 0.5) * (1.0 / step)) for i in range(first, end)]
        total = sum(values)
        for i, value in zip(range(first, end), values, strict=True):
            # Half away from zero.
            share = value / total * (1 << _BITS)
            weights[i - step * d + before, d] = int(share + math.copysign(0.5, share))
    return Taps(step, before, weights)


def shrink_stretched(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8] | None:
    """Return ``stretch`` of an image's luminance, shrunk: uint8 [height, width].

    None where there are no kernels, or they do not take such sizes.
    """
    rows, columns = image.shape[:2]
    library, down, across = kernels(), taps(rows, height), taps(columns, width)
    row, pixel, colour = image.strides
    if library is None or down is None or across is None or colour != 1 or min(row, pixel) < 0:
        return None
    gray = np.empty((rows, columns), dtype=np.float64)
    whole = np.empty((rows, columns), dtype=np.uint8)
    narrow = np.empty((rows, width), dtype=np.uint8)
    small = np.empty((height, width), dtype=np.uint8)
    library.stretch_luminance(
        image.ctypes.data, rows, columns, row, pixel, gray.ctypes.data, whole.ctypes.data
    )
    library.shrink_rows(
        *(whole.ctypes.data, rows, width, across.step, across.before, len(across.weights)),
        *(across.weights.ctypes.data, narrow.ctypes.data),
    )
    library.shrink_columns(
        *(narrow.ctypes.data, width, height, down.step, down.before, len(down.weights)),
        *(down.weights.ctypes.data, small.ctypes.data),
    )
    return small
