"""Sums and minima of priorities, kept in two binary trees. labml: replay_buffer.py."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dqn_port.interfaces import Array


class Trees:
    """A leaf a slot of the ring; every node above holds the sum, or the minimum, of its two.

    Node 1 is the root, nodes 2i and 2i + 1 stand below node i, slot s is leaf n + s; 0 is unused.
    A node is always made anew from its two, never by a difference, so nothing drifts.

    Quirk: if n is no power of two, leaves stand on two levels and the slots' order in the tree
    begins in their middle; draws are still proportional (golden replay, cap6).
    """

    def __init__(self, n: int, dtype: type[np.float64] | type[np.float32] = np.float64) -> None:
        self.n = n
        self._levels = (2 * n - 1).bit_length() - 1
        """Above the lowest leaf."""
        self.sum: Array = np.zeros(2 * n, dtype=dtype)
        self.min: Array = np.full(2 * n, np.inf, dtype=dtype)

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

        That leaves what one after the other does: a node depends on the leaves below it alone.
        """
        nodes = slots + self.n
        for node, leaf in zip(nodes.tolist(), leaves, strict=True):
            self.sum[node] = self.min[node] = leaf
        for _ in range(self._levels):
            # Where leaves stand on two levels, the root is made again once all below it is.
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
        nodes = np.ones(len(prefix_sums), dtype=np.int64)
        left_over = prefix_sums.copy()
        while (inner := nodes < self.n).any():
            left = np.where(inner, 2 * nodes, 0)
            sums = self.sum[left]
            goes_right = inner & ~(sums > left_over)
            left_over = np.where(goes_right, left_over - sums, left_over)
            nodes = np.where(inner, left + goes_right, nodes)
        return nodes - self.n
