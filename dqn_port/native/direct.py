"""Products whose lanes lie side by side in memory, with the numbers of products.py.

Nothing is copied before it is multiplied. For that the samples of a minibatch, or the filters of a
layer, come last in memory: they are the lanes.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.native.products import Offsets, as_int32


class Rows:
    """Rows of lanes, and which of them are not 0 everywhere."""

    def __init__(self, *shape: int) -> None:
        self.values = torch.zeros(shape)
        """float32 [..., lanes]"""
        self.alive = torch.zeros(shape[:-1], dtype=torch.uint8)
        """uint8 [...]: whether any lane is not 0."""


class Lanes:
    """Numbers 0..n-1 in whole vectors, those that are summed alike together."""

    def __init__(self, kernels: ctypes.CDLL, *two_chains: NDArray[np.uint8]) -> None:
        """``two_chains``: uint8 [n], one for each of the products that they are lanes of."""
        self._kernels = kernels
        self._vector: int = kernels.lanes_of_a_panel() // 2
        _, kinds = np.unique(np.stack(two_chains), axis=1, return_inverse=True)
        at: list[Any] = []
        for kind in range(kinds.max() + 1):
            alike = np.flatnonzero(kinds == kind)
            at += [alike, np.full(-len(alike) % self._vector, -1)]
        self.at: Offsets = np.concatenate(at)
        """Which number is at each lane, -1: none; [lanes]."""
        self.lanes: Offsets = np.argsort(np.where(self.at < 0, len(self.at), self.at))[: kinds.size]
        """At which lane each number is: [n]."""
        self._index = torch.from_numpy(self.lanes)

    def __len__(self) -> int:
        return len(self.at)

    def of_vectors(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the values, [n], of the first number in each vector."""
        return values[self.at[:: self._vector]]

    def in_order(self, rows: torch.Tensor) -> torch.Tensor:
        """Return rows, [n, lanes], with the numbers in their order."""
        return rows.index_select(1, self._index)

    def turn(self, x: torch.Tensor, out: Rows, *, each: int, step: int) -> None:
        """Set out[plane, i, lane] = x[plane · step + number · each + i], and 0 at empty lanes.

        x: float32, or uint8 that stands for x / 255; out: [planes, n, lanes].
        """
        planes, n, lanes = out.values.shape
        at = as_int32(np.where(self.at < 0, -1, self.at * each))
        self._kernels.turn_lanes(
            x.data_ptr(), x.dtype is torch.uint8, at.ctypes.data, lanes, planes, step, n,
            out.values.data_ptr(), out.alive.data_ptr(),
        )  # fmt: skip

    def rectify_gradient(self, y: Rows, of_y: torch.Tensor, out: Rows) -> None:
        """Set out to of_y where the rectifier's output y is positive, else to 0."""
        self._kernels.rectify_rows(
            y.values.data_ptr(), of_y.data_ptr(), y.alive.numel(), len(self),
            out.values.data_ptr(), out.alive.data_ptr(),
        )  # fmt: skip


class _Plan(ctypes.Structure):
    """direct_t of native/direct.c."""

    _tables = (
        *("panel_a", "panel_b", "panel_out", "panel_alive"),
        *("row_b", "row_out", "row_alive", "sides", "k_a", "k_b", "ends", "two"),
    )
    _sizes = ("panels", "rows", "blocks", "vectors", "apart")
    _fields_ = (
        *((name, ctypes.c_void_p) for name in _tables),
        *((name, ctypes.c_ssize_t) for name in _sizes),
    )


class DirectProducts:
    """out[panel + row, lane] = Σk a[panel + k, lane] · b[panel + row + k], by tables of offsets."""

    def __init__(
        self,
        kernels: ctypes.CDLL,
        *,
        panels: tuple[Offsets, Offsets, Offsets],
        rows: tuple[Offsets, Offsets],
        terms: tuple[Offsets, Offsets],
        alive: tuple[Offsets, Offsets],
        lanes: Lanes,
        two_chains: NDArray[np.uint8],
        ends: Offsets,
        sides: NDArray[np.uint8],
        apart: bool,
    ) -> None:
        """Set up the tables; offsets in a and out count rows of lanes.

        ``panels``: offsets in a, b and out; ``rows``: in b and out; ``terms``: in a and b.
        ``alive``: of panels and of rows, in what tells which rows are needed.
        ``two_chains``: of each number of lanes; ``ends``, ``sides``: see products.py.
        ``apart``: every panel has an out of its own, else all are added to one.
        """
        self._sum = kernels.sum_direct
        as_int32(terms[0] * len(lanes))
        by_side = np.argsort(sides, kind="stable")
        two = lanes.of_vectors(two_chains)
        tables: tuple[NDArray[Any], ...] = (
            *map(as_int32, (*panels, alive[0])),
            *(as_int32(of[by_side]) for of in (*rows, alive[1])),
            np.ascontiguousarray(sides[by_side], np.uint8),
            *map(as_int32, (*terms, ends)),
            np.ascontiguousarray(two, np.uint8),
        )
        self._tables = tables
        self._plan = _Plan(
            *(table.ctypes.data for table in tables),
            *(len(panels[0]), len(sides), len(ends), len(two), apart),
        )
        self._at = ctypes.addressof(self._plan)

    def add(
        self, out: torch.Tensor, a: Rows, b: torch.Tensor, alive: torch.Tensor | None = None
    ) -> None:
        """Set ``out``, or add to it where the panels are not apart.

        ``alive``: uint8, 0 where a row of a panel stays as it is.
        """
        self._sum(
            self._at, a.values.data_ptr(), a.alive.data_ptr(), b.data_ptr(),
            None if alive is None else alive.data_ptr(), out.data_ptr(),
        )  # fmt: skip
