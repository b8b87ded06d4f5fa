"""What a replay memory costs as it fills: resident bytes, start-up, and steps a second."""

from __future__ import annotations

import time
from typing import Any, Final

import torch

from dqn_port.bench.figures import Figure, Figures, ratio
from dqn_port.bench.parts import Job, Measured
from dqn_port.memory import resident_bytes
from dqn_port.systems.lua_dqn.bench.loops import Loop, bare_emulation, soon_learning, uninterrupted
from dqn_port.systems.lua_dqn.bench.parts import measured
from dqn_port.systems.lua_dqn.bench.worker import start_training

_PLAYED: Final = 2_000
"""Most transitions that are added over and over."""


def fill(replay: Any, until: int) -> float:
    """Add the first transitions played, over and over, as the loop does; return the seconds.

    Noise would not do: an update's time depends on how much of its screens is alike.
    """
    ring = replay.ring
    played = min(replay.num_entries, _PLAYED)
    started = time.perf_counter()
    for at in range(replay.num_entries, until):
        s, a, r, t = (ring[name][at % played] for name in ("s", "a", "r", "t"))
        replay.add(s, int(a), float(r), term=bool(t))
    return time.perf_counter() - started


def memory(job: Job) -> Measured:
    """Fill the replay memory and count bytes; start up in fresh processes and count seconds."""
    params = job.options.agent_params
    size = params["replay_memory"]
    opt = uninterrupted(
        soon_learning(job.options), threads=job.threads, steps=size + job.steps + 10**5
    )
    starts = []
    for _ in range(job.repeats):
        with start_training(opt, job.cores, learn=False) as worker:
            starts.append(worker.ask("run 1")["start_up"])
    before = resident_bytes()
    loop = Loop(opt)
    loop.learn()
    empty = resident_bytes()
    replay = loop.agent.transitions
    held = replay.num_entries
    seconds = fill(replay, size)
    full = resident_bytes()
    # Further learning shows what passes over a full memory add.
    loop.play(job.steps)
    total = resident_bytes()
    arrays = sum(array.nbytes for array in replay.ring.values())
    share = (full - empty) * size / max(1, size - held)
    figures = {
        "start_up": Figure("start-up to the first step, after imports", "s", tuple(starts)),
        "total": Figure(f"resident in all, {size:,} transitions held", "GB", (total / 1e9,)),
        "replay": Figure("of it the replay memory, as it grew", "GB", (share / 1e9,)),
        "arrays": Figure("the replay memory's arrays", "GB", (arrays / 1e9,)),
        "libraries": Figure("resident before set-up, libraries and all", "GB", (before / 1e9,)),
        "fill": Figure("adding a transition again", "µs", (1e6 * seconds / max(1, size - held),)),
    }
    return measured(figures, loop, loop.play)


class Reference:
    """A fixed loop without any of this program's code, to measure the machine itself.

    A step is bare emulation; every fourth adds about as many matrix products as an update.
    """

    def __init__(self, loop: Loop) -> None:
        self._bare = bare_emulation(loop.opt, loop.env.actions)
        generator = torch.Generator().manual_seed(1)
        self._a, self._b = (torch.randn(512, 512, generator=generator) for _ in range(2))
        self._out = torch.empty(512, 512)

    def play(self, steps: int) -> float:
        """Play a number of steps and return the seconds."""
        started = time.perf_counter()
        for _ in range(steps // 4):
            if self._bare is not None:
                self._bare.play(4)
            for _ in range(8):
                torch.mm(self._a, self._b, out=self._out)
        return time.perf_counter() - started


def growth(job: Job) -> Measured:
    """Train with ever more transitions in the memory, in turns with a fixed reference loop."""
    size = job.options.agent_params["replay_memory"]
    wanted = sorted({size // 100, size // 10, size})
    opt = soon_learning(job.options, random_steps=wanted[0] // 2)
    steps = size + 2 * job.steps * (job.repeats + 1) * len(wanted) + 10_000
    loop = Loop(uninterrupted(opt, threads=job.threads, steps=steps))
    loop.learn()
    reference, replay = Reference(loop), loop.agent.transitions
    reference.play(8)
    figures: Figures = {}
    ratios: dict[int, Figure] = {}
    for until in wanted:
        fill(replay, until)
        held = replay.num_entries
        loop.play(job.steps)
        ours, theirs = [], []
        for turn in range(job.repeats):
            # ABBA: whichever is first in one turn is second in the next.
            order = (reference.play, loop.play) if turn % 2 else (loop.play, reference.play)
            seconds = {play: play(job.steps) for play in order}
            ours.append(job.steps / seconds[loop.play])
            theirs.append(job.steps / seconds[reference.play])
        rate = Figure(f"training, {held:,} held", "steps/s", tuple(ours))
        base = Figure("the reference loop beside it", "steps/s", tuple(theirs))
        ratios[held] = ratio("of it ÷ the reference loop", rate, base)
        figures |= {f"rate_{held}": rate, f"reference_{held}": base, f"ratio_{held}": ratios[held]}
    least = min(ratios)
    for held, figure in ratios.items():
        if held != least:
            change = tuple(value / ratios[least].median for value in figure.values)
            what = f"that ratio, {held:,} held ÷ {least:,} held"
            figures[f"change_{held}"] = Figure(what, "×", change)
    return measured(figures, loop, loop.play)
