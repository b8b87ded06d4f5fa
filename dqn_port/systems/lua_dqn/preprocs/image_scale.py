"""Torch7's image.scale in "bilinear" mode, bit for bit.

Lua: image.scale(x, width, height, 'bilinear'). When an axis shrinks it is area averaging, not
bilinear interpolation. First every row along x, then every column along y, all in float32; another
order or double positions give up to some hundred other bytes of 7056
(tests/systems/lua_dqn/test_image_scale.py).

An image is scaled by a kernel in C if compiled, else by NumPy: the same numbers
(tests/native/test_kernels.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dqn_port.native.library import kernels

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Axis:
    """How one axis is resampled: out = (Σ weights[k] · x[taps[k]]) / total, in order of k."""

    taps: NDArray[np.int32]
    """int32 [n taps, dst]"""
    weights: Floats
    """float32 [n taps, dst]"""
    total: Floats | None
    """float32 [dst], the sum of the weights if the axis shrinks; None: no division."""

    @property
    def addresses(self) -> tuple[int, int, int, int | None]:
        """Return (n taps, taps, weights, total) for the kernels."""
        total = None if self.total is None else self.total.ctypes.data
        return len(self.taps), self.taps.ctypes.data, self.weights.ctypes.data, total


def _shrink(src: int, dst: int) -> _Axis:
    one = np.float32(1)
    scale = np.float32(src) / np.float32(dst)
    rows: list[list[tuple[int, np.float32]]] = []
    i0, f0 = 0, np.float32(0)
    for d in range(dst):
        e = np.float32(d + 1) * scale
        i1 = int(e)
        f1 = e - np.float32(i1)
        row = [(i0, one - f0)] + [(i, one) for i in range(i0 + 1, i1)]
        if i1 < src:
            row.append((i1, f1))
        rows.append(row)
        i0, f0 = i1, f1
    most = max(len(row) for row in rows)
    total = np.zeros(dst, dtype=np.float32)
    for d, row in enumerate(rows):
        for _, weight in row:
            total[d] += weight
        # A tap of weight 0 adds exactly nothing.
        row += [(row[-1][0], np.float32(0))] * (most - len(row))
    taps = np.array([[row[k][0] for row in rows] for k in range(most)], dtype=np.int32)
    weights = np.array([[row[k][1] for row in rows] for k in range(most)], dtype=np.float32)
    return _Axis(taps, weights, total)


def _enlarge(src: int, dst: int) -> _Axis:
    i0 = np.full(dst, src - 1, dtype=np.int32)
    i1 = i0.copy()
    f = np.zeros(dst, dtype=np.float32)
    if src > 1:
        scale = np.float32(src - 1) / np.float32(dst - 1)
        for d in range(dst - 1):
            p = np.float32(d) * scale
            i0[d] = int(p)
            i1[d] = min(int(p) + 1, src - 1)
            f[d] = p - np.float32(int(p))
    return _Axis(np.stack((i0, i1)), np.stack((np.float32(1) - f, f)), None)


def _axis(src: int, dst: int) -> _Axis | None:
    if src == dst:
        return None
    return _shrink(src, dst) if src > dst else _enlarge(src, dst)


class Scale:
    """Resample images of one size to another, with precomputed tables."""

    def __init__(self, src: tuple[int, int], dst: tuple[int, int]) -> None:
        """``src``, ``dst``: (height, width), each at least 1."""
        self.src, self.dst = src, dst
        self._x, self._y = _axis(src[1], dst[1]), _axis(src[0], dst[0])
        self._kernels = kernels()
        self._wide = np.empty((src[0], dst[1]), dtype=np.float32)
        if self._x is not None and self._y is not None:
            self._rows = (src[0], src[1], dst[1], *self._x.addresses, self._wide.ctypes.data)
            self._columns = (self._wide.ctypes.data, dst[1], dst[0], *self._y.addresses)

    def forward(self, image: Floats) -> Floats:
        """Return float32 [..., dst height, dst width] of float32 [..., src height, src width]."""
        if (
            self._kernels is not None
            and self._x is not None
            and self._y is not None
            and image.shape == self.src
            and image.dtype == np.float32
            and image.flags.c_contiguous
        ):
            out = np.empty(self.dst, dtype=np.float32)
            self._kernels.resample_rows(image.ctypes.data, *self._rows)
            self._kernels.resample_columns(*self._columns, out.ctypes.data)
            return out
        wide = image if self._x is None else _resample(image, self._x, -1)
        return wide if self._y is None else _resample(wide, self._y, -2)


def _resample(x: Floats, axis: _Axis, dim: int) -> Floats:
    column = (slice(None), None) if dim == -2 else (slice(None),)
    out: Floats = x.take(axis.taps[0], axis=dim)
    out *= axis.weights[0][column]
    for taps, weights in zip(axis.taps[1:], axis.weights[1:], strict=True):
        part = x.take(taps, axis=dim)
        part *= weights[column]
        out += part
    if axis.total is not None:
        out /= axis.total[column]
    return out
