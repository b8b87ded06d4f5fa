"""What the homework puts around a raw game, from OpenAI's baselines.

Practical_RL: atari_wrappers.py. Wrappers use gymnasium's interface; terminated or truncated is the
original's done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError, UsageError
from dqn_port.fields import Fields
from dqn_port.games.gymnasium.making import Env, meanings
from dqn_port.systems.practical_rl.raw_game import RawGame

Seen = NDArray[Any]
Stepped = tuple[Seen, float, bool, bool, dict[str, Any]]
"""Observation, reward, terminated, truncated, info."""


class Wrapper(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A wrapper of any environment."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Seen, dict[str, Any]]:
        """Begin an episode."""
        return self.env.reset(seed=seed, options=options)


class MaxAndSkipEnv(Wrapper):
    """Play every action for four frames and show the maximum of the last two.

    Practical_RL: atari_wrappers.py, MaxAndSkipEnv

    Quirk: the two frames are kept from skip to skip, so that a game that ends in the middle of a
    skip shows older ones; a lost life does not end the skip; after a reset the frame is shown as it
    is (test_atari_wrappers.py).
    """

    def __init__(self, env: Env, skip: int = 4) -> None:
        """Take an environment; of a RawGame both frames are shown, and no maximum is made yet."""
        super().__init__(env)
        space, game = env.observation_space, env.unwrapped
        self._obs_buffer = np.zeros((2, *(space.shape or ())), dtype=space.dtype)
        self._game = game if isinstance(game, RawGame) else None
        if self._game is not None:
            self._obs_buffer = self._game.shown(self._obs_buffer)
        self._skip = skip

    def step(self, action: int) -> Stepped:
        """Play up to ``skip`` frames; the reward is their sum."""
        total_reward = 0.0
        terminated = truncated = False
        info: dict[str, Any] = {}
        for i in range(self._skip):
            obs, reward, terminated, truncated, info = self.env.step(action)
            if i == self._skip - 2:
                self._obs_buffer[0] = obs
            if i == self._skip - 1:
                self._obs_buffer[1] = obs
            total_reward += float(reward)
            if terminated or truncated:
                break
        buffer = self._obs_buffer
        seen = buffer.max(axis=0) if self._game is None else buffer.copy()
        return seen, total_reward, terminated, truncated, info

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        game, buffer = self._game, self._obs_buffer
        pictures = buffer if game is None else np.stack([game.painted(screen) for screen in buffer])
        return {"obs_buffer": pictures}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: a field is missing or damaged.
        """
        fields = Fields(state, "environment.MaxAndSkipEnv")
        buffer = fields.array("obs_buffer", self.state_dict()["obs_buffer"])
        if self._game is None:
            self._obs_buffer = buffer.copy()
            return
        try:
            self._obs_buffer = self._game.shown(buffer)
        except ValueError as error:
            raise CheckpointError(
                f"environment.MaxAndSkipEnv.obs_buffer: expected the game's colours, got {error}"
            ) from error


class EpisodicLifeEnv(Wrapper):
    """End an episode when a life is lost, but reset the game only when it is over.

    Practical_RL: atari_wrappers.py, EpisodicLifeEnv

    Quirk: an unneeded reset continues in the same life; if the game ends in the reset's no-op, this
    is noticed only in the next step (test_atari_wrappers.py).
    """

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self._ale = env.unwrapped.ale  # type: ignore[attr-defined]
        self.lives = 0
        self.was_real_done = True

    def step(self, action: int) -> Stepped:
        """Play; a lost life terminates."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        self.was_real_done = terminated or truncated
        lives = self._ale.lives()
        if 0 < lives < self.lives:
            terminated = True
        self.lives = lives
        return obs, float(reward), terminated, truncated, info

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Seen, dict[str, Any]]:
        """Reset the game if it is over; otherwise play a no-op, whatever its result."""
        if self.was_real_done:
            obs, info = self.env.reset(seed=seed, options=options)
        else:
            obs, _, _, _, info = self.env.step(0)
        self.lives = self._ale.lives()
        return obs, info

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        return {"lives": int(self.lives), "was_real_done": bool(self.was_real_done)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: a field is missing or damaged.
        """
        fields = Fields(state, "environment.EpisodicLifeEnv")
        lives, was_real_done = fields.integer("lives", low=0), fields.boolean("was_real_done")
        self.lives, self.was_real_done = lives, was_real_done


class FireResetEnv(Wrapper):
    """Press FIRE and then action 2 at the start of an episode.

    Practical_RL: atari_wrappers.py, FireResetEnv

    Quirk: if either ends the episode, the inner reset is called, but the picture after action 2 is
    returned; the rewards of both are lost (test_atari_wrappers.py).
    """

    def __init__(self, env: Env) -> None:
        """Take an environment.

        Raises:
            UsageError: its action 1 is not FIRE, or there are fewer than three actions.
        """
        super().__init__(env)
        names = meanings(env)
        if len(names) < 3 or names[1] != "FIRE":
            raise UsageError(
                f"fire_reset: expected a game with three actions or more, the second FIRE, got "
                f"{', '.join(names)}; set fire_reset=false"
            )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Seen, dict[str, Any]]:
        """Reset, FIRE, action 2."""
        self.env.reset(seed=seed, options=options)
        _, _, terminated, truncated, _ = self.env.step(1)
        if terminated or truncated:
            self.env.reset()
        obs, _, terminated, truncated, info = self.env.step(2)
        if terminated or truncated:
            self.env.reset()
        return obs, info


class ClipRewardEnv(Wrapper):
    """Learn from the sign of a reward: −1, 0 or 1.

    Practical_RL: atari_wrappers.py, ClipRewardEnv
    """

    def step(self, action: int) -> Stepped:
        """Play; the reward is its sign."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        return obs, float(np.sign(float(reward))), terminated, truncated, info
