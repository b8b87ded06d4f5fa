"""Lines of many rows, drawn with few points."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST_POINTS: Final = 2_000
"""Of a line: more than a page has pixels."""


def thinned(
    x: NDArray[Any], y: NDArray[np.float64], *, most: int = MOST_POINTS
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the points of a line, ``most`` at most; rows without a number are left out.

    Of each of ``most`` / 2 bins of rows the smallest and the largest number stay, so that no peak
    is lost.
    """
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    if len(y) <= most:
        return x, y
    kept: list[int] = []
    for rows in np.array_split(np.arange(len(y)), most // 2):
        kept += sorted({rows[y[rows].argmin()], rows[y[rows].argmax()]})
    return x[kept], y[kept]
