"""What the kernels compute, in plain Python: to read, and for the tests to compare with.

Only the tests call this, for it is slow: it gives, to the bit, the numbers of network.c,
products.c, direct.c and single.c. Those of alike.c are sum_products', computed once for windows
that are equal. The twins of the other kernels run where no compiler is: of look_up_pairs in
game_screen.py, of resample_rows and resample_columns in image_scale.py, of saxpy and
centred_rmsprop in rmsprop.py, all in systems/lua_dqn.

Legend: B samples, K terms of a sum, M lanes, N rows. All floats are float32.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LEFT, RIGHT, REST = 1, 2, 4


def fused(x: Floats, y: Floats, z: Floats) -> Floats:
    """Return x · y + z, rounded once.

    The product of two float32 is exact in float64. The sum is not always: its last bit is made odd
    where it was rounded, so that the second rounding, to float32, goes the right way.
    """
    product = x.astype(np.float64) * y.astype(np.float64)
    total = product + z
    part = total - product
    error = (product - (total - part)) + (z - part)
    bits = total.view(np.int64)
    even = (error != 0) & (bits & 1 == 0)
    toward = np.where((error > 0) == (total > 0), 1, -1)
    return np.where(even, bits + toward, bits).view(np.float64).astype(np.float32)


def chain(a: Floats, b: Floats) -> Floats:
    """Return Σk a[k, lane] · b[k, row], one after another: [N, M] of a [K, M] and b [K, N]."""
    total = np.zeros((b.shape[1], a.shape[1]), np.float32)
    for x, y in zip(a, b, strict=True):
        total = fused(x[None, :], y[:, None], total)
    return total


def side_of(row: int, rows: int) -> int:
    """Return which part of the rows a row is in: of every twelve, or of the fours after them."""
    if row < rows // 12 * 12:
        return LEFT if row % 12 < 6 else RIGHT
    return REST if row < rows // 4 * 4 else 0


def sum_products(
    a: Floats,
    b: Floats,
    *,
    two: NDArray[np.uint8],
    ends: NDArray[Any],
    first: Floats | None = None,
    last: Floats | None = None,
) -> Floats:
    """Return [N, M]: for every block of terms the sum of a [K, M] · b [K, N] is added to the rest.

    ``two``: uint8 [M], the sides whose rows are summed in two chains there: even and odd terms, as
    far as there are whole eights of them, the others with the even ones. ``ends``: of the blocks.
    ``first`` [N] is there before, ``last`` [M] is added afterwards.
    """
    rows, lanes = b.shape[1], a.shape[1]
    in_two = np.array([[bool(lane & side_of(row, rows)) for lane in two] for row in range(rows)])
    out = np.zeros((rows, lanes), np.float32)
    if first is not None:
        out += first[:, None]
    for begin, end in pairwise([0, *ends]):
        whole = begin + (end - begin) // 8 * 8
        even = [*range(begin, whole, 2), *range(whole, end)]
        odd = list(range(begin + 1, whole, 2))
        both = chain(a[even], b[even]) + chain(a[odd], b[odd])
        out += np.where(in_two, both, chain(a[begin:end], b[begin:end]))
    return out if last is None else out + last


def rectify(x: Floats) -> Floats:
    """Return (|x| + x) / 2."""
    return (np.abs(x) + x) / np.float32(2)


def rectify_gradient(y: Floats, of_y: Floats) -> Floats:
    """Return the gradient where the output y is positive, else 0."""
    return np.where(y > 0, of_y, np.float32(0))


def spread_bytes(x: NDArray[np.uint8]) -> Floats:
    """Return x / 255."""
    return x.astype(np.float32) / np.float32(255)


def find_alive(x: Floats) -> NDArray[np.uint8]:
    """Return for each plane of x [n, size] whether any number of it is not 0."""
    return (x != 0).any(axis=1).astype(np.uint8)


def place_planes(x: NDArray[Any], height: int, width: int, top: int, left: int) -> NDArray[Any]:
    """Return the planes of x [..., h, w] amid zeros: [..., height, width]."""
    out = np.zeros((*x.shape[:-2], height, width), x.dtype)
    out[..., top : top + x.shape[-2], left : left + x.shape[-1]] = x
    return out


def number_pixels(x: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return one number for the bytes of all planes, at most four: [B, size] of [B, planes, size].

    The first plane is the lowest byte.
    """
    numbers = np.zeros((x.shape[0], x.shape[2]), np.uint32)
    for plane in range(x.shape[1]):
        numbers |= x[:, plane].astype(np.uint32) << np.uint32(8 * plane)
    return numbers.view(np.int32)


def fold(columns: Floats, stride: tuple[int, int], height: int, width: int) -> Floats:
    """Return the sum of windows, added up one tap after the other: [B, planes, height, width].

    columns: [B, planes, kh, kw, out_height, out_width].
    """
    x = np.zeros((*columns.shape[:2], height, width), np.float32)
    for h, w in np.ndindex(columns.shape[2:4]):
        for i, j in np.ndindex(columns.shape[4:]):
            x[:, :, h + i * stride[0], w + j * stride[1]] += columns[:, :, h, w, i, j]
    return x


def sum_planes(x: Floats) -> Floats:
    """Return the sum over the samples of each plane's sum: [planes] of x [B, planes, n]."""
    out = np.zeros(x.shape[1], np.float32)
    for sample in x:
        sums = np.zeros_like(out)
        for column in sample.T:
            sums += column
        out += sums
    return out


def sum_columns(x: Floats) -> Floats:
    """Return Σb x[b, i]: [n] of x [B, n], in the order of sgemv with a vector of ones."""
    n = x.shape[1]
    fours = n // 4 * 4
    whole = fours // 4096 * 4096
    # The columns that whole sixteens leave over come first in their block, in two sums.
    in_two = range(whole, whole + (fours - whole) % 16)
    out = [
        _sum_of_eights(column, i in in_two) if i < fours else _sum_left_over(column, n)
        for i, column in enumerate(x.T)
    ]
    return np.array(out, np.float32)


def _sum_of_eights(x: Floats, in_two: bool) -> np.float32:
    """Sum whole eights, then a four, each in one or two sums; then one by one."""
    eights, fours = len(x) // 8 * 8, len(x) // 4 * 4
    total = np.float32(0)
    for begin, end in pairwise([*range(0, eights + 1, 8), *([fours] if fours > eights else [])]):
        part = x[begin:end]
        total += _sum(part[::2]) + _sum(part[1::2]) if in_two else _sum(part)
    for number in x[fours:]:
        total += number
    return total


def _sum_left_over(x: Floats, columns: int) -> np.float32:
    """Sum one of the last columns: by fours where it is the only one, by twos of two or three."""
    at_once = {1: 4, 2: 2, 3: 2}.get(columns, 1)
    fours = len(x) // 4 * 4
    total = np.float32(0)
    for begin in range(0, fours, at_once):
        total += _sum(x[begin : begin + at_once])
    for number in x[fours:]:
        total += number
    return total


def _sum(x: Floats) -> np.float32:
    total = np.float32(0)
    for number in x:
        total += number
    return total
