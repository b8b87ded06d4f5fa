"""Replay every group of a folder of traces, one after another.

A group's kind is recognised by its content, by the KINDS of its system's traces.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dqn_port.errors import DqnPortError, RegistryError, TraceError
from dqn_port.registry import DEFAULT, part_of
from dqn_port.verify.comparing import Comparer, Difference, listed
from dqn_port.verify.kinds import Kind, Replaying, keys_of
from dqn_port.verify.traces import SHIPPED, Group, Trace, find_groups, load


@dataclass(frozen=True, kw_only=True)
class GroupResult:
    """What the comparison of a group came to."""

    group: str
    kind: str
    """The name of a Kind; empty if it was not recognised."""
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


def kinds_of(system: str) -> Sequence[Kind]:
    """Return the kinds of traces that a system replays.

    Raises:
        RegistryError: there is no such system, or it replays none.
    """
    traces = part_of(system, "traces")
    if traces is None:
        raise RegistryError(f"system {system}: expected one that replays traces, got one without")
    kinds: Sequence[Kind] = traces.KINDS
    return kinds


def kind_of(trace: Trace, kinds: Sequence[Kind]) -> Kind:
    """Return the kind of a trace, of those that its system knows.

    Raises:
        TraceError: it is of none, or its .json is missing.
    """
    for kind in kinds:
        if kind.tells(trace):
            if kind.needs_meta and trace.meta is None:
                raise TraceError(
                    f"{trace.name}.json: expected it beside {trace.name}.npz, got none"
                )
            return kind
    names = listed(trace.arrays or keys_of(trace), 4)
    raise TraceError(
        f"unknown kind of trace: expected one of {', '.join(k.name for k in kinds)}, "
        f"got {names or 'nothing that tells it'}"
    )


def verify(
    folder: Path = SHIPPED,
    *,
    system: str = DEFAULT,
    only: tuple[str, ...] = (),
    device: torch.device = torch.device("cpu"),  # noqa: B008
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Iterator[GroupResult]:
    """Yield what every group of ``folder`` comes to; ``tell`` is called while one is replayed.

    The networks are computed on ``device``; whatever has none is computed on the CPU.

    Raises:
        TraceError: see find_groups.
        RegistryError: there is no such system, or it replays nothing.
    """
    kinds = kinds_of(system)
    for group in find_groups(folder, only):
        yield _verify_group(group, kinds, device, tell)


def _verify_group(
    group: Group, kinds: Sequence[Kind], device: torch.device, tell: Callable[[Progress], None]
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
        found = kind_of(trace, kinds)
        kind = found.name
        told = Replaying(device, lambda done, total: tell(Progress(group.name, done, total)))
        tell(Progress(group.name, 0, 0))
        found.replay(trace, compare, told)
    except DqnPortError as fault:
        error = str(fault)
    except Exception as fault:
        # A stranger's file may make any part raise; the other groups are still replayed.
        error = f"the trace cannot be replayed: {type(fault).__name__}: {fault}"
    finally:
        torch.set_num_threads(threads)
    compare = compare or Comparer(Trace(group.name, {}, None))
    notes = list(compare.notes)
    if not error and (unknown := compare.unknown()):
        notes.append(f"not compared, since unknown: {listed(unknown)}")
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
