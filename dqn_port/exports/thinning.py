"""Thin lines of many rows to few points."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST_POINTS: Final = 2_000
"""Points of a line: more than a page has pixels."""


def thinned(
    x: NDArray[Any], y: NDArray[np.float64], *, most: int = MOST_POINTS
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return at most ``most`` points of a line; rows without a number are left out.

    The rows are divided into ``most`` / 2 bins. The smallest and the largest number of each are
    kept, so that no peak is lost.
    """
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    if len(y) <= most:
        return x, y
    kept: list[int] = []
    for rows in np.array_split(np.arange(len(y)), most // 2):
        kept += sorted({rows[y[rows].argmin()], rows[y[rows].argmax()]})
    return x[kept], y[kept]
