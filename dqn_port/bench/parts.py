"""What a system offers to measure: parts, each a function from a job to figures.

A system's module ``bench`` holds PARTS. Every part runs the program's own code. Things that are
compared are measured in turns, so that drift of the machine affects both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from dqn_port.bench.figures import Figure, Figures
from dqn_port.bench.profiles import Profile


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to measure, and how long."""

    options: Any
    """The system's."""
    threads: int
    cores: list[int]
    steps: int
    """Agent steps, or calls, of one repeat."""
    repeats: int


@dataclass(frozen=True)
class Measured:
    """The results of a part."""

    figures: Figures
    profile: Callable[[int], Profile] | None = None
    """Where the time of a number of further steps goes."""


@dataclass(frozen=True)
class Part:
    """A part that can be measured."""

    measure: Callable[[Job], Measured]
    steps: int
    """Of a repeat, unless given."""
    what: str


def collected(rows: Iterable[dict[str, float]], about: dict[str, tuple[str, str]]) -> Figures:
    """Return figures of repeats, one dict of values each; ``about``: name → (what, unit)."""
    listed = list(rows)
    return {
        name: Figure(what, unit, tuple(row[name] for row in listed))
        for name, (what, unit) in about.items()
        if name in listed[0]
    }
