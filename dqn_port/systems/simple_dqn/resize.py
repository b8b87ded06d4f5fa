"""Shrink gray screens as OpenCV's bilinear ``resize`` does, to the bit.

simple_dqn: environment.py, getScreen, which calls OpenCV.
"""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dqn_port.native.library import kernels

_ONE: Final = np.float32(2048)
"""OpenCV's weights are multiples of 1/2048."""

_SAME: Final = np.arange(256, dtype=np.uint8)
"""The identity: screens that are gray already."""


class _Axis(NamedTuple):
    """For every place of the result: the two places it lies between, and their weights."""

    low: NDArray[np.int32]
    high: NDArray[np.int32]
    low_weight: NDArray[np.int32]
    high_weight: NDArray[np.int32]


class _Tables(NamedTuple):
    """Both axes as the kernel takes them, and its room."""

    columns: NDArray[np.int32]
    rows: NDArray[np.int32]
    sums: NDArray[np.int32]


@functools.lru_cache
def _axis(src: int, dst: int, *, clamp_weights: bool) -> _Axis:
    position = ((np.arange(dst) + 0.5) * (src / dst) - 0.5).astype(np.float32)
    low = np.floor(position).astype(np.intp)
    part = position - low.astype(np.float32)
    if clamp_weights:
        part[(low < 0) | (low >= src - 1)] = 0
    return _Axis(
        low.clip(0, src - 1).astype(np.int32),
        (low + 1).clip(0, src - 1).astype(np.int32),
        np.rint((np.float32(1) - part) * _ONE).astype(np.int32),
        np.rint(part * _ONE).astype(np.int32),
    )


def _axes(src: tuple[int, ...], width: int, height: int) -> tuple[_Axis, _Axis]:
    """Return the columns' axis and the rows'."""
    columns = _axis(src[1], width, clamp_weights=True)
    return columns, _axis(src[0], height, clamp_weights=False)


@functools.lru_cache
def _tables(src: tuple[int, ...], width: int, height: int) -> _Tables:
    columns, rows = _axes(src, width, height)
    return _Tables(np.stack(columns), np.stack(rows), np.empty((2, width), np.int32))


def resize(
    screen: NDArray[np.uint8], width: int, height: int, gray: NDArray[np.uint8] = _SAME
) -> NDArray[np.uint8]:
    """Return ``gray[screen]``, screen uint8 [h, w], gray uint8 [256], as uint8 [height, width].

    Beyond the outermost rows both of a pair are the same row; beyond the outermost columns the
    second weighs nothing. That differs in the rounding, where a screen is enlarged.
    """
    if screen.shape == (height, width):
        return gray[screen]
    library = kernels()
    if library is None:
        return resize_slowly(gray[screen], width, height)
    columns, rows, sums = _tables(screen.shape, width, height)
    out = np.empty((height, width), np.uint8)
    arrays = columns, rows, sums, out
    screen, gray = np.ascontiguousarray(screen), np.ascontiguousarray(gray)
    library.shrink_bytes(
        *(screen.ctypes.data, gray.ctypes.data, screen.shape[1], width, height),
        *(array.ctypes.data for array in arrays),
    )
    return out


def resize_slowly(screen: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return what ``resize`` does, without the kernels; this is the formula."""
    column, row = _axes(screen.shape, width, height)
    x = screen.astype(np.int32)
    sums = (x[:, column.low] * column.low_weight + x[:, column.high] * column.high_weight) >> 4
    low = row.low_weight[:, None] * sums[row.low] >> 16
    high = row.high_weight[:, None] * sums[row.high] >> 16
    return ((low + high + 2) >> 2).astype(np.uint8)
