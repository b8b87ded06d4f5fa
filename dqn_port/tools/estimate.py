"""Estimate a run's hours, memory and disk from some of its steps and updates, measured here."""

from __future__ import annotations

import copy
import math
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dqn_port.events import Event, Row, Started, Ticked
from dqn_port.interfaces import Facts, Options, System
from dqn_port.memory import resident_bytes
from dqn_port.runs.run import Run
from dqn_port.runs.run_files import RunFiles, csv_of

SECONDS: Final = 60.0
"""At most, of what is measured."""
PER: Final = 1_000_000
"""Steps for which a run without end is estimated."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Something that a run does repeatedly: play, learn, evaluate."""

    name: str
    times: int
    """How often in the whole run, or in PER steps of one without end."""
    seconds: float | None
    """Seconds of one; None: it did not occur while measuring."""

    @property
    def hours(self) -> float:
        """Return the hours in the whole run; 0 if not known."""
        return self.times * (self.seconds or 0.0) / 3600


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run takes."""

    facts: Facts
    phases: tuple[Phase, ...]
    memory: int
    """Bytes of the process, once its memories are full."""
    networks: int
    """Bytes on the disk, as in all that follows."""
    checkpoint: int
    """At most; twice as much while one is replaced."""
    tables: int
    """At most."""

    @property
    def hours(self) -> float:
        """Return the hours of all phases that occurred."""
        return sum(phase.hours for phase in self.phases)

    @property
    def disk(self) -> int:
        """Return the bytes that remain after the run: networks and tables."""
        return self.networks + self.tables

    @property
    def whole(self) -> bool:
        """Whether every phase was measured."""
        return all(phase.seconds is not None for phase in self.phases)


@dataclass
class _Counted:
    """What was measured: ticks and seconds by phase, and bytes of rows."""

    ticks: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    """Seconds of the first tick, which includes much set-up."""
    rows: dict[str, int] = field(default_factory=dict)

    def tick(self, phase: str, seconds: float) -> None:
        self.first.setdefault(phase, seconds)
        self.ticks[phase] = self.ticks.get(phase, 0) + 1
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    def seconds_of(self, phase: str) -> float | None:
        """Return the mean time of a tick, without the first one if there are many."""
        ticks = self.ticks.get(phase, 0)
        if ticks <= 20:
            return self.seconds[phase] / ticks if ticks else None
        return (self.seconds[phase] - self.first[phase]) / (ticks - 1)


class _Measuring:
    """A consumer of the events of a short training."""

    def __init__(self, system: System) -> None:
        self._tables = {table.name: table for table in system.HISTORY}
        self.counted = _Counted()
        self.round, self.round_ended = _Counted(), 0
        """Whole rounds: up to the last time that the first phase started again."""
        self.step = 0
        self.promised: dict[str, int] | None = None
        self.seconds = 0.0
        self._phase, self._last = "", 0.0

    def consume(self, event: Event) -> None:
        if isinstance(event, Started):
            self.promised = event.training.left()
            self._last = time.perf_counter()
        elif isinstance(event, Ticked):
            now = time.perf_counter()
            if event.phase != self._phase and event.phase == next(iter(self.counted.ticks), ""):
                self.round, self.round_ended = copy.deepcopy(self.counted), self.step
            self.counted.tick(event.phase, now - self._last)
            self.seconds += now - self._last
            self._phase, self._last, self.step = event.phase, now, event.step
        elif isinstance(event, Row) and self._phase:
            size = len(csv_of([event.cells], self._tables[event.table]))
            self.counted.rows[self._phase] = self.counted.rows.get(self._phase, 0) + size


def estimate(
    system: System,
    options: Options,
    soon: Options,
    *,
    device: str = "cpu",
    seconds: float = SECONDS,
) -> Estimate:
    """Estimate what a run takes, with a short training in a folder that is removed.

    ``soon``: the options with Facts.soon. Evaluations are assumed to be as long as the first ones.

    Raises:
        DqnPortError: see System.training, Training.tick.
    """
    facts = system.facts(options)
    with tempfile.TemporaryDirectory(prefix="dqn-port-") as folder:
        files = RunFiles(Path(folder), lambda: None)
        whole = system.training(options, files, device=device, start=system.start_network(options))
        left = whole.left()
        rings = whole.rings().values()
        held = facts.memory or sum(a.nbytes for ring in rings for a in ring.arrays.values())
        del whole, rings
        run = Run(system, soon, Path(folder), checkpoint_every=math.inf, keep_checkpoint=True)
        measuring = _Measuring(system)
        events: Any = run.train(device, anew=True)
        finished = True
        for event in events:
            measuring.consume(event)
            if measuring.seconds > seconds:
                finished = False
                run.save_checkpoint()
                break
        events.close()
        networks = sum(path.stat().st_size for path in run.snapshots())
        checkpoint = run.checkpoints.size()
        resident = resident_bytes()
    counted = measuring.counted
    if left is None:
        # Whole rounds of playing and learning, if there were any.
        steps = measuring.round_ended or measuring.step
        counted = measuring.round if measuring.round_ended else counted
        times = {name: PER * ticks / max(steps, 1) for name, ticks in counted.ticks.items()}
    else:
        times = {name: float(ticks) for name, ticks in left.items()}
        for name, ticks in (measuring.promised or {}).items() if finished else ():
            if ticks and name in times:
                times[name] *= max(1.0, counted.ticks.get(name, 0) / ticks)
    return Estimate(
        facts=facts,
        phases=tuple(
            Phase(name=name, times=round(times[name]), seconds=counted.seconds_of(name))
            for name in times
            if times[name]
        ),
        memory=resident + held,
        networks=networks,
        checkpoint=checkpoint + held,
        tables=round(
            sum(times.get(n, 0) * size / counted.ticks[n] for n, size in counted.rows.items())
        ),
    )
