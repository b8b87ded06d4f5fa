"""The program's own loops, ready to be timed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from dqn_port.bench.emulation import BareEmulation
from dqn_port.systems.lua_dqn.evaluation import Evaluation, EvaluationState
from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.player import EVALUATION_EPSILON
from dqn_port.systems.lua_dqn.setup import setup
from dqn_port.systems.lua_dqn.train_agent import Training, TrainState

NEVER: Final = 2**52
"""Agent steps that no measurement reaches."""

RANDOM_STEPS: Final = 2_000
"""Most agent steps played at random before learning starts."""


def uninterrupted(opt: Options, *, threads: int, steps: int = NEVER) -> Options:
    """Return the options of a training of ``steps`` without evaluations, reports or saves."""
    return dataclasses.replace(
        opt, threads=threads, steps=steps, eval_freq=NEVER, prog_freq=NEVER, save_freq=NEVER
    )


def with_params(opt: Options, **params: Any) -> Options:
    """Return the options with other agent_params."""
    return dataclasses.replace(opt, agent_params=opt.agent_params | params)


def soon_learning(opt: Options, *, random_steps: int = RANDOM_STEPS) -> Options:
    """Return options with which learning starts after ``random_steps``, with the final ε.

    Until then it plays at random, as the arguments' own first steps do, for at least as many steps
    as the sampling buffer needs, or fewer if the arguments say so.
    """
    params = opt.agent_params
    learn_start = min(params["learn_start"], max(random_steps, params.get("bufferSize", 0)))
    return with_params(opt, learn_start=learn_start, ep_endt=1)


def never_learning(opt: Options) -> Options:
    """Return options with which learning never starts."""
    return with_params(opt, learn_start=NEVER)


def bare_emulation(opt: Options, actions: Sequence[int]) -> BareEmulation | None:
    """Return the game that the options name; None if it is not an Atari game."""
    if opt.framework != "alewrap":
        return None
    return BareEmulation(opt.env, opt.game_path, actions, frames=opt.actrep)


class Loop:
    """A training that is set up and played by the program's own code."""

    def __init__(self, opt: Options) -> None:
        """Set up what ``opt`` names."""
        self.ready = setup(opt)
        self.opt = self.ready.opt
        self.env, self.agent = self.ready.env, self.ready.agent
        self.training = Training(self.env, self.agent, self.opt, save=self._save)
        self._evaluation = Evaluation(self.env, self.agent, epsilon=EVALUATION_EPSILON)
        self._evaluation_state = EvaluationState()
        self._cuda = self.agent.network.w.device.type == "cuda"

    @staticmethod
    def _save(state: TrainState) -> Path:
        raise AssertionError("nothing is saved while measuring")

    def learn(self) -> None:
        """Play until learning has started and the first updates are done."""
        self.play(self.agent.learn_start + 2 + 8 * getattr(self.agent, "update_freq", 1))

    def settle(self) -> None:
        """Wait until the device has finished its work."""
        if self._cuda:
            torch.cuda.synchronize()

    def play(self, steps: int) -> float:
        """Play agent steps of the training and return how many seconds they took."""
        tick = self.training.tick
        self.settle()
        started = time.perf_counter()
        for _ in range(steps):
            tick()
        self.settle()
        return time.perf_counter() - started

    def evaluate(self, steps: int) -> float:
        """Play agent steps of an evaluation and return how many seconds they took."""
        tick, state, at = self._evaluation.tick, self._evaluation_state, self.training.state.at
        self.settle()
        started = time.perf_counter()
        for _ in range(steps):
            at = tick(at, state)
        self.settle()
        seconds = time.perf_counter() - started
        self.training.state.at = at
        return seconds
