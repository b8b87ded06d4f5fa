"""Observe a training and record what the original's traces hold.

Environment, agent and replay are those of ``dqn-port train``; their public methods are wrapped, not
replaced.
"""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.games.toy import ToyEmulator
from dqn_port.systems.lua_dqn.game_environment import GameEnvironment
from dqn_port.systems.lua_dqn.neural_q_learner import NeuralQLearner
from dqn_port.systems.lua_dqn.rmsprop import EPSILON
from dqn_port.systems.lua_dqn.setup import Setup
from dqn_port.systems.lua_dqn.slots import Minibatch, Network
from dqn_port.systems.lua_dqn.train_agent import Training, TrainState
from dqn_port.systems.lua_dqn.transition_table import TransitionTable
from dqn_port.verify.comparing import FIRST64, LAST64, SUM_SUMSQ_MAX, sum_sumsq_max

Floats = NDArray[np.float32]
Minibatches = list[tuple[Minibatch, torch.Tensor, torch.Tensor]]
"""(batch, delta, q2_max)."""

FINALS: Final = ("g", "g2", "deltas", "dw", "w")


def flat(tensor: torch.Tensor) -> Floats:
    """Return a copy of a tensor as a vector in main memory."""
    vector: Floats = tensor.detach().reshape(-1).cpu().numpy().copy()
    return vector


def deltas(agent: NeuralQLearner) -> torch.Tensor:
    """Return what the last update added to the weights, float32 [n_params]."""
    g, g2 = agent.optimiser.g, agent.optimiser.g2
    return agent.network.dw * agent.lr / (g2 - g * g + EPSILON).sqrt()


def final_vectors(agent: NeuralQLearner) -> dict[str, Floats]:
    """Return the weights, and the vectors of the last update, by FINALS."""
    g, g2 = agent.optimiser.g, agent.optimiser.g2
    vectors = (g, g2, deltas(agent), agent.network.dw, agent.network.w)
    return {name: flat(vector) for name, vector in zip(FINALS, vectors, strict=True)}


def checksums(vector: Floats) -> dict[str, NDArray[Any]]:
    """Return a vector's checksums by the endings of their names."""
    return {SUM_SUMSQ_MAX: sum_sumsq_max(vector), FIRST64: vector[:64], LAST64: vector[-64:]}


def _sum_of_squares(tensor: torch.Tensor) -> float:
    norm: torch.Tensor = torch.linalg.vector_norm(tensor.detach(), dtype=torch.float64)
    return norm.item() ** 2


def _sum_as_floats(s: torch.Tensor) -> float:
    """Return the sum, in double, of bytes as floats 0..1, as the original sums a state."""
    return s.float().div_(255).sum(dtype=torch.float64).item()


class Watcher:
    """Play a run through Training and record it, row by row.

    ``calls`` are the perceive calls in training and evaluation, counted from 1.
    """

    def __init__(self, ready: Setup, *, names: set[str], w_steps: set[int]) -> None:
        """``names``: the costly columns to record; ``w_steps``: when to record the weights."""
        self._ready, self._names, self._w_steps = ready, names, w_steps
        self.agent = cast(NeuralQLearner, ready.agent)
        self.table = cast(TransitionTable, self.agent.transitions)
        self._draws_of_weights = self.agent.generator.n_draws - 1
        self.calls = 0
        self.columns: dict[str, list[float]] = defaultdict(list)
        """By the names of the trace's arrays: p_*, mb_*."""
        self.q: list[Floats] = []
        self.q_call: list[int] = []
        self.sample_index: list[NDArray[np.int64]] = []
        self.fills: list[tuple[int, ...]] = []
        self.weights: dict[int, dict[str, NDArray[Any]]] = {}
        """num_steps → the weights' checksums, and the weights if the trace holds them."""
        self.best: list[tuple[int, int, Network]] = []
        """(call, num_steps, network) of every new best network."""
        self.emu: list[tuple[int, ...]] = []
        self._choosing = False
        self._updates: Minibatches | None = None
        self._wrap()
        self._note_weights()

    def _wrap(self) -> None:
        agent, table = self.agent, self.table
        self._perceive, self._choose = agent.perceive, agent.choose_greedily
        self._forward, self._get_q_update = agent.network.forward, agent.get_q_update
        self._learn, self._validate = agent.q_learn_minibatch, agent.compute_validation_statistics
        self._fill_buffer = table.fill_buffer
        changes: list[tuple[object, str, Any]] = [
            (agent, "perceive", self.perceive),
            (agent, "choose_greedily", self.choose_greedily),
            (agent, "get_q_update", self.get_q_update),
            (agent, "q_learn_minibatch", self.q_learn_minibatch),
            (agent, "compute_validation_statistics", self.compute_validation_statistics),
            (agent.network, "forward", self.forward),
            (table, "fill_buffer", self.fill_buffer),
        ]
        env = cast(GameEnvironment, self._ready.env)
        emulator = getattr(env, "emulator", None)
        if isinstance(emulator, ToyEmulator) and "emu" in self._names:
            self._act, self._reset_game = emulator.act, emulator.reset_game
            self._emulator = emulator
            changes += [(emulator, "act", self.act), (emulator, "reset_game", self.reset_game)]
            # The first frame was played when the environment was built.
            self._note_frame(0, env.get_state()[1])
        for owner, name, method in changes:
            setattr(owner, name, method)

    def run(self) -> Iterator[int]:
        """Play to the end; yield the number of calls from time to time."""
        ready = self._ready
        training = Training(ready.env, self.agent, ready.opt, save=lambda state: Path())
        self.state: TrainState = training.state
        best = None
        while not training.done:
            training.tick()
            if training.state.best_network is not best:
                best = training.state.best_network
                assert best is not None
                self.best.append((self.calls + 1, self.agent.num_steps, best))
            if self.calls % 100 == 0:
                yield self.calls

    # The agent.

    def perceive(
        self,
        reward: float,
        rawstate: Any,
        terminal: bool,
        testing: bool = False,
        testing_ep: float | None = None,
    ) -> int | None:
        """Record a call: its arguments, its result and the agent's state."""
        agent, table = self.agent, self.table
        self.calls += 1
        before = agent.num_steps
        # A terminal does not set it.
        agent.greedy = False
        action = self._perceive(reward, rawstate, terminal, testing, testing_ep)
        assert agent.last_action is not None
        assert agent.last_state is not None
        self._add(
            "p",
            numSteps=before,
            testing=testing,
            reward=reward,
            terminal=terminal,
            ret=0 if action is None else action + 1,
            lastAction=agent.last_action + 1,
            greedy=agent.greedy,
            bestq=agent.bestq if agent.greedy and agent.bestq is not None else math.nan,
            ep=agent.ep,
            lr=agent.lr,
            ndraw=agent.generator.n_draws - self._draws_of_weights,
            state_bytesum=int(agent.last_state.sum()),
            recent_sum=_sum_as_floats(torch.from_numpy(table.get_recent())),
            insertIndex=self._insert_index(),
            numEntries=table.num_entries,
            r_max=agent.r_max,
        )
        if not testing:
            self._note_weights()
        return action

    def _note_weights(self) -> None:
        if self.agent.num_steps in self._w_steps:
            w = flat(self.agent.network.w)
            whole = {"": w} if "w" in self._names else {}
            self.weights[self.agent.num_steps] = checksums(w) | whole

    def _add(self, prefix: str, **row: float) -> None:
        for name, value in row.items():
            self.columns[f"{prefix}_{name}"].append(value)

    def _insert_index(self) -> int:
        """Return the slot last written, 1-based, 0 when the table is empty, as Lua counts it."""
        table = self.table
        return (table.insert_index - 1) % table.max_size + 1 if table.num_entries else 0

    def choose_greedily(self, state: NDArray[np.uint8]) -> int:
        """Record the action values computed for the choice."""
        self._choosing = True
        try:
            return self._choose(state)
        finally:
            self._choosing = False

    def forward(self, s: torch.Tensor) -> torch.Tensor:
        """Record action values if they are for a choice."""
        q = self._forward(s)
        if self._choosing:
            self.q.append(flat(q))
            self.q_call.append(self.calls)
        return q

    # Learning and validation.

    def get_q_update(
        self, batch: Minibatch, *, keep: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Collect the parts of an update, or of a validation."""
        targets, delta, q2_max = self._get_q_update(batch, keep=keep)
        if self._updates is not None:
            self._updates.append((batch, delta.clone(), q2_max.clone()))
        return targets, delta, q2_max

    @contextlib.contextmanager
    def _collecting(self, *, is_learn: bool) -> Iterator[None]:
        """Record one row for all parts: a validation has several."""
        self._updates = []
        yield
        parts, self._updates = self._updates, None
        batches = [batch for batch, _, _ in parts]
        delta = torch.cat([delta for _, delta, _ in parts]).double().cpu()
        r = torch.cat([batch.r for batch in batches]).double()
        self._add(
            "mb",
            call=self.calls,
            numSteps=self.agent.num_steps,
            is_learn=is_learn,
            r_max=self.agent.r_max,
            a_sum=sum(int(batch.a.sum()) + len(batch.a) for batch in batches),
            r_mean=r.mean().item(),
            term_sum=sum(int(batch.term.sum()) for batch in batches),
            q2_max_mean=torch.cat([q2_max for _, _, q2_max in parts]).double().mean().item(),
            mean_delta=delta.mean().item(),
            mean_abs_delta=delta.abs().mean().item(),
        )
        if "mb_s_sum" in self._names:
            self._add("mb", s_sum=sum(_sum_as_floats(batch.s) for batch in batches))
        if "mb_s2_sum" in self._names:
            self._add("mb", s2_sum=sum(_sum_as_floats(batch.s2) for batch in batches))

    def q_learn_minibatch(self) -> None:
        """Record an update, and the vectors after it."""
        with self._collecting(is_learn=True):
            self._learn()
        agent = self.agent
        self._add("mb", lr=agent.lr)
        if "mb_dw_ss" in self._names:
            self._add("mb", dw_ss=_sum_of_squares(agent.network.dw))
        if "mb_w_ss" in self._names:
            self._add("mb", w_ss=_sum_of_squares(agent.network.w))
        if "mb_deltas_ss" in self._names:
            self._add("mb", deltas_ss=_sum_of_squares(deltas(agent)))

    def compute_validation_statistics(self) -> None:
        """Record a validation."""
        with self._collecting(is_learn=False):
            self._validate()

    # The replay and the emulator.

    def fill_buffer(self) -> None:
        """Record which transitions were drawn, and the number of draws."""
        generator = self.agent.generator
        draws = generator.n_draws
        self._fill_buffer()
        index = self.table.last_indices + 1
        self.sample_index.append(index)
        self.fills.append(
            (
                self.calls,
                self.table.num_entries,
                self._insert_index(),
                len(index),
                generator.n_draws - draws,
            )
        )

    def act(self, action: int) -> float:
        """Record a frame."""
        reward = self._act(action)
        self._note_frame(action, reward)
        return reward

    def reset_game(self) -> None:
        """Record a reset: the original then calls its emulator with the null action."""
        self._reset_game()
        self._note_frame(0, 0.0)

    def _note_frame(self, action: int, reward: float) -> None:
        e = self._emulator
        ball = (e.bx, e.by, e.dx, e.dy, e.waiting)
        counts = (e.hits, e.ticks)
        self.emu.append((action, int(reward), e.frame, e.ngames, e.lives(), e.px, *ball, *counts))
