"""Faults in a file at a byte offset, before the path in the object is known."""

from __future__ import annotations


class Fault(Exception):  # noqa: N818
    """A byte offset, what was expected there and what was found; never leaves the package."""

    def __init__(self, offset: int, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.offset = offset


def held(count: int) -> str:
    """Return how much of the file is left, for an error."""
    if count == 0:
        return "the end of the file"
    return f"only {count} more byte{'s' if count > 1 else ''}"


def shown(text: str | bytes, limit: int = 40) -> str:
    """Return a text of the file as one short line of printable ASCII, in quotes."""
    if isinstance(text, bytes):
        text = text[: limit + 1].decode("latin-1")
    return ascii(text if len(text) <= limit else text[:limit] + "...")
