"""Evaluate: play games, or lives, in a separate environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.games.gymnasium.making import Env
from dqn_port.systems.practical_rl.dqn_agent import DQNAgent
from dqn_port.systems.practical_rl.make_env import put_back, record_of, state_of

_MOST_GAMES: Final = 10**6


class Evaluation:
    """Greedy games by one network, one step at a time.

    Practical_RL: homework_pytorch_main.ipynb, evaluate

    Quirk: with EpisodicLifeEnv a game is a life, and one that ``t_max`` cuts is continued as the
    next (test_main_loop.py). The value of the first state is the notebook's initial state's V: an
    environment with the same seed starts in the same state.
    """

    def __init__(self, env: Env, agent: DQNAgent, *, n_games: int, t_max: int, seed: int) -> None:
        self.env, self._agent = env, agent
        self.n_games, self._t_max, self._seed = n_games, t_max, seed
        self.rewards: list[float] = []
        """Rewards, as in training, of each game or life that is over."""
        self.cut = 0
        """Number of them that t_max ended."""
        self.steps = 0
        """Played in all."""
        self.initial_state_v = 0.0
        self._t, self._reward = 0, 0.0
        self._s: NDArray[Any] = np.zeros(())

    @property
    def done(self) -> bool:
        """Whether all games are over."""
        return len(self.rewards) == self.n_games

    def step(self) -> None:
        """Play one step, after beginning an episode if none is in progress."""
        if self._t == 0:
            first = not self.steps
            self._s, _ = self.env.reset(seed=self._seed if first else None)
        qvalues = self._agent.get_qvalues(self._s[None])
        if not self.steps:
            self.initial_state_v = float(qvalues.max())
        action = int(qvalues.argmax(axis=-1)[0])
        self._s, reward, terminated, truncated, _ = self.env.step(action)
        self._reward += float(reward)
        self._t += 1
        self.steps += 1
        ended = terminated or truncated
        if ended or self._t == self._t_max:
            self.rewards.append(self._reward)
            self.cut += not ended
            self._t, self._reward = 0, 0.0

    def results(self) -> dict[str, Any]:
        """Return the results, by column of the history."""
        games = record_of(self.env).games
        earned = [game.earned for game in games]
        return {
            "mean_reward_per_life": float(np.mean(self.rewards)),
            "initial_state_v": self.initial_state_v,
            "mean_return_per_game": float(np.mean(earned)) if earned else None,
            "lives": len(self.rewards),
            "cut_lives": self.cut,
            "games": len(games),
            "distinct_games": len({(game.crc, game.frames) for game in games}),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        return {
            "environment": state_of(self.env),
            "rewards": list(self.rewards),
            "cut": self.cut,
            "steps": self.steps,
            "initial_state_v": self.initial_state_v,
            "t": self._t,
            "reward": self._reward,
            "s": self._s,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state; if the game cannot be restored, the episode starts over.

        Raises:
            CheckpointError: a field is missing or damaged.
        """
        fields = Fields(state, "evaluation")
        rewards = fields.numbers("rewards", float)
        t = fields.integer("t", low=0, high=self._t_max - 1)
        cut = fields.integer("cut", low=0, high=len(rewards))
        steps = fields.integer("steps", low=0)
        initial_state_v, reward = fields.number("initial_state_v"), fields.number("reward")
        if len(rewards) >= self.n_games:
            raise CheckpointError(
                f"evaluation.rewards: expected fewer than {self.n_games}, got {len(rewards)}"
            )
        space = self.env.observation_space
        s = self._s
        if t:
            s = fields.array("s", np.empty(space.shape or (), dtype=space.dtype)).copy()
        there = put_back(self.env, fields.raw("environment"))
        self.rewards, self.cut, self.steps = rewards, cut, steps
        self.initial_state_v, self._s = initial_state_v, s
        self._t, self._reward = (t, reward) if there else (0, 0.0)
