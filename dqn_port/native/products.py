"""Matrix products with the sums of OpenBLAS 0.3.20's and 0.3.21's Haswell kernels, bit for bit.

Lua Torch7 and Neon's CPU backend multiply with sgemm; the traces of both were made with those
kernels. Float32 sums in another order are as accurate, but not equal, and within some hundred
updates of the Nature network its weights differ. The order was found by comparing with the kernels:
where k is split into blocks, and which outputs are summed in two chains. native/products.c sums in
this order; native/plain.py has it in plain Python.

Legend: the product is [m, n] = Σk a[m, k] · b[k, n] in sgemm's order, which is by columns: m is the
dimension that is contiguous in memory. Its elements are called lanes here, those of n rows.
"""

from __future__ import annotations

import ctypes
import enum
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

Offsets = NDArray[np.int64]

# Of OpenBLAS's param.h, HASWELL: SGEMM_DEFAULT_P, SGEMM_DEFAULT_Q and the kernel's sizes.
_MOST_LANES: Final = 320
_MOST_TERMS: Final = 320
_EIGHT: Final = 8
_TWELVE: Final = 12
_FOUR: Final = 4

_LEFT, _RIGHT, _REST = 1, 2, 4
"""Sides on which rows stand, as bits."""

# Of native/products.h and native/rows.h.
_GROUP: Final = 6
_INTS_OF_A_GROUP: Final = 12
_AFTER_A_BLOCK: Final = 8
_CHAINS: Final = 3


def _cut(size: int, most: int) -> int:
    """Return the next part of ``size``: at most ``most``, the last two about equally long."""
    if size >= 2 * most:
        return most
    if size > most:
        return -(-(size // 2) // _EIGHT) * _EIGHT
    return size


def ends_of_blocks(terms: int) -> Offsets:
    """Return where each block of terms ends; a block's sum is added to the output at once."""
    ends = [0]
    while ends[-1] < terms:
        ends.append(ends[-1] + _cut(terms - ends[-1], _MOST_TERMS))
    return np.array(ends[1:])


def rows_with_two_chains(lanes: int, rows: int) -> NDArray[np.uint8]:
    """Return for each lane the sides whose rows are summed in two chains: uint8 [lanes].

    Only whole eights of lanes are: the first and the last eight of a part of the lanes, in the half
    of twelve rows that the kernel's pairs of eights leave over; and all eights in the fours of rows
    after the last twelve.
    """
    two = np.zeros(lanes, np.uint8)
    left_over = rows % _TWELVE
    at = 0
    while at < lanes:
        part = _cut(lanes - at, _MOST_LANES)
        end = at + part // _EIGHT * _EIGHT
        eights = part // _EIGHT
        if rows >= _TWELVE and eights > 1:
            two[at : at + _EIGHT] |= _LEFT
            two[end - _EIGHT : end] |= _RIGHT if eights % 2 else _LEFT
        if _FOUR <= left_over < (_TWELVE if at == 0 else _EIGHT):
            two[at:end] |= _REST
        at += part
    return two


def sides_of_rows(rows: int) -> NDArray[np.uint8]:
    """Return on which side each row stands: uint8 [rows].

    Of every twelve the first six or the others; of the rows after the last twelve those in whole
    fours; else none.
    """
    row = np.arange(rows)
    sides = np.where(row % _TWELVE < _TWELVE // 2, _LEFT, _RIGHT)
    sides[rows // _TWELVE * _TWELVE :] = _REST
    sides[rows // _FOUR * _FOUR :] = 0
    return sides.astype(np.uint8)


class _Plan(ctypes.Structure):
    """plan_t of native/products.h."""

    _tables = (
        *("lane_a", "lane_out", "two", "samples", "row_b", "row_out", "sides", "k_a", "k_b"),
        "ends",
        *("groups", "n_groups", "packed", "lists", "counts", "used", "needed"),
    )
    _sizes = (
        *("panels", "rows", "n_k", "blocks", "longest", "most_groups", "by_rows", "by_blocks"),
        "rows_of_a_plane",
    )
    _fields_ = (
        *((name, ctypes.c_void_p) for name in _tables),
        *((name, ctypes.c_ssize_t) for name in _sizes),
    )


class Zeros(enum.Enum):
    """Where products with 0 are searched for, to skip them."""

    LANES = enum.auto()
    """Terms that are 0 for a panel of lanes side by side."""
    ROWS = enum.auto()
    """Terms that are 0 for a group of rows."""
    LANES_AND_BLOCKS = enum.auto()
    """As LANES, and rows that are 0 in a whole block; without ``first`` and ``needed_by``."""


@dataclass(frozen=True)
class Planes:
    """Which planes of its input the rows and lanes of a convolution's gradient belong to."""

    samples: Offsets
    """Of each lane."""
    rows: int
    """Of each plane."""


def as_int32(offsets: NDArray[Any]) -> NDArray[np.int32]:
    """Return offsets as int32 for the kernels.

    Raises:
        RuntimeError: one is too large.
    """
    if offsets.size and offsets.max() > np.iinfo(np.int32).max:
        raise RuntimeError(f"expected offsets below 2^31, got {offsets.max()}; use a smaller batch")
    return offsets.astype(np.int32)


class Products:
    """out[row + lane] = Σk a[lane + k] · b[row + k], each index a table of offsets."""

    def __init__(
        self,
        kernels: ctypes.CDLL,
        *,
        lanes: tuple[Offsets, Offsets],
        rows: tuple[Offsets, Offsets],
        terms: tuple[Offsets, Offsets],
        two_chains: NDArray[np.uint8],
        ends: Offsets,
        sides: NDArray[np.uint8] | None = None,
        zeros: Zeros = Zeros.LANES,
        planes: Planes | None = None,
    ) -> None:
        """Set up the tables.

        ``lanes``: offsets in a and in out; ``rows``: in b and in out; ``terms``: in a and in b.
        ``two_chains``: of each lane, see rows_with_two_chains; ``ends``: see ends_of_blocks;
        ``sides``: of each row; None: sides_of_rows. Where lanes here are rows there, the two change
        places. ``planes``: for ``needed_by`` by planes.
        """
        self._sum = kernels.sum_products
        panel: int = kernels.lanes_of_a_panel()
        of_a, of_out, two, samples = [], [], [], []
        # Lanes that are summed alike share panels, whose last is filled up.
        for kind in np.unique(two_chains):
            alike = np.flatnonzero(two_chains == kind)
            missing = -len(alike) % panel
            of_a += [lanes[0][alike], np.repeat(lanes[0][alike[-1:]], missing)]
            of_out += [lanes[1][alike], np.full(missing, -1)]
            two += [kind] * ((len(alike) + missing) // panel)
            if planes is not None:
                of = np.append(planes.samples[alike], [planes.samples[alike[-1]]] * missing)
                samples.append(of.reshape(-1, panel)[:, [0, -1]])
        n_rows, n_terms, blocks = len(rows[0]), len(terms[0]), len(ends)
        sides = sides_of_rows(n_rows) if sides is None else sides
        # A group has rows of two sides at most.
        groups = n_rows // _GROUP + 1 + len(set(sides.tolist())) // 2
        self._by_blocks = by_blocks = zeros is Zeros.LANES_AND_BLOCKS
        # Lists of terms are made for each group, or for a single row.
        listed = groups if zeros is Zeros.ROWS or n_rows == 1 else 0
        tables: dict[str, NDArray[Any]] = {
            "lane_a": as_int32(np.concatenate(of_a)),
            "lane_out": as_int32(np.concatenate(of_out)),
            "two": np.array(two, np.uint8),
            "samples": as_int32(np.concatenate([*samples, np.empty((0, 2))])),
            "row_b": as_int32(rows[0]),
            "row_out": as_int32(rows[1]),
            "sides": np.ascontiguousarray(sides, np.uint8),
            "k_a": as_int32(terms[0]),
            "k_b": as_int32(terms[1]),
            "ends": as_int32(ends),
            "groups": np.empty((blocks if by_blocks else 1, groups, _INTS_OF_A_GROUP), np.int32),
            "n_groups": np.empty(blocks, np.int32),
            "packed": np.empty(groups * _GROUP * n_terms + _AFTER_A_BLOCK * blocks, np.float32),
            "lists": np.empty((listed, _CHAINS, n_terms), np.int32),
            "counts": np.empty((listed, blocks, _CHAINS), np.int32),
            "used": np.empty(max(n_terms, n_rows), np.uint8),
            "needed": np.empty((len(two), groups), np.uint8),
        }
        self._tables = tables
        longest = int(np.diff(ends, prepend=0).max())
        self._plan = _Plan(
            *(tables[name].ctypes.data for name in _Plan._tables),
            *(len(two), n_rows, n_terms, blocks, longest, groups),
            *(zeros is Zeros.ROWS, by_blocks),
            1 if planes is None else planes.rows,
        )
        if planes is None:
            self._plan.samples = None
        self.address = ctypes.addressof(self._plan)
        """Address of the plan, valid as long as this object lives."""

    def into(
        self,
        out: torch.Tensor,
        a: torch.Tensor,
        b: torch.Tensor,
        *,
        first: torch.Tensor | None = None,
        last: torch.Tensor | None = None,
        needed_by: torch.Tensor | None = None,
        rectify: bool = False,
    ) -> None:
        """Set ``out``; the sums begin with ``first`` [rows], and ``last`` [lanes] is added.

        ``a``: float32, or uint8 that stands for a / 255.
        ``needed_by``: what ``out`` is multiplied with afterwards: where that is 0, ``out`` may stay
        unset; with ``planes``, uint8 [samples, planes]: which planes are needed.
        ``rectify``: set negative results to 0.
        """
        tensors = first, last, needed_by
        assert not self._by_blocks or (first is None and needed_by is None)
        self._sum(
            self.address, a.data_ptr(), a.dtype is torch.uint8, b.data_ptr(),
            *(None if tensor is None else tensor.data_ptr() for tensor in tensors),
            out.data_ptr(), rectify,
        )  # fmt: skip


def products_of_linear_weight(
    library: ctypes.CDLL, samples: int, inputs: int, outputs: int
) -> Products:
    """Return the products that make the gradient of a linear layer's weights.

    They take x, [samples, inputs], and the gradient of y, [samples, outputs].
    """
    sample, i, output = np.arange(samples), np.arange(inputs), np.arange(outputs)
    return Products(
        library,
        lanes=(i, i),
        rows=(output, output * inputs),
        terms=(sample * inputs, sample * outputs),
        two_chains=rows_with_two_chains(inputs, outputs),
        ends=ends_of_blocks(samples),
        zeros=Zeros.LANES_AND_BLOCKS,
    )
