"""Matrix products with the sums of OpenBLAS 0.3.21's Haswell kernels, bit for bit.

Lua Torch7 multiplies with sgemm; the traces of the original were made with those kernels. Float32
sums in another order are as right, but other numbers, and the Nature network makes other weights
of them within some hundred updates. What the kernels do was found out by comparing with them:
where k is cut into blocks, and which outputs are summed in two chains. native/products.c sums so.

Legend: the product is [m, n] = Σk a[m, k] · b[k, n] in sgemm's order, which is by columns: m is the
dimension whose neighbours lie side by side in memory. Here its elements are called lanes, those of
n rows.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

Offsets = NDArray[np.int64]

# Of OpenBLAS's param.h, HASWELL: SGEMM_DEFAULT_P, SGEMM_DEFAULT_Q and the kernel's sizes.
_MOST_LANES: Final = 320
_MOST_TERMS: Final = 320
_EIGHT: Final = 8
_GROUP: Final = 12
_FOUR: Final = 4

_LEFT, _RIGHT, _REST = 1, 2, 4
"""Rows with two chains, as products.c names them."""


def _cut(size: int, most: int) -> int:
    """Return how much of ``size`` is taken next: at most ``most``, the last two parts alike."""
    if size >= 2 * most:
        return most
    if size > most:
        return -(-(size // 2) // _EIGHT) * _EIGHT
    return size


def ends_of_blocks(terms: int) -> Offsets:
    """Return where each block of terms ends whose sum is added to the output by itself."""
    ends = [0]
    while ends[-1] < terms:
        ends.append(ends[-1] + _cut(terms - ends[-1], _MOST_TERMS))
    return np.array(ends[1:])


def rows_with_two_chains(lanes: int, rows: int) -> NDArray[np.uint8]:
    """Return for each lane which rows are summed in two chains: uint8 [lanes].

    Only whole eights of lanes are: the first and the last of a part of the lanes, in the half of
    twelve rows that the kernel's pairs of eights leave over; and all of them in the fours of rows
    after the last twelve.
    """
    two = np.zeros(lanes, np.uint8)
    left_over = rows % _GROUP
    at = 0
    while at < lanes:
        part = _cut(lanes - at, _MOST_LANES)
        end = at + part // _EIGHT * _EIGHT
        eights = part // _EIGHT
        if rows >= _GROUP and eights > 1:
            two[at : at + _EIGHT] |= _LEFT
            two[end - _EIGHT : end] |= _RIGHT if eights % 2 else _LEFT
        if _FOUR <= left_over < (_GROUP if at == 0 else _EIGHT):
            two[at:end] |= _REST
        at += part
    return two


class _Plan(ctypes.Structure):
    """plan_t of native/products.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("lane_a", "lane_out", "two", "row_b", "row_out")),
        *((name, ctypes.c_void_p) for name in ("k_a", "k_b", "ends", "packed")),
        *((name, ctypes.c_void_p) for name in ("lists", "counts", "used")),
        *((name, ctypes.c_ssize_t) for name in ("panels", "rows", "n_k", "blocks", "longest")),
        ("zeros", ctypes.c_ssize_t),
    )


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
        zeros: int = 0,
    ) -> None:
        """Lay out the work.

        ``lanes``: offsets in a and in out; ``rows``: in b and in out; ``terms``: in a and in b.
        ``two_chains``: see rows_with_two_chains; ``ends``: see ends_of_blocks.
        """
        self._sum = kernels.sum_products
        panel: int = kernels.lanes_of_a_panel()
        of_a, of_out, two = [], [], []
        # Lanes that are summed alike share panels, whose last is filled up.
        for kind in np.unique(two_chains):
            alike = np.flatnonzero(two_chains == kind)
            missing = -len(alike) % panel
            of_a += [lanes[0][alike], np.repeat(lanes[0][alike[-1:]], missing)]
            of_out += [lanes[1][alike], np.full(missing, -1)]
            two += [kind] * ((len(alike) + missing) // panel)
        n_rows, n_terms = len(rows[0]), len(terms[0])
        groups = -(-n_rows // _GROUP)
        self._tables: list[NDArray[Any]] = [
            np.concatenate(of_a).astype(np.int32),
            np.concatenate(of_out).astype(np.int32),
            np.array(two, np.uint8),
            *(table.astype(np.int32) for table in (*rows, *terms, ends)),
            np.zeros(groups * _GROUP * n_terms, np.float32),
            np.empty(groups * 3 * n_terms, np.int32),
            np.empty(groups * 3 * len(ends), np.int32),
            np.empty(n_terms, np.uint8),
        ]
        longest = int(np.diff(ends, prepend=0).max())
        self._plan = _Plan(
            *(table.ctypes.data for table in self._tables),
            *(len(two), n_rows, n_terms, len(ends), longest, zeros),
        )
        self._at = ctypes.addressof(self._plan)

    def into(
        self,
        out: torch.Tensor,
        a: torch.Tensor,
        b: torch.Tensor,
        *,
        first: torch.Tensor | None = None,
        last: torch.Tensor | None = None,
        rectify: bool = False,
    ) -> None:
        """Set ``out``; the sums begin with ``first`` [rows], and ``last`` [lanes] is added.

        ``rectify``: and what is below 0 becomes 0.
        """
        self._sum(
            self._at,
            a.data_ptr(),
            b.data_ptr(),
            None if first is None else first.data_ptr(),
            None if last is None else last.data_ptr(),
            out.data_ptr(),
            rectify,
        )
