"""Kinds of traces: how one is recognised by its content, and what replays it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch

from dqn_port.verify.comparing import Comparer
from dqn_port.verify.traces import Trace


@dataclass(frozen=True)
class Replaying:
    """Where networks are computed, and how progress is reported."""

    device: torch.device
    tell: Callable[[int, int], None]
    """Called with how much is done of how much."""


Replay = Callable[[Trace, Comparer, Replaying], None]


@dataclass(frozen=True)
class Kind:
    """A kind of trace; a system's traces.py holds KINDS, of which the first that fits is taken."""

    name: str
    replay: Replay
    tells: Callable[[Trace], bool]
    needs_meta: bool = True
    """Whether the replay reads the .json."""


def keys_of(trace: Trace) -> set[str]:
    """Return the keys of a trace's .json, where that is an object."""
    return set(trace.meta) if isinstance(trace.meta, dict) else set()


def any_array(trace: Trace, pattern: str) -> bool:
    """Return whether the whole name of an array matches."""
    return any(re.fullmatch(pattern, name) for name in trace.arrays)


def rows_with(trace: Trace, *keys: str) -> bool:
    """Return whether the .json is a list of objects that have these keys."""
    rows = trace.meta if isinstance(trace.meta, list) else []
    return bool(rows) and all(isinstance(row, dict) and set(keys) <= set(row) for row in rows)
