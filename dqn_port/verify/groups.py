"""Replay every group of a folder of traces, one after the other.

A group's kind is told from what is in it. A new kind is a new module with a ``replay`` and a row
of KINDS.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from dqn_port.errors import DqnPortError, TraceError
from dqn_port.verify.comparing import Comparer, Difference, listed
from dqn_port.verify.replaying import Replaying
from dqn_port.verify.traces import SHIPPED, Group, Trace, find_groups, load


@dataclass(frozen=True)
class Kind:
    """A kind of trace: how it is told, and what replays it."""

    name: str
    replay: str
    """module:function of this package."""
    tells: Callable[[Trace], bool]
    needs_meta: bool = True
    """Whether the replay reads the .json."""


def _keys(trace: Trace) -> set[str]:
    return set(trace.meta) if isinstance(trace.meta, dict) else set()


def _rows_with(trace: Trace, *keys: str) -> bool:
    rows = trace.meta if isinstance(trace.meta, list) else []
    return bool(rows) and all(isinstance(row, dict) and set(keys) <= set(row) for row in rows)


def _any_array(trace: Trace, pattern: str) -> bool:
    return any(re.fullmatch(pattern, name) for name in trace.arrays)


_HERE: Final = "dqn_port.verify"
_DRAWS: Final = r"s\d+_(random|uniform|normal|bernoulli|interleaved|float|double).*"

KINDS: Final = (
    Kind("loop", "loops:replay", lambda t: "p_ret" in t.arrays or "argv" in _keys(t)),
    Kind("ale", "ale:replay",
         lambda t: {"kind", "sha256"} <= set(t.arrays) or {"game", "actions"} <= _keys(t)),
    Kind("resets", "resets:replay", lambda t: "ram" in t.arrays or "per_game" in _keys(t)),
    Kind("updates", "updates:replay", lambda t: _any_array(t, r".+_targets"), needs_meta=False),
    Kind("transitions", "transitions:replay",
         lambda t: "configs" in _keys(t) or _any_array(t, r".+_at\d+_b\d+_s2?")),
    Kind("init", "init:replay", lambda t: "nets" in _keys(t) or _any_array(t, r".+_forward2")),
    Kind("reward", "reward:replay",
         lambda t: "combos" in _keys(t) or _any_array(t, r"c\d+_rmax")),
    Kind("preproc", "preproc:replay",
         lambda t: _any_array(t, r".+_rgb|scale_\d+x\d+x\d+_to_.*"), needs_meta=False),
    Kind("rng", "rng:replay", lambda t: _any_array(t, _DRAWS), needs_meta=False),
    Kind("words", "command_line:replay_words", lambda t: _rows_with(t, "argv", "exit")),
    Kind("tables", "command_line:replay_tables", lambda t: _rows_with(t, "input", "ok")),
)  # fmt: skip
"""In this order: the first that tells a trace replays it."""


@dataclass(frozen=True, kw_only=True)
class GroupResult:
    """What the comparison of a group came to."""

    group: str
    kind: str
    """A name of KINDS; empty where it could not be told."""
    what: str
    n_values: int
    n_differ: int
    largest: float
    largest_in: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    """What was not compared, and why; what is not in the trace."""
    error: str
    """One line where the group could not be replayed to its end."""
    seconds: float

    @property
    def same(self) -> bool:
        """Whether everything was compared that could be, and nothing differs."""
        return not self.error and not self.n_differ


@dataclass(frozen=True)
class Progress:
    """How far the replay of a group is."""

    group: str
    done: int
    total: int
    """0 where it is not known."""


def kind_of(trace: Trace) -> Kind:
    """Return the kind of a trace.

    Raises:
        TraceError: it is of none, or its .json is missing.
    """
    for kind in KINDS:
        if kind.tells(trace):
            if kind.needs_meta and trace.meta is None:
                raise TraceError(
                    f"{trace.name}.json: expected it beside {trace.name}.npz, got none"
                )
            return kind
    names = listed(trace.arrays or _keys(trace), 4)
    raise TraceError(
        f"unknown kind of trace: expected one of {', '.join(k.name for k in KINDS)}, "
        f"got {names or 'nothing that tells it'}"
    )


def verify(
    folder: Path = SHIPPED,
    *,
    only: tuple[str, ...] = (),
    device: torch.device = torch.device("cpu"),  # noqa: B008
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Iterator[GroupResult]:
    """Yield what every group of ``folder`` comes to; ``tell`` is called while one is replayed.

    The networks are computed on ``device``; whatever has none is computed on the CPU.

    Raises:
        TraceError: see find_groups.
    """
    for group in find_groups(folder, only):
        yield _verify_group(group, device, tell)


def _verify_group(
    group: Group, device: torch.device, tell: Callable[[Progress], None]
) -> GroupResult:
    started = time.perf_counter()
    compare: Comparer | None = None
    kind, error = "", ""
    # One thread: sums are then in one order, and were the original's.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        trace = load(group)
        compare = Comparer(trace)
        found = kind_of(trace)
        kind = found.name
        module, _, function = found.replay.partition(":")
        replay: Any = getattr(importlib.import_module(f"{_HERE}.{module}"), function)
        told = Replaying(device, lambda done, total: tell(Progress(group.name, done, total)))
        tell(Progress(group.name, 0, 0))
        replay(trace, compare, told)
    except DqnPortError as fault:
        error = str(fault)
    except Exception as fault:
        # What a stranger's file holds may make any part raise; the other groups go on.
        error = f"the trace cannot be replayed: {type(fault).__name__}: {fault}"
    finally:
        torch.set_num_threads(threads)
    compare = compare or Comparer(Trace(group.name, {}, None))
    notes = list(compare.notes)
    if not error and (unknown := compare.unknown()):
        notes.append(f"not compared, being unknown: {listed(unknown)}")
    if compare.missing:
        notes.append(f"not in the trace: {listed(compare.missing)}")
    if not error and not compare.n_values:
        error = "expected something to compare, got nothing"
    return GroupResult(
        group=group.name,
        kind=kind,
        what=compare.what,
        n_values=compare.n_values,
        n_differ=compare.n_differ,
        largest=compare.largest,
        largest_in=compare.largest_in,
        differences=tuple(compare.differences),
        notes=tuple(notes),
        error=" ".join(error.split()),
        seconds=time.perf_counter() - started,
    )
