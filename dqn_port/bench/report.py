"""One measurement as a table of JSON: what, where, with which arguments, and every repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dqn_port.bench.beside import busy
from dqn_port.bench.figures import Figures, table_of_figures
from dqn_port.bench.machine import REPEATS, cores_for, pinned
from dqn_port.bench.parts import Job, Part
from dqn_port.bench.profiles import Profile
from dqn_port.interfaces import Options, System


@dataclass(frozen=True)
class Report:
    """A part, measured."""

    part: str
    what: str
    job: Job
    arguments: dict[str, Any]
    figures: Figures
    profile: Profile | None
    busy_processes: int

    def to_json(self) -> dict[str, Any]:
        """Return it without what is the same for all parts of a run: machine and versions."""
        job = self.job
        return {
            "part": self.part,
            "what": self.what,
            "threads": job.threads,
            "cores": job.cores,
            "steps": job.steps,
            "repeats": job.repeats,
            "busy_processes": self.busy_processes,
            "arguments": self.arguments,
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
            "profile": self.profile.to_json() if self.profile else None,
        }

    def lines(self) -> list[str]:
        """Return the tables to print."""
        lines = table_of_figures(self.figures)
        return [*lines, "", *self.profile.lines()] if self.profile else lines


def bench(
    system: System,
    part: Part,
    options: Options,
    *,
    name: str = "",
    threads: int | None = None,
    steps: int | None = None,
    repeats: int = REPEATS,
    with_profile: bool = False,
    busy_processes: int = 0,
) -> Report:
    """Measure a part on as many cores as it has threads, and then where its time goes.

    ``busy_processes``: how many other processes keep those cores busy meanwhile.

    Raises:
        BenchError: the part has nothing to measure with these arguments.
        DqnPortError: see System.training.
    """
    facts = system.facts(options)
    # No more threads than cores, as in training.
    cores = cores_for(threads or facts.threads)
    job = Job(
        options=options,
        threads=len(cores),
        cores=cores,
        steps=steps or part.steps,
        repeats=repeats,
    )
    with pinned(job.cores), busy(busy_processes, job.cores):
        measured = part.measure(job)
        profiled = None
        if with_profile and measured.profile is not None:
            profiled = measured.profile(job.steps)
    return Report(name, part.what, job, facts.arguments, measured.figures, profiled, busy_processes)
