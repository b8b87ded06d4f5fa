"""Sums and minima of priorities, kept in two binary trees. labml: replay_buffer.py."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.interfaces import Array
from dqn_port.native.library import kernels

_IN_C: Final = {"float64": "double", "float32": "float"}


def raised(x: Array, exponent: float) -> Array:
    """Return x^exponent, each by itself: on arrays NumPy's powers may end in another bit.

    x: float64 or float32 [n]. A kernel in C makes them where there is one: the same bits.
    """
    library = kernels()
    if library is None:
        with np.errstate(all="ignore"):
            return np.array([one**exponent for one in x], dtype=x.dtype)
    out = np.empty_like(x)
    of_type = getattr(library, f"raise_{_IN_C[x.dtype.name]}")
    of_type(x.ctypes.data, len(x), exponent, out.ctypes.data)
    return out


class Trees:
    """One leaf for each slot of the ring; every node above holds the sum, or the minimum, of its
    two.

    Node 1 is the root, nodes 2i and 2i + 1 are below node i, slot s is leaf n + s; 0 is unused. A
    node is always recomputed from its two, never by a difference, so nothing drifts.

    Quirk: if n is not a power of two, leaves are on two levels and the slots' order in the tree
    starts in the middle; draws are still proportional (golden replay, cap6).

    Many leaves are set, and many sums found, by a kernel in C where there is one, else by NumPy:
    the same numbers, which are those of one at a time.
    """

    def __init__(self, n: int, dtype: type[np.float64] | type[np.float32] = np.float64) -> None:
        self.n = n
        self._levels = (2 * n - 1).bit_length() - 1
        """Above the lowest leaf."""
        self.sum: Array = np.zeros(2 * n, dtype=dtype)
        self.min: Array = np.full(2 * n, np.inf, dtype=dtype)
        library, kind = kernels(), _IN_C[np.dtype(dtype).name]
        self._set_leaves = getattr(library, f"set_leaves_{kind}", None)
        self._find_slots = getattr(library, f"find_slots_{kind}", None)
        self._trees = self.sum.ctypes.data, self.min.ctypes.data, n

    @property
    def root(self) -> np.floating:
        """The sum of all leaves."""
        return self.sum[1]

    def set_one(self, slot: int, leaf: np.floating) -> None:
        """Set a leaf and all above it."""
        node = slot + self.n
        self.sum[node] = self.min[node] = leaf
        while node := node >> 1:
            self.sum[node] = self.sum[2 * node] + self.sum[2 * node + 1]
            self.min[node] = min(self.min[2 * node], self.min[2 * node + 1])

    def set(self, slots: NDArray[np.int64], leaves: Array) -> None:
        """Set leaves in order, so that of two of one slot the last stays, and all above them.

        The result is the same as one after another: a node depends only on the leaves below it.
        """
        if len(slots) != len(leaves) or (len(slots) and slots.view(np.uint64).max() >= self.n):
            raise IndexError(f"expected a slot below {self.n} for each of {len(leaves)} leaves")
        if self._set_leaves is not None:
            # A copy each: the kernel's room for nodes, and leaves of the trees' type.
            nodes, leaves = slots.copy(), leaves.astype(self.sum.dtype)
            self._set_leaves(
                *self._trees, self._levels, nodes.ctypes.data, leaves.ctypes.data, len(nodes)
            )
            return
        nodes = slots + self.n
        for node, leaf in zip(nodes.tolist(), leaves, strict=True):
            self.sum[node] = self.min[node] = leaf
        for _ in range(self._levels):
            # If leaves are on two levels, the root is recomputed once everything below it is done.
            nodes = np.maximum(nodes >> 1, 1)
            left, right = 2 * nodes, 2 * nodes + 1
            self.sum[nodes] = self.sum[left] + self.sum[right]
            # As Python's min: what comes first stays unless the second is smaller, so of NaN, too.
            first, second = self.min[left], self.min[right]
            self.min[nodes] = np.where(second < first, second, first)

    def find(self, prefix_sums: Array) -> NDArray[np.int64]:
        """Return the slots in which running sums of the leaves go beyond ``prefix_sums``.

        Quirk: the sum of all leaves, or NaN, gives the last slot, filled or not
        (golden replay, odd).
        """
        if self._find_slots is not None and prefix_sums.dtype == self.sum.dtype:
            slots, left_over = np.empty(len(prefix_sums), dtype=np.int64), prefix_sums.copy()
            self._find_slots(
                self._trees[0], self.n, left_over.ctypes.data, len(slots), slots.ctypes.data
            )
            return slots
        nodes = np.ones(len(prefix_sums), dtype=np.int64)
        left_over = prefix_sums.copy()
        while (inner := nodes < self.n).any():
            left = np.where(inner, 2 * nodes, 0)
            sums = self.sum[left]
            goes_right = inner & ~(sums > left_over)
            left_over = np.where(goes_right, left_over - sums, left_over)
            nodes = np.where(inner, left + goes_right, nodes)
        return nodes - self.n
