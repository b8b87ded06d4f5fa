"""Measure simple_dqn: its phases, the parts of a step, and the loop beside a stand-in."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from dqn_port.bench.emulation import BareEmulation
from dqn_port.bench.figures import ratio
from dqn_port.bench.floor import flop_of_layers, update_and_floor
from dqn_port.bench.parts import Job, Measured, Part, collected
from dqn_port.bench.playing import Playing, start_playing
from dqn_port.bench.profiles import profile
from dqn_port.bench.races import take_turns
from dqn_port.bench.workers import Worker
from dqn_port.errors import BenchError
from dqn_port.games.toy import GAMES
from dqn_port.systems.simple_dqn.environment import ALEEnvironment
from dqn_port.systems.simple_dqn.layers import CONVOLUTIONS, HIDDEN
from dqn_port.systems.simple_dqn.main import Training
from dqn_port.systems.simple_dqn.system import SYSTEM

RANDOM_STEPS: Final = 2_000
"""Most steps played at random before anything is timed."""

_NEVER: Final = 2**40
_REPLAY_SIZE: Final = 100_000

STAGES: Final = (
    ("emulation", "env.ale", ("act", "get_screen", "reset_game", "lives")),
    ("environment", "env", ("act", "restart", "get_screen")),
    ("acting: network", "net", ("predict",)),
    ("replay: adding", "mem", ("add",)),
    ("replay: sampling", "mem", ("get_minibatch",)),
    ("update: target forward", "net._target_passes", ("predict",)),
    ("update: forward", "net._passes", ("learn",)),
    ("update: backward", "net._passes", ("gradients",)),
    ("update: optimiser", "net.optimizer", ("optimize",)),
    ("update: copying to the target", "net", ("update_target_network",)),
    ("update: errors and the rest", "net", ("train",)),
    ("agent: the rest", "agent", ("step", "train_step", "test_step", "restart_random")),
    ("loop: the rest", "", ("tick",)),
)
"""What ``--profile`` times."""


def _options(job: Job, **changes: Any) -> dict[str, Any]:
    """Return options of one phase that never ends, with the final ε, on the CPU."""
    random_steps = min(job.options["random_steps"] or RANDOM_STEPS, RANDOM_STEPS)
    return {
        **job.options,
        "device": "cpu",
        "threads": job.threads,
        "replay_size": min(job.options["replay_size"], _REPLAY_SIZE),
        "exploration_decay_steps": 1,
        "random_steps": random_steps,
        "train_steps": _NEVER,
        "test_steps": 0,
        "epochs": job.options["start_epoch"] + 1,
        "play_games": 0,
        "save_weights_prefix": "",
        **changes,
    }


def _learning(job: Job) -> Playing:
    """Return a training that is learning."""
    options = _options(job)
    playing = Playing(SYSTEM, options)
    playing.play(_learns_at(options))
    return playing


def _learns_at(options: Mapping[str, Any]) -> int:
    """Return a step by which some updates are done."""
    wait: int = options["batch_size"] + 2 * options["train_frequency"]
    return int(options["random_steps"]) + wait


def _training(playing: Playing) -> Training:
    training = playing.training
    assert isinstance(training, Training)
    return training


def _measured(
    rows: list[dict[str, float]],
    about: dict[str, tuple[str, str]],
    playing: Playing,
    work: Callable[[int], object],
) -> Measured:
    def profiled(steps: int) -> Any:
        return profile(playing.training, STAGES, work, steps)

    return Measured(collected(rows, about), profiled)


def train(job: Job) -> Measured:
    """Train, once it is learning."""
    playing = _learning(job)
    rows = [{"train": job.steps / playing.play(job.steps)} for _ in range(job.repeats)]
    return _measured(rows, {"train": ("training", "steps/s")}, playing, playing.play)


def test(job: Job) -> Measured:
    """Play a test phase."""
    playing = Playing(SYSTEM, _options(job, random_steps=0, train_steps=0, test_steps=_NEVER))
    playing.play(20)
    rows = [{"test": job.steps / playing.play(job.steps)} for _ in range(job.repeats)]
    return _measured(rows, {"test": ("testing", "steps/s")}, playing, playing.play)


def update(job: Job) -> Measured:
    """Sample and learn, in turns with the machine's best matrix products."""
    playing = _learning(job)
    training = _training(playing)

    def work(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            training.net.train(training.mem.get_minibatch(), 0)
        return time.perf_counter() - started

    flop = flop_of_update(training.options, training.net.n_actions)
    figures = update_and_floor(job, work, job.steps, flop).figures
    return Measured(figures, lambda steps: profile(training, STAGES, work, steps))


def flop_of_update(options: Mapping[str, Any], n_actions: int) -> float:
    """Return the floating-point operations of the matrix products of one update."""
    sizes = [options["screen_height"], options["screen_width"]]
    channels, forward = options["history_length"], []
    for filters, side, stride in CONVOLUTIONS:
        sizes = [(size - side) // stride + 1 for size in sizes]
        forward.append(2.0 * channels * side**2 * filters * sizes[0] * sizes[1])
        channels = filters
    forward += [2.0 * channels * sizes[0] * sizes[1] * HIDDEN, 2.0 * HIDDEN * n_actions]
    return flop_of_layers(forward, options["batch_size"])


def act(job: Job) -> Measured:
    """Choose greedily for the last state seen."""
    playing = _learning(job)
    agent = _training(playing).agent

    def work(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            agent.choose(0)
        return time.perf_counter() - started

    work(10)
    rows = [{"act": 1e6 * work(job.steps) / job.steps} for _ in range(job.repeats)]
    return _measured(rows, {"act": ("acting greedily", "µs")}, playing, work)


def environment(job: Job) -> Measured:
    """Act and fetch the screen, in turns with bare emulation."""
    playing = Playing(SYSTEM, _options(job))
    training = _training(playing)
    env, bare = training.env, None
    if isinstance(env, ALEEnvironment) and job.options["game"] not in GAMES:
        game, folder = job.options["game"], job.options["game_path"]
        frames = job.options["frame_skip"]
        bare = BareEmulation(game, folder, env.ale.actions, frames=frames)

    def work(count: int) -> float:
        seconds, draw = 0.0, training.random.randrange
        for _ in range(count):
            action, started = draw(env.num_actions), time.perf_counter()
            env.act(action)
            env.get_screen()
            seconds += time.perf_counter() - started
            if env.is_terminal():
                env.restart()
        return seconds

    work(20)
    rows = []
    for _ in range(job.repeats):
        row = {"env": 1e6 * work(job.steps) / job.steps}
        if bare is not None:
            row["bare"] = 1e6 * bare.play(job.steps) / job.steps
        rows.append(row)
    about = {
        "env": ("an action's frames and the screen after it, gray and shrunk", "µs"),
        "bare": ("bare emulation of as many frames", "µs"),
    }
    measured = _measured(rows, about, playing, work)
    figures = measured.figures
    if bare is not None:
        figures["ratio"] = ratio("environment ÷ bare emulation", figures["env"], figures["bare"])
    return measured


def replay(job: Job) -> Measured:
    """Draw minibatches."""
    playing = _learning(job)
    mem = _training(playing).mem

    def work(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            mem.get_minibatch()
        return time.perf_counter() - started

    rows = [{"minibatch": 1e6 * work(job.steps) / job.steps} for _ in range(job.repeats)]
    what = f"drawing a minibatch of {mem.batch_size}"
    return _measured(rows, {"minibatch": (what, "µs")}, playing, work)


def stand_in(job: Job) -> Measured:
    """Train beside the stand-in, each waiting while the other is timed.

    Raises:
        BenchError: the arguments ask for something it cannot do.
    """
    options = _options(job)
    can = options["environment"] == "ale" and options["game"] not in GAMES
    if not can or options["optimizer"] != "rmsprop" or options["batch_norm"]:
        raise BenchError(
            "stand_in: expected an Atari game by environment ale, optimizer rmsprop and no "
            f"batch_norm, got {options['game']} by {options['environment']}, "
            f"{options['optimizer']}, batch_norm {options['batch_norm']}; change these"
        )
    arguments, until = (
        SYSTEM.facts(options).arguments | {"system": SYSTEM.NAME},
        _learns_at(options),
    )
    settings = {"arguments": arguments, "cores": job.cores, "until": until}
    command = [sys.executable, "-m", "dqn_port.systems.simple_dqn.bench.stand_in"]
    with (
        start_playing(arguments, job.cores, until=until) as ours,
        Worker("stand-in in eager PyTorch", command, settings) as theirs,
    ):
        workers = {"ours": ours, "stand_in": theirs}
        return Measured(take_turns(workers, rounds=job.repeats, steps=job.steps, warm_up=40))


PARTS: Final = {
    "train": Part(train, 200, "training, once it is learning"),
    "test": Part(test, 500, "a test phase"),
    "update": Part(update, 16, "minibatch update against its floor"),
    "act": Part(act, 300, "acting"),
    "env": Part(environment, 300, "an action and its screen against bare emulation"),
    "replay": Part(replay, 300, "drawing minibatches"),
    "stand_in": Part(stand_in, 200, "training beside a stand-in in eager PyTorch"),
}
"""Every part by its name."""
