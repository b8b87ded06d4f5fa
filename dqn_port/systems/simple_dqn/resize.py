"""Shrink gray screens as OpenCV's bilinear ``resize`` does, to the bit.

simple_dqn: environment.py, getScreen, which calls OpenCV.
"""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_ONE: Final = np.float32(2048)
"""OpenCV's weights are whole 2048ths."""


class _Axis(NamedTuple):
    """For every place of the result: the two places it lies between, and their weights."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    low_weight: NDArray[np.int32]
    high_weight: NDArray[np.int32]


@functools.lru_cache
def _axis(src: int, dst: int, *, clamp_weights: bool) -> _Axis:
    position = ((np.arange(dst) + 0.5) * (src / dst) - 0.5).astype(np.float32)
    low = np.floor(position).astype(np.intp)
    part = position - low.astype(np.float32)
    if clamp_weights:
        part[(low < 0) | (low >= src - 1)] = 0
    return _Axis(
        low.clip(0, src - 1),
        (low + 1).clip(0, src - 1),
        np.rint((np.float32(1) - part) * _ONE).astype(np.int32),
        np.rint(part * _ONE).astype(np.int32),
    )


def resize(screen: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return ``screen``, uint8 [h, w], as uint8 [height, width].

    Beyond the outermost rows both of a pair are the same row; beyond the outermost columns the
    second weighs nothing. That differs in the rounding, where a screen is enlarged.
    """
    if screen.shape == (height, width):
        return screen.copy()
    column = _axis(screen.shape[1], width, clamp_weights=True)
    row = _axis(screen.shape[0], height, clamp_weights=False)
    x = screen.astype(np.int32)
    sums = (x[:, column.low] * column.low_weight + x[:, column.high] * column.high_weight) >> 4
    low = row.low_weight[:, None] * sums[row.low] >> 16
    high = row.high_weight[:, None] * sums[row.high] >> 16
    return ((low + high + 2) >> 2).astype(np.uint8)
