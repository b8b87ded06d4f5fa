"""What ``dqn-port bench`` measures: whole loops, and the parts of one.

Every part runs the program's own code. What is compared is measured in turns, so that a machine's
drift affects both.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Final

from dqn_port.bench.emulation import BareEmulation
from dqn_port.bench.figures import Figures, ratio
from dqn_port.bench.floor import flop_of_layers, update_and_floor
from dqn_port.bench.parts import Job, Measured, Part, collected
from dqn_port.bench.profiles import profile
from dqn_port.errors import BenchError
from dqn_port.systems.lua_dqn.bench.loops import (
    Loop,
    bare_emulation,
    never_learning,
    soon_learning,
    uninterrupted,
)
from dqn_port.systems.lua_dqn.bench.stages import STAGES
from dqn_port.systems.lua_dqn.networks.layers import Linear, Reshape, SpatialConvolution


def learning(job: Job) -> Loop:
    """Return a training that is learning."""
    opt = soon_learning(job.options)
    most = opt.agent_params["learn_start"] + (job.repeats + 4) * job.steps + 10_000
    loop = Loop(uninterrupted(opt, threads=job.threads, steps=most))
    loop.learn()
    return loop


def playing(job: Job) -> Loop:
    """Return a training that never learns."""
    opt = never_learning(job.options)
    return Loop(uninterrupted(opt, threads=job.threads, steps=10_000))


def measured(figures: Figures, loop: Loop, work: Callable[[int], object]) -> Measured:
    """Return figures, with the profile of more such ``work`` on ``loop``."""
    return Measured(figures, lambda steps: profile(loop, STAGES, work, steps))


def train(job: Job) -> Measured:
    """Train, after learning has started: the loop of ``dqn-port train``, without evaluation."""
    loop = learning(job)
    rows = [{"train": job.steps / loop.play(job.steps)} for _ in range(job.repeats)]
    about = {"train": ("training after learning starts", "steps/s")}
    return measured(collected(rows, about), loop, loop.play)


def evaluation(job: Job) -> Measured:
    """Evaluate with ε 0.05, as a training does between its steps."""
    loop = playing(job)
    loop.evaluate(min(job.steps, 20))
    rows = [{"test": job.steps / loop.evaluate(job.steps)} for _ in range(job.repeats)]
    return measured(collected(rows, {"test": ("evaluation", "steps/s")}), loop, loop.evaluate)


def random_play(job: Job) -> Measured:
    """Train before learning starts, in turns with bare emulation."""
    loop = playing(job)
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
    return measured(figures, loop, loop.play)


class _Player:
    """Plays the program's environment at random, and times it."""

    def __init__(self, loop: Loop) -> None:
        self.env, self._agent = loop.env, loop.agent
        _of(loop.agent, "preprocess")

    def play(self, steps: int) -> tuple[float, float]:
        """Return the seconds of environment and preprocessing, without new games."""
        # Looked up here, not earlier, because a profile wraps them.
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
    loop = playing(job)
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
    return measured(figures, loop, player.play)


def _warm(player: _Player, bare: BareEmulation | None) -> None:
    player.play(20)
    if bare is not None:
        bare.play(20)


def preprocessing(job: Job) -> Measured:
    """Preprocess screens as they come from the environment, each one once."""
    loop = playing(job)
    player = _Player(loop)
    player.play(20)
    rows = [{"preproc": 1e6 * player.play(job.steps)[1] / job.steps} for _ in range(job.repeats)]
    about = {"preproc": ("preprocessing of a screen to stored bytes", "µs")}
    return measured(collected(rows, about), loop, player.play)


_COLD_PER_REPEAT: Final = 10
"""Most actions timed right after an update; the updates take far longer."""


def acting(job: Job) -> Measured:
    """Choose greedily for the recent state: repeatedly, and once right after an update."""
    loop = learning(job)
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
    return measured(collected(rows, about), loop, cold)


def update(job: Job) -> Measured:
    """Learn from minibatches, in turns with the machine's best matrix products.

    A repeat consists of whole sampling buffers, to include what is done once per buffer.
    """
    loop = learning(job)
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

    flop = flop_of_update(
        getattr(loop.agent.network, "layers", ()),
        tuple(params["input_dims"]),
        params["minibatch_size"],
    )
    return measured(update_and_floor(job, work, updates, flop).figures, loop, work)


def flop_of_update(layers: Any, input_dims: tuple[int, ...], batch: int) -> float:
    """Return the floating-point operations of the matrix products of one minibatch update."""
    shape, forward = tuple(input_dims), []
    for layer in layers:
        if isinstance(layer, Reshape):
            shape = layer.size
        elif isinstance(layer, SpatialConvolution):
            shape = (layer.n_output_plane, *layer.output_size(*shape[1:]))
        elif isinstance(layer, Linear):
            shape = (layer.output_size,)
        if isinstance(layer, SpatialConvolution | Linear):
            forward.append(2.0 * layer.fan_in() * math.prod(shape))
    return flop_of_layers(forward, batch)


def replay(job: Job) -> Measured:
    """Draw minibatches: whole sampling buffers of them, to include the filling."""
    loop = learning(job)
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
        "minibatch": (f"drawing a minibatch of {size}, filling included", "µs"),
        "transition": ("of it each transition", "µs"),
    }
    return measured(collected(rows, about), loop, work)


def _of(agent: Any, name: str) -> Callable[..., Any]:
    """Return a method that an agent has beyond those that slots.Agent requires.

    Raises:
        BenchError: this one lacks it.
    """
    found: Callable[..., Any] | None = getattr(agent, name, None)
    if found is None:
        raise BenchError(
            f"agent: expected a method {name} to measure, got {type(agent).__name__} without; "
            "measure train, test or random"
        )
    return found


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
