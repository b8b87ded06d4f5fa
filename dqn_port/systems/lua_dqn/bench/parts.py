"""What ``dqn-port bench`` measures: whole loops, and the parts of one.

Every part plays by the product's own path. What is compared is measured in turns, so that a
machine that drifts does so for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from dqn_port.bench.figures import Figure, Figures, ratio
from dqn_port.errors import BenchError
from dqn_port.systems.lua_dqn.bench.emulation import BareEmulation, bare_emulation
from dqn_port.systems.lua_dqn.bench.floor import LIBRARIES, flop_of_update, start_rates
from dqn_port.systems.lua_dqn.bench.loops import Loop, never_learning, soon_learning, uninterrupted
from dqn_port.systems.lua_dqn.options import Options


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to measure, and how long."""

    opt: Options
    threads: int
    cores: list[int]
    steps: int
    """Agent steps, or calls, of one repeat."""
    repeats: int

    def training(self) -> Loop:
        """Return a training that is learning."""
        opt = soon_learning(self.opt)
        most = opt.agent_params["learn_start"] + (self.repeats + 4) * self.steps + 10_000
        loop = Loop(uninterrupted(opt, threads=self.threads, steps=most))
        loop.learn()
        return loop

    def playing(self) -> Loop:
        """Return a training that never learns."""
        opt = never_learning(self.opt)
        return Loop(uninterrupted(opt, threads=self.threads, steps=10_000))


@dataclass(frozen=True)
class Measured:
    """What a part came to."""

    figures: Figures
    loop: Loop | None = None
    """What was played, for a profile."""
    work: Callable[[int], object] | None = None
    """One more repeat of so many steps of it."""


def collected(rows: Iterable[dict[str, float]], about: dict[str, tuple[str, str]]) -> Figures:
    """Return figures of repeats, one dict of values each; ``about``: name → (what, unit)."""
    listed = list(rows)
    return {
        name: Figure(what, unit, tuple(row[name] for row in listed))
        for name, (what, unit) in about.items()
        if name in listed[0]
    }


def train(job: Job) -> Measured:
    """Train, after learning has started: the loop of ``dqn-port train``, without evaluation."""
    loop = job.training()
    rows = [{"train": job.steps / loop.play(job.steps)} for _ in range(job.repeats)]
    about = {"train": ("training after learning starts", "steps/s")}
    return Measured(collected(rows, about), loop, loop.play)


def evaluation(job: Job) -> Measured:
    """Evaluate with ε 0.05, as a training does between its steps."""
    loop = job.playing()
    loop.evaluate(min(job.steps, 20))
    rows = [{"test": job.steps / loop.evaluate(job.steps)} for _ in range(job.repeats)]
    return Measured(collected(rows, {"test": ("evaluation", "steps/s")}), loop, loop.evaluate)


def random_play(job: Job) -> Measured:
    """Train before learning starts, in turns with bare emulation."""
    loop = job.playing()
    bare = bare_emulation(loop.opt, loop.env.actions)
    loop.play(min(job.steps, 20))
    rows = []
    for _ in range(job.repeats):
        row = {"random": job.steps / loop.play(job.steps)}
        if bare is not None:
            row["bare"] = job.steps / bare.play(job.steps)
        rows.append(row)
    figures = collected(
        rows,
        {
            "random": ("random play before learning starts", "steps/s"),
            "bare": ("bare emulation of as many frames", "steps/s"),
        },
    )
    if bare is not None:
        figures["ratio"] = ratio("random play ÷ bare emulation", figures["random"], figures["bare"])
    return Measured(figures, loop, loop.play)


class _Player:
    """Plays the product's environment at random, and times what comes of it."""

    def __init__(self, loop: Loop) -> None:
        self.env, self._agent = loop.env, loop.agent
        _of(loop.agent, "preprocess")

    def play(self, steps: int) -> tuple[float, float]:
        """Return the seconds of environment and preprocessing, new games not counted."""
        # Looked up here, not before: a profile wraps them.
        env, preprocess, clock = self.env, _of(self._agent, "preprocess"), time.perf_counter
        actions, draw = env.actions, self._agent.generator.random
        in_env = in_preproc = 0.0
        for _ in range(steps):
            action = actions[draw(len(actions)) - 1]
            started = clock()
            screen, _, terminal = env.step(action, training=True)
            between = clock()
            preprocess(screen)
            ended = clock()
            in_env += between - started
            in_preproc += ended - between
            if terminal:
                env.next_random_game()
        return in_env, in_preproc


def environment(job: Job) -> Measured:
    """Step the environment and preprocess what it shows, in turns with bare emulation."""
    loop = job.playing()
    player, bare = _Player(loop), bare_emulation(loop.opt, loop.env.actions)
    rows = []
    _warm(player, bare)
    for _ in range(job.repeats):
        in_env, in_preproc = player.play(job.steps)
        row = {"env": 1e6 * (in_env + in_preproc) / job.steps}
        row["step"] = 1e6 * in_env / job.steps
        if bare is not None:
            row["bare"] = 1e6 * bare.play(job.steps) / job.steps
        rows.append(row)
    frames = loop.opt.actrep
    figures = collected(
        rows,
        {
            "env": (f"environment step: {frames} frames, pooling, preprocessing", "µs"),
            "step": ("of it without preprocessing", "µs"),
            "bare": (f"bare emulation of {frames} frames", "µs"),
        },
    )
    if bare is not None:
        figures["ratio"] = ratio(
            "environment step ÷ bare emulation", figures["env"], figures["bare"]
        )
    return Measured(figures, loop, player.play)


def _warm(player: _Player, bare: BareEmulation | None) -> None:
    player.play(20)
    if bare is not None:
        bare.play(20)


def preprocessing(job: Job) -> Measured:
    """Preprocess screens as they come out of the environment, each one once."""
    loop = job.playing()
    player = _Player(loop)
    player.play(20)
    rows = [{"preproc": 1e6 * player.play(job.steps)[1] / job.steps} for _ in range(job.repeats)]
    about = {"preproc": ("preprocessing of a screen to stored bytes", "µs")}
    return Measured(collected(rows, about), loop, player.play)


_COLD_PER_REPEAT: Final = 10
"""Updates between which an action is chosen once: they take far longer than what is timed."""


def acting(job: Job) -> Measured:
    """Choose greedily for the recent state: again and again, and once right after an update."""
    loop = job.training()
    _of(loop.agent, "e_greedy")

    def hot(calls: int) -> float:
        choose = _of(loop.agent, "e_greedy")
        started = time.perf_counter()
        for _ in range(calls):
            choose(0.0)
        return time.perf_counter() - started

    def cold(calls: int) -> float:
        update = _of(loop.agent, "q_learn_minibatch")
        seconds = 0.0
        for _ in range(calls):
            update()
            loop.settle()
            seconds += hot(1)
        return seconds

    rows = []
    hot(10)
    for _ in range(job.repeats):
        calls = min(job.steps, _COLD_PER_REPEAT)
        rows.append({"hot": 1e6 * hot(job.steps) / job.steps, "cold": 1e6 * cold(calls) / calls})
    about = {
        "hot": ("acting greedily, repeated", "µs"),
        "cold": ("acting greedily, right after an update", "µs"),
    }
    return Measured(collected(rows, about), loop, cold)


def update(job: Job) -> Measured:
    """Learn from minibatches, in turns with the machine's best matrix products.

    A repeat is made of whole sampling buffers, so that what is done once a buffer is in it.
    """
    loop = job.training()
    _of(loop.agent, "q_learn_minibatch")
    params = loop.opt.agent_params
    per_buffer = max(1, params.get("bufferSize", 0) // params["minibatch_size"])
    updates = per_buffer * max(1, round(job.steps / per_buffer))

    def work(count: int) -> float:
        learn = _of(loop.agent, "q_learn_minibatch")
        loop.settle()
        started = time.perf_counter()
        for _ in range(count):
            learn()
        loop.settle()
        return time.perf_counter() - started

    gflop = 1e-9 * flop_of_update(
        getattr(loop.agent.network, "layers", ()),
        tuple(params["input_dims"]),
        params["minibatch_size"],
    )
    rows = []
    with start_rates(job.threads, job.cores) as products:
        work(per_buffer)
        for _ in range(job.repeats):
            answer = products.ask("run 5")
            row = {f"rate_{name}": answer[name] for name in LIBRARIES if name in answer}
            best = max(row.values())
            row["update"] = 1e3 * work(updates) / updates
            row["floor"] = 1e3 * gflop / best
            row["ratio"] = row["update"] / row["floor"]
            rows.append(row)
    about = {
        "update": (f"minibatch update, 1 of {updates} in a row", "ms"),
        "floor": (f"floor: {gflop:.3g} GFLOP at the best rate", "ms"),
        "ratio": ("update ÷ floor", "×"),
        **{
            f"rate_{key}": (f"matrix product, {name}", "GFLOP/s") for key, name in LIBRARIES.items()
        },
    }
    return Measured(collected(rows, about), loop, work)


def replay(job: Job) -> Measured:
    """Draw minibatches: whole sampling buffers of them, so that filling is in it."""
    loop = job.training()
    size = loop.opt.agent_params["minibatch_size"]
    per_buffer = max(1, loop.opt.agent_params.get("bufferSize", 0) // size)
    draws = per_buffer * max(1, round(job.steps / per_buffer))

    def work(count: int) -> float:
        sample = loop.agent.transitions.sample
        started = time.perf_counter()
        for _ in range(count):
            sample(size)
        return time.perf_counter() - started

    work(per_buffer)
    rows = []
    for _ in range(job.repeats):
        each = 1e6 * work(draws) / draws
        rows.append({"minibatch": each, "transition": each / size})
    about = {
        "minibatch": (f"drawing a minibatch of {size}, filling the buffer in it", "µs"),
        "transition": ("of it each transition", "µs"),
    }
    return Measured(collected(rows, about), loop, work)


def _of(agent: Any, name: str) -> Callable[..., Any]:
    """Return a method that an agent has beyond what interfaces.Agent asks for.

    Raises:
        BenchError: this one has not.
    """
    found: Callable[..., Any] | None = getattr(agent, name, None)
    if found is None:
        raise BenchError(
            f"agent: expected a method {name} to measure, got {type(agent).__name__} without; "
            "measure train, test or random"
        )
    return found


@dataclass(frozen=True)
class Part:
    """A part that can be measured."""

    measure: Callable[[Job], Measured]
    steps: int
    """Of a repeat, unless given: of what learns whole sampling buffers, as each costs at once."""
    what: str


PARTS: Final = {
    "train": Part(train, 384, "whole loop: training after learning starts"),
    "test": Part(evaluation, 1000, "whole loop: evaluation"),
    "random": Part(random_play, 1000, "whole loop: random play before learning starts"),
    "env": Part(environment, 500, "environment step against bare emulation"),
    "preproc": Part(preprocessing, 500, "preprocessing"),
    "act": Part(acting, 300, "acting"),
    "update": Part(update, 32, "minibatch update against its floor"),
    "replay": Part(replay, 320, "drawing minibatches"),
}
