"""Smooth a curve as the homework's plots do."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_WINDOW: Final = 100
"""Values; also the Gaussian's σ, which makes it nearly a box."""


def kernel() -> NDArray[np.float64]:
    """Return the weights of the window: float64 [100], their sum 1."""
    distance = np.arange(_WINDOW) - (_WINDOW - 1) / 2
    weights = np.exp(-0.5 * (distance / _WINDOW) ** 2)
    return np.asarray(weights / weights.sum())


def smoothen(values: ArrayLike) -> NDArray[np.float64]:
    """Return the values, each the weighted mean of a hundred: float64 [n − 99].

    Practical_RL: utils.py, smoothen

    Quirk: with fewer than 100 values it smooths the window by the values, which gives 101 − n
    points in an arch (test_traces.py, smoothen).

    Raises:
        ValueError: there are no values.
    """
    return np.convolve(np.asarray(values, dtype=np.float64), kernel(), mode="valid")


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return as many values, each the weighted mean of the hundred about it: float64 [n].

    Where a hundred values exist they are smoothen's; at the ends, and with fewer than a hundred
    values, the mean is taken over the values that exist.
    """
    weights, before = kernel(), (_WINDOW - 1) // 2
    here = slice(before, before + len(values))
    sums = np.convolve(values, weights)[here]
    return np.asarray(sums / np.convolve(np.ones(len(values)), weights)[here])
