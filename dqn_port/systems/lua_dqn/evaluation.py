"""Evaluate the network inside a training. Lua: the evaluation in train_agent.lua."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dqn_port.systems.lua_dqn.slots import Agent, GameEnvironment, State


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One finished episode of an evaluation."""

    reward: float
    """Undiscounted sum of the game's own rewards."""
    steps: int
    """Agent steps."""


@dataclass(kw_only=True)
class EvaluationState:
    """The state of an evaluation."""

    steps: int = 0
    n_rewards: int = 0
    """Steps with a reward that is not 0."""
    episode_reward: float = 0.0
    episode_steps: int = 0
    episodes: list[Episode] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def mean_reward(self) -> float:
        """Return the mean over the finished episodes; 0 without one, as in the original."""
        return sum(e.reward for e in self.episodes) / max(1, len(self.episodes))


class Evaluation:
    """Play ``agent`` in ``env`` with probability ``epsilon`` of a random action.

    This is no Player: it plays on in the training's own game with its generator, and keeps all of
    its state in EvaluationState, so that a run can stop and resume inside it.
    """

    def __init__(
        self,
        env: GameEnvironment,
        agent: Agent,
        *,
        epsilon: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """``env`` and ``agent`` are the training's; ``clock`` gives seconds."""
        self.env, self.agent, self.epsilon = env, agent, epsilon
        self._clock = clock

    def tick(self, at: State, state: EvaluationState) -> State:
        """Play one agent step from ``at``, update ``state``, and return the next observation.

        Lua quirk: lost lives are not terminal here, the agent never sees the last screen of a
        game, and rewards of null frames count nowhere (tests/systems/lua_dqn/test_loop_traces.py).
        """
        started = self._clock()
        screen, reward, terminal = at
        action = self.agent.perceive(reward, screen, terminal, True, self.epsilon)
        if action is None:
            # The last null frame of a random start has ended the game: Lua fails here.
            at = self.env.next_random_game()
            state.steps += 1
            state.seconds += self._clock() - started
            return at
        screen, reward, terminal = self.env.step(self.env.actions[action])
        state.steps += 1
        state.episode_steps += 1
        state.episode_reward += reward
        state.n_rewards += reward != 0
        if terminal:
            state.episodes.append(Episode(reward=state.episode_reward, steps=state.episode_steps))
            state.episode_reward, state.episode_steps = 0.0, 0
            screen, reward, terminal = self.env.next_random_game()
        state.seconds += self._clock() - started
        return screen, reward, terminal
