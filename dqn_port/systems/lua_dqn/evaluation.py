"""Play with a network that does not learn, and count.

Lua: the evaluation inside train_agent.lua. All of its state stands in EvaluationState, so that
a run can stop and go on inside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from dqn_port.systems.lua_dqn.slots import Agent, GameEnvironment, State


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One finished episode of an evaluation."""

    reward: float
    """Undiscounted sum of the game's own rewards."""
    steps: int
    """Agent steps."""
    cut: bool = False
    """Whether it was ended by the limit of its length rather than by the game."""


@dataclass(kw_only=True)
class EvaluationState:
    """Where an evaluation stands."""

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


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the episodes of an evaluation come to; None without an episode."""

    mean: float | None
    std: float | None
    """Standard deviation of a sample (n − 1); 0 for one episode."""
    max: float | None

    @classmethod
    def of(cls, episodes: Sequence[Episode]) -> Summary:
        """Return the summary of finished episodes."""
        rewards = [episode.reward for episode in episodes]
        if not rewards:
            return cls(mean=None, std=None, max=None)
        return cls(
            mean=statistics.fmean(rewards),
            std=statistics.stdev(rewards) if len(rewards) > 1 else 0.0,
            max=max(rewards),
        )


class Evaluation:
    """Play ``agent`` in ``env`` with probability ``epsilon`` of a random action."""

    def __init__(
        self,
        env: GameEnvironment,
        agent: Agent,
        *,
        epsilon: float,
        max_episode_steps: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """``max_episode_steps`` (agent steps) ends an episode; None: the game does."""
        self.env, self.agent, self.epsilon = env, agent, epsilon
        self._max_episode_steps = max_episode_steps
        self._clock = clock

    def tick(self, at: State, state: EvaluationState) -> State:
        """Play one agent step from ``at``, change ``state``, and return what is seen next.

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
        cut = not terminal and state.episode_steps == self._max_episode_steps
        if terminal or cut:
            state.episodes.append(
                Episode(reward=state.episode_reward, steps=state.episode_steps, cut=cut)
            )
            state.episode_reward, state.episode_steps = 0.0, 0
            screen, reward, terminal = self.env.next_random_game()
        state.seconds += self._clock() - started
        return screen, reward, terminal

    def play(self, *, episodes: int | None = None, steps: int | None = None) -> Iterator[Episode]:
        """Yield the finished episodes of an evaluation of so many episodes, or so many steps.

        By steps it begins with a new game, as an evaluation in training does; by episodes every
        one has its random start.
        """
        state = EvaluationState()
        at = self.env.next_random_game() if steps is None else self.env.new_game()
        yielded = 0
        while (state.steps < steps) if steps is not None else (yielded < (episodes or 0)):
            at = self.tick(at, state)
            if len(state.episodes) > yielded:
                yielded += 1
                yield state.episodes[-1]
