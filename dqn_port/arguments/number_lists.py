"""Lists of whole numbers as they are typed: ``1,2,3``, ``1-3`` or ``1-3,7``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_MOST: Final = 10_000
"""Numbers that one range may expand to."""
_RANGE: Final = re.compile(r"\s*(\d+)\s*-\s*(\d+)\s*")


def read_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a list; a blank text gives none.

    Raises:
        ValueError: a part is neither a whole number nor a range that goes up.
    """
    numbers: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            numbers += [int(part)] if part.strip() else []
            continue
        first, last = int(match[1]), int(match[2])
        if not first < last < first + _MOST:
            raise ValueError(f"{part.strip()} is not a range")
        numbers += range(first, last + 1)
    return tuple(numbers)


def are_seeds(numbers: Sequence[int]) -> bool:
    """Return whether numbers can be the seeds of an evaluation: some, different, below 2^32."""
    return 0 < len(numbers) == len({*numbers}) and all(0 <= n < 2**32 for n in numbers)
