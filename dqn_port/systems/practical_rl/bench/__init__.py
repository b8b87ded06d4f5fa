"""Measure the homework: its steps, updates and environment, beside what a student would hand in."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn

from dqn_port.bench.figures import ratio
from dqn_port.bench.floor import flop_of_layers, update_and_floor
from dqn_port.bench.parts import Job, Measured, Part, collected
from dqn_port.bench.playing import Playing, start_playing
from dqn_port.bench.profiles import Stages, profile
from dqn_port.bench.races import take_turns
from dqn_port.bench.workers import Worker
from dqn_port.systems.practical_rl.dqn_agent import DQNAgent
from dqn_port.systems.practical_rl.main_loop import Training
from dqn_port.systems.practical_rl.system import SYSTEM

_NEVER: Final = 10**12
_FILL_CALLS: Final = 10
"""Most calls of the fill: the replay's size does not change the speed."""
_FIRST: Final = 50
"""Steps before anything is timed."""

STAGES: Final[Stages] = (
    ("environment", "training.env", ("step", "reset")),
    ("acting: values", "training.agent", ("get_qvalues",)),
    ("acting: choosing", "training.agent", ("sample_actions",)),
    ("replay: keeping", "training.exp_replay", ("begin", "go_on", "add")),
    ("replay: drawing", "training.exp_replay", ("sample",)),
    ("update: loss and gradients", "training", ("update",)),
    ("update: norm and Adam", "training.optimizer", ("clip_grad_norm", "step")),
    ("loop: the rest", "training", ("tick",)),
)


def short(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a run with a short fill and only one evaluation, of one step."""
    fill_calls = min(options["fill_calls"], _FILL_CALLS)
    changes = {"total_steps": _NEVER, "eval_freq": _NEVER, "n_lives": 1, "t_max": 1}
    return {**options, **changes, "fill_calls": fill_calls}


def start_stand_in(job: Job, what: str) -> Worker:
    """Start the student's program; ``what``: what it does at ``run``: loop, update or env."""
    settings = {"arguments": short(job.options), "cores": job.cores, "what": what}
    command = [sys.executable, "-m", "dqn_port.systems.practical_rl.bench.stand_in"]
    return Worker("a student's program", command, settings)


def learning(job: Job) -> Playing:
    """Return a training that has reached its loop."""
    playing = Playing(SYSTEM, {**short(job.options), "threads": job.threads})
    playing.play(_FIRST)
    return playing


def beside(job: Job, what: str, unit: str, work: Callable[[int], float], told: str) -> Measured:
    """Measure ``work``, which returns seconds, in turns with the same of the stand-in."""
    rows = []
    with start_stand_in(job, what) as student:
        work(min(job.steps, _FIRST))
        student.run(min(job.steps, _FIRST))
        for _ in range(job.repeats):
            rows.append({
                "own": 1e6 * work(job.steps) / job.steps,
                "student": 1e6 * student.run(job.steps) / job.steps,
            })  # fmt: skip
    about = {"own": (told, unit), "student": (f"{told}, a student's program", unit)}
    figures = collected(rows, about)
    figures["ratio"] = ratio("a student's time ÷ ours", figures["student"], figures["own"])
    return Measured(figures)


def race(job: Job) -> Measured:
    """Race the whole loop: a step with its update, each in its own process."""
    arguments = short(job.options) | {"system": SYSTEM.NAME}
    with (
        start_playing(arguments, job.cores, until=_FIRST) as own,
        start_stand_in(job, "loop") as student,
    ):
        figures = take_turns(
            {"own": own, "student": student}, rounds=job.repeats, steps=job.steps, warm_up=_FIRST
        )
    playing = learning(job)
    return Measured(figures, lambda steps: profile(playing, STAGES, playing.play, steps))


def timed(do: Callable[[], object]) -> Callable[[int], float]:
    """Return a function that calls ``do`` a number of times and returns the seconds."""

    def work(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            do()
        return time.perf_counter() - started

    return work


def update(job: Job) -> Measured:
    """Learn from batches, in turns with the machine's best matrix products, then the stand-in."""
    playing = learning(job)
    training = playing.training
    assert isinstance(training, Training)
    work = timed(lambda: training.update())
    flop = flop_of_update(training.agent, job.options["batch_size"], double=job.options["double"])
    floor = update_and_floor(job, work, job.steps, flop).figures
    told = f"update of {job.options['batch_size']}"
    student = beside(job, "update", "µs", work, told).figures
    figures = floor | {"own": student["own"], "student": student["student"],
                       "student_ratio": student["ratio"]}  # fmt: skip
    return Measured(figures, lambda steps: profile(playing, STAGES, work, steps))


def flop_of_update(agent: DQNAgent, batch: int, *, double: bool) -> float:
    """Return the floating-point operations of an update's matrix products."""
    forward: list[float] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        del inputs
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        forward.append(2.0 * layer.weight[0].numel() * out.numel())

    layers = [layer for layer in agent.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    with torch.no_grad():
        agent(torch.zeros(1, *agent.state_shape))
    for hook in hooks:
        hook.remove()
    return flop_of_layers(forward, batch) + double * batch * sum(forward)


def environment(job: Job) -> Measured:
    """Step the environment, wrappers and all, at random, including new episodes."""
    training = learning(job).training
    assert isinstance(training, Training)
    env, draw, n = training.env, training.numpy_random.randint, training.agent.n_actions

    def step() -> None:
        _, _, terminated, truncated, _ = env.step(int(draw(n)))
        if terminated or truncated:
            env.reset()

    return beside(job, "env", "µs", timed(step), "environment step, wrappers and all")


PARTS: Final = {
    "stand_in": Part(race, 300, "whole loop, steps with updates, beside a student's program"),
    "update": Part(update, 100, "update, against its floor and beside a student's"),
    "env": Part(environment, 500, "environment step beside a student's"),
}
"""Every part by its name."""
