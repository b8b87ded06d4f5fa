"""The traces' stream of bytes."""

from __future__ import annotations

from collections.abc import Iterator


def halves(h: int) -> Iterator[int]:
    """Yield numbers of 0 to 65535, without end."""
    while True:
        h = (h * 25173 + 13849) % 65536
        yield h


def stream(h: int) -> Iterator[int]:
    """Yield bytes, the upper ones of ``halves``."""
    return (half >> 8 for half in halves(h))
