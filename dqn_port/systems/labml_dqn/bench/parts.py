"""What ``dqn-port bench`` measures of labml's DQN.

Every part runs the program's own code, without evaluations. What is compared is measured in turns,
so that a machine's drift affects both.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from dqn_port.bench.figures import ratio
from dqn_port.bench.floor import flop_of_layers, update_and_floor
from dqn_port.bench.parts import Job, Measured, collected
from dqn_port.bench.playing import Playing, start_playing
from dqn_port.bench.races import take_turns
from dqn_port.errors import BenchError
from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.picture_games import Emulator
from dqn_port.games.toy import GAMES
from dqn_port.systems.labml_dqn.bench.stand_in import start_stand_in
from dqn_port.systems.labml_dqn.experiment import Trainer
from dqn_port.systems.labml_dqn.picture import SIZE
from dqn_port.systems.labml_dqn.replay_buffer import TREE_DTYPES, ReplayBuffer
from dqn_port.systems.labml_dqn.storage import Stacks
from dqn_port.systems.labml_dqn.system import SYSTEM

_NEVER: Final = 2**40
"""Updates that no measurement reaches."""
_WARM_UP: Final = 2
"""Updates that each makes before it is timed."""
_HELD: Final = (2**14, 2**20)
"""Sizes of the replays whose trees are measured."""
_RESET: Final = -1
"""Stands for a new game among the recorded actions."""


def uninterrupted(job: Job, **changes: Any) -> dict[str, Any]:
    """Return the job's options without evaluations."""
    return job.options | {"threads": job.threads, "eval_updates": _NEVER} | changes


def updates_to_fill(options: dict[str, Any]) -> int:
    """Return how many updates it takes until the replay is full."""
    return math.ceil(options["capacity"] / (options["n_workers"] * options["worker_steps"]))


def update(job: Job) -> Measured:
    """Learn from minibatches, in turns with the machine's best matrix products.

    This includes drawing, both networks' forward passes, backward pass, Adam and priorities.
    """
    options = uninterrupted(job)
    playing = Playing(SYSTEM, options)
    playing.play(updates_to_fill(options))
    training: Any = playing.training
    assert isinstance(training, Trainer)

    def work(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            training.train(0.4)
        seconds = time.perf_counter() - started
        training.tracker.forget()
        return seconds

    batch, forward = options["mini_batch_size"], flop_of_forward(training.model)
    flop = flop_of_layers(forward, batch)
    if options["double"]:
        flop += batch * sum(forward)
    return update_and_floor(job, work, job.steps, flop)


def flop_of_forward(model: nn.Module) -> list[float]:
    """Return the floating-point operations of each layer's products, for one stack."""
    found: list[float] = []

    def note(layer: nn.Module, inputs: Sequence[torch.Tensor], output: torch.Tensor) -> None:
        assert isinstance(layer.weight, torch.Tensor)
        found.append(2.0 * layer.weight[0].numel() * output.numel())

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    with torch.no_grad():
        model(torch.zeros(1, 4, SIZE, SIZE))
    for hook in hooks:
        hook.remove()
    return found


def whole_loop(job: Job) -> Measured:
    """Train beside the stand-in, each waiting while the other is timed.

    Raises:
        BenchError: one of them ends, or the stand-in cannot play the game.
    """
    options = uninterrupted(job)
    if options["game"] in GAMES:
        raise BenchError(
            f"stand_in: expected an Atari game, got {options['game']}; set game=breakout"
        )
    until = updates_to_fill(options)
    with (
        start_stand_in(options, job.cores, until=until) as stand_in,
        start_playing(options | {"system": SYSTEM.NAME}, job.cores, until=until) as ours,
    ):
        workers = {"ours": ours, "stand_in": stand_in}
        figures = take_turns(workers, rounds=job.repeats, steps=job.steps, warm_up=_WARM_UP)
    return Measured(figures)


class _Games:
    """Records the actions of a training's games, to repeat them on bare emulators."""

    def __init__(self, emulators: Sequence[Emulator]) -> None:
        self._told: list[list[int]] = [[] for _ in emulators]
        self._bare = []
        for emulator, told in zip(emulators, self._told, strict=True):
            assert isinstance(emulator, AleEmulator)
            self._bare.append(AleEmulator(emulator._env, emulator._game_path, reset="ale").ale)
            self._actions = emulator._by_number
            self._note(emulator, told)

    def _note(self, emulator: Emulator, told: list[int]) -> None:
        act, reset_game = emulator.act, emulator.reset_game

        def noted(action: int) -> float:
            told.append(action)
            return act(action)

        def noted_reset() -> None:
            told.append(_RESET)
            reset_game()

        vars(emulator).update(act=noted, reset_game=noted_reset)

    def emulate(self) -> float:
        """Repeat what was recorded since the last call and return the seconds."""
        started = time.perf_counter()
        for ale, told in zip(self._bare, self._told, strict=True):
            act = ale.act
            for action in told:
                if action == _RESET:
                    ale.reset_game()
                else:
                    act(self._actions[action])
            told.clear()
        return time.perf_counter() - started


def filling(job: Job) -> Measured:
    """Play before learning starts, in turns with bare emulation of the same games.

    Bare emulation is ale-py alone: the same actions and new games, without fetching a screen.
    """
    needed = (job.repeats + 2) * job.steps * job.options["n_workers"]
    options = uninterrupted(job, capacity=max(needed, job.options["capacity"]))
    playing = Playing(SYSTEM, options)
    training: Any = playing.training
    emulators = [game.env.emulator for game in training.games]
    games = _Games(emulators) if isinstance(emulators[0], AleEmulator) else None
    playing.ticks(job.steps)
    steps, rows = job.steps * options["n_workers"], []
    if games is not None:
        games.emulate()
    for _ in range(job.repeats):
        row = {"fill": steps / playing.ticks(job.steps)}
        if games is not None:
            row["bare"] = steps / games.emulate()
        rows.append(row)
    about = {
        "fill": ("filling the replay", "agent steps/s"),
        "bare": ("bare emulation of the same games", "agent steps/s"),
    }
    figures = collected(rows, about)
    if games is not None:
        figures["ratio"] = ratio("filling ÷ bare emulation", figures["fill"], figures["bare"])
    return Measured(figures)


def trees(job: Job) -> Measured:
    """Draw minibatches with their weights, and write their priorities back."""
    batch = job.options["mini_batch_size"]
    rounds = {held: _priorities(job.options, held) for held in _HELD}
    for work in rounds.values():
        work(batch, job.steps)
    rows: list[dict[str, float]] = []
    for _ in range(job.repeats):
        row = {}
        for held, work in rounds.items():
            row[f"draw_{held}"], row[f"write_{held}"] = work(batch, job.steps)
        rows.append(row)
    about = {
        f"{name}_{held}": (f"{what} of {held:,}", "µs")
        for held in _HELD
        for name, what in (
            ("draw", f"drawing {batch} with their weights"),
            ("write", f"writing {batch} priorities back"),
        )
    }
    figures = collected(rows, about)
    small, large = _HELD
    for name in ("draw", "write"):
        of, to = figures[f"{name}_{large}"], figures[f"{name}_{small}"]
        figures[f"{name}_ratio"] = ratio(f"{of.what} ÷ of {small:,}", of, to)
    return Measured(figures)


def _priorities(options: dict[str, Any], held: int) -> Callable[[int, int], tuple[float, float]]:
    """Return a function that times draws and writes, in µs each, on a replay of ``held``."""
    dtype = TREE_DTYPES[options["tree_dtype"]]
    storage = Stacks(1, 1, 1)
    replay = ReplayBuffer(held, options["alpha"], storage, random.Random(1), dtype=dtype)
    replay.added = held
    replay.update_priorities(
        np.arange(held), np.random.default_rng(1).random(held, dtype=np.float32) + np.float32(1e-6)
    )

    def work(batch: int, count: int) -> tuple[float, float]:
        started = time.perf_counter()
        drawn = [replay.draw(batch, 0.4)[0] for _ in range(count)]
        between = time.perf_counter()
        for indexes in drawn:
            replay.update_priorities(indexes, _SOME[:batch])
        ended = time.perf_counter()
        return 1e6 * (between - started) / count, 1e6 * (ended - between) / count

    return work


_SOME: Final = np.random.default_rng(2).random(4096, dtype=np.float32) + np.float32(1e-6)
"""Priorities to write."""
