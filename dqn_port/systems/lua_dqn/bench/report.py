"""One measurement as a table of JSON: what, where, with which arguments, and every repeat."""

from __future__ import annotations

from typing import Any, Final

from dqn_port.bench.beside import busy
from dqn_port.bench.figures import table_of_figures
from dqn_port.bench.machine import REPEATS, cores_for, pinned
from dqn_port.systems.lua_dqn.bench.growth import growth, memory
from dqn_port.systems.lua_dqn.bench.parts import PARTS as OF_A_LOOP
from dqn_port.systems.lua_dqn.bench.parts import Job, Measured, Part
from dqn_port.systems.lua_dqn.bench.stages import Profile, profile
from dqn_port.systems.lua_dqn.options import Options

PARTS: Final = OF_A_LOOP | {
    "memory": Part(memory, 100, "memory: the replay filled, and start-up"),
    "growth": Part(growth, 384, "steps a second as the replay fills"),
}
"""Every part by its name."""


class Report:
    """A part, measured."""

    def __init__(
        self,
        part: str,
        job: Job,
        measured: Measured,
        *,
        profiled: Profile | None,
        busy_processes: int,
    ) -> None:
        self.part, self.job, self.busy_processes = part, job, busy_processes
        self.figures, self.profile = measured.figures, profiled

    def to_json(self) -> dict[str, Any]:
        """Return it without what is the same for all parts of a run: machine and versions."""
        job = self.job
        return {
            "part": self.part,
            "what": PARTS[self.part].what,
            "threads": job.threads,
            "cores": job.cores,
            "steps": job.steps,
            "repeats": job.repeats,
            "busy_processes": self.busy_processes,
            "arguments": job.opt.to_json(),
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
            "profile": self.profile.to_json() if self.profile else None,
        }

    def lines(self) -> list[str]:
        """Return the tables to print."""
        lines = table_of_figures(self.figures)
        return [*lines, "", *self.profile.lines()] if self.profile else lines


def bench(
    part: str,
    opt: Options,
    *,
    threads: int | None = None,
    steps: int | None = None,
    repeats: int = REPEATS,
    with_profile: bool = False,
    busy_processes: int = 0,
) -> Report:
    """Measure a part on as many cores as it has threads, and then where its time goes.

    ``busy_processes``: so many others keep those cores busy meanwhile.

    Raises:
        BenchError: the part has nothing to measure with these arguments.
        DqnPortError: see assemble.setup.
    """
    # No more threads than cores, as in training.
    cores = cores_for(threads or opt.threads)
    job = Job(
        opt=opt,
        threads=len(cores),
        cores=cores,
        steps=steps or PARTS[part].steps,
        repeats=repeats,
    )
    with pinned(job.cores), busy(busy_processes, job.cores):
        measured = PARTS[part].measure(job)
        profiled = None
        if with_profile and measured.loop is not None and measured.work is not None:
            profiled = profile(measured.loop, measured.work, job.steps)
    return Report(part, job, measured, profiled=profiled, busy_processes=busy_processes)
