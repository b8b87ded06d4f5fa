"""Measure the tutorial's agent: frames, sweeps, updates, checkpoints, and the whole loop."""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from dqn_port.bench.figures import Figure, ratio
from dqn_port.bench.floor import flop_of_layers, update_and_floor
from dqn_port.bench.parts import Job, Measured, Part, collected
from dqn_port.bench.playing import Playing, start_playing
from dqn_port.bench.profiles import Stages, profile
from dqn_port.bench.races import take_turns
from dqn_port.bench.workers import Worker
from dqn_port.runs.checkpoint import Checkpoints
from dqn_port.systems.hvass16.bench.stand_in import Agent as StandIn
from dqn_port.systems.hvass16.neural_network import OUTPUT, NeuralNetwork
from dqn_port.systems.hvass16.system import SYSTEM
from dqn_port.systems.hvass16.training import Training

_STATES: Final = 128
"""Size of a memory that fills quickly: a burst is then ``max_epochs`` updates."""

STAGES: Final[Stages] = (
    ("environment", "training.agent.env", ("step", "reset")),
    ("preprocessing and trace", "training.agent.tracer", ("process", "get_state")),
    ("acting: Q-values", "training.network", ("get_q_values",)),
    ("memory: adding", "training.memory", ("add",)),
    ("memory: sweep", "training.memory", ("update_all_q_values", "statistics")),
    ("memory: drawing", "training.memory", ("random_batch", "prepare_sampling_prob")),
    ("update", "training.network", ("update",)),
    ("loop: the rest", "training", ("tick",)),
)


def quick(options: dict[str, Any]) -> dict[str, Any]:
    """Return options with a small memory, and bursts that end only by their epochs."""
    limits = {"loss_limit_start_value": 0.0, "loss_limit_end_value": 0.0}
    signals = {"replay_fraction_start_value": 1.0, "replay_fraction_end_value": 1.0}
    return {
        **options,
        "replay_size": _STATES,
        "episodes": None,
        "eval_freq": 0,
        **limits,
        **signals,
    }


def at_its_beginning(options: dict[str, Any]) -> tuple[Playing, Training]:
    """Return a training that has not started."""
    playing = Playing(SYSTEM, options)
    training = playing.training
    assert isinstance(training, Training)
    return playing, training


def start_stand_in(job: Job, options: dict[str, Any], what: str) -> Worker:
    """Start the author's program of today; ``what``: what it does at ``run``."""
    settings = {"arguments": options, "cores": job.cores, "what": what}
    command = [sys.executable, "-m", f"{StandIn.__module__}"]
    return Worker("an author's program", command, settings)


def timed(do: Callable[[], object]) -> Callable[[int], float]:
    """Return a function that calls ``do`` a number of times and returns the seconds."""

    def work(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            do()
        return time.perf_counter() - started

    return work


def beside(job: Job, student: Worker, work: Callable[[int], float], told: str) -> Measured:
    """Measure ``work`` in turns with the same of the author's program, in ms a step."""
    rows = []
    work(1)
    student.run(1)
    for _ in range(job.repeats):
        rows.append({
            "own": 1e3 * work(job.steps) / job.steps,
            "author": 1e3 * student.run(job.steps) / job.steps,
        })  # fmt: skip
    about = {"own": (told, "ms"), "author": (f"{told}, an author's program", "ms")}
    figures = collected(rows, about)
    figures["beside"] = ratio("an author's time ÷ ours", figures["author"], figures["own"])
    return Measured(figures)


def race(job: Job) -> Measured:
    """Race the whole loop: states, and after every 128 of them a burst."""
    options = quick(job.options)
    arguments = options | {"system": SYSTEM.NAME}
    with (
        start_playing(arguments, job.cores) as own,
        start_stand_in(job, options, "loop") as author,
    ):
        workers = {"own": own, "author": author}
        figures = take_turns(workers, rounds=job.repeats, steps=job.steps, warm_up=2)
    playing = Playing(SYSTEM, options)
    playing.play(2)
    return Measured(figures, lambda steps: profile(playing, STAGES, playing.play, steps))


def update(job: Job) -> Measured:
    """Learn from a full small memory, in turns with matrix products, then the author's program."""
    playing, training = at_its_beginning(quick(job.options))
    memory, network = training.memory, training.network
    fill(memory)
    memory.update_all_q_values()
    memory.prepare_sampling_prob(job.options["batch_size"])
    rate = job.options["learning_rate_end_value"]
    work = timed(lambda: network.update(*memory.random_batch(), rate))
    flop = flop_of_update(network, job.options["batch_size"])
    figures = update_and_floor(job, work, job.steps, flop).figures
    products = tuple(1e-6 * flop / value for value in figures["rate_mkl"].values)
    products_of_mkl = Figure("its products at the rate of torch.mm", "ms", products)
    figures["ratio_mkl"] = ratio("update ÷ them", figures["update"], products_of_mkl)
    with start_stand_in(job, quick(job.options), "update") as author:
        figures |= beside(job, author, work, "update").figures
    return Measured(figures, lambda steps: profile(playing, STAGES, work, steps))


def flop_of_update(network: NeuralNetwork, batch: int) -> float:
    """Return the floating-point operations of an update's products; no target network."""
    height, width, _ = network.state_shape
    places, forward = height * width, []
    strides = {name: stride for name, _, stride in network.convolutions()}
    for name, parameter in network.named_parameters():
        layer, _, kind = name.partition("/")
        if kind != "weights":
            continue
        if layer in strides:
            height, width = (math.ceil(n / strides[layer]) for n in (height, width))
        places = height * width if layer in strides else 1
        forward.append(2.0 * parameter.numel() * places)
    assert layer == OUTPUT
    return flop_of_layers(forward, batch) - batch * sum(forward)


def fill(memory: Any) -> None:
    """Fill a memory with random numbers."""
    generator = np.random.default_rng(1)
    memory.states[:] = generator.integers(256, size=memory.states.shape, dtype=np.uint8)
    memory.q_values[:] = generator.random(memory.q_values.shape)
    memory.actions[:] = generator.integers(memory.q_values.shape[1], size=memory.size)
    memory.num_used = memory.size


def frame(job: Job) -> Measured:
    """Preprocess a frame of the game and trace its motion."""
    _, training = at_its_beginning(quick(job.options))
    agent = training.agent
    agent.play_state()
    tracer, picture = agent.tracer, agent.env.step(0)[0]
    assert tracer is not None

    def work() -> None:
        tracer.process(picture)
        tracer.get_state()

    with start_stand_in(job, quick(job.options), "frame") as author:
        return beside(job, author, timed(work), "a frame's preprocessing and trace")


def sweep(job: Job) -> Measured:
    """Sweep a full memory of the options' size."""
    small = {"state_height": 1, "state_width": 1}
    _, training = at_its_beginning(
        {**quick(job.options), **small, "replay_size": job.options["replay_size"]}
    )
    memory = training.memory
    fill(memory)
    with start_stand_in(job, job.options, "sweep") as author:
        told = f"sweep of {memory.size:,} states"
        return beside(job, author, timed(memory.update_all_q_values), told)


def checkpoint(job: Job) -> Measured:
    """Write checkpoints of a half-full memory of the options' size, ``steps`` states apart."""
    _, training = at_its_beginning({**job.options, "episodes": None, "eval_freq": 0})
    memory, rows = training.memory, []
    training.tick()
    memory.num_used = memory.size // 2
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder))
        for i in range(job.repeats + 1):
            memory.num_used = memory.size // 2 + i * job.steps
            before = names_of(checkpoints)
            started = time.perf_counter()
            checkpoints.save(training.state_dict(), step=i, rings=training.rings())
            seconds = time.perf_counter() - started
            new = [checkpoints.folder / name for name in names_of(checkpoints) - before]
            row = {
                "seconds": seconds,
                "written": 1e-6 * sum(path.stat().st_size for path in new),
                "states": 1e-6 * job.steps * memory.states[0].nbytes,
            }
            if i:
                rows.append(row)
    about = {
        "seconds": ("a checkpoint while filling", "s"),
        "written": ("of it written", "MB"),
        "states": ("of that new states", "MB"),
    }
    return Measured(collected(rows, about))


def names_of(checkpoints: Checkpoints) -> set[str]:
    """Return the names of all checkpoints' files."""
    folder = checkpoints.folder
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


PARTS: Final = {
    "stand_in": Part(race, 128, "whole loop, states with their bursts, beside an author's program"),
    "update": Part(update, 4, "update against its floor and beside an author's"),
    "frame": Part(frame, 200, "preprocessing and trace beside an author's"),
    "sweep": Part(sweep, 4, "sweep of the whole memory beside an author's"),
    "checkpoint": Part(checkpoint, 500, "checkpoint while filling, some states after the last"),
}
"""Every part by its name."""
