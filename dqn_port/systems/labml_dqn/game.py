"""Play a game in steps of up to four frames, and stack the pictures. labml: game.py, Game."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.systems.labml_dqn.no_frameskip import Environment
from dqn_port.systems.labml_dqn.picture import SIZE, Shrinking

FRAMES: Final = 4
"""Frames of a step, and pictures of a stack."""

Stack = NDArray[np.uint8]
"""uint8 [4, 84, 84], the newest picture last."""


class Info(NamedTuple):
    """The result of an episode."""

    reward: float
    """Sum of its rewards, as the game gave them."""
    length: int
    """In agent steps."""


class Step(NamedTuple):
    """The result of a step."""

    obs: Stack
    """A copy. Quirk: of the next episode if this one is done, as its first four."""
    reward: float
    """Of up to four frames, not clipped."""
    done: bool
    info: Info | None
    """None while the episode continues."""


class Game:
    """One game, in which an episode is the first life.

    Quirk: a lost life begins a new game, so the agent plays first lives only; lives are compared
    with those at the reset, so that losing a life that was gained ends nothing
    (tests/systems/labml_dqn/test_game.py).
    """

    def __init__(self, env: Environment, seed: int, *, whole: bool = False) -> None:
        """``whole``: an episode is a whole game, whatever lives are lost."""
        self.env, self._whole = env, whole
        self._shrinking = Shrinking(env.height, env.width, env.grays)
        self._screens = np.empty((2, env.height, env.width), dtype=np.uint8)
        """The last two frames of a step."""
        env.seed(seed)
        self.obs_4: Stack = np.zeros((FRAMES, SIZE, SIZE), dtype=np.uint8)
        self.rewards: list[float] = []
        self.lives = 0
        self.ended_whole = False
        """Whether the last episode ended with its whole game, not by a lost life."""
        self.frames = 0
        """Emulator frames ever played."""
        self.watch: Callable[[], None] | None = None
        """Called after every frame."""

    def step(self, action: int) -> Step:
        """Play up to four frames with one action.

        Quirk: the end of a game without a lost life does not stop the four frames; the finished
        game is stepped on, and it is done if the last frame says so
        (tests/systems/labml_dqn/test_game.py).
        """
        reward, done = 0.0, False
        for i in range(FRAMES):
            r, done = self.env.step(action)
            reward += r
            self.frames += 1
            if self.watch is not None:
                self.watch()
            if i >= FRAMES - 2:
                self.env.get_screen(self._screens[i - FRAMES])
            self.ended_whole = done
            if not self._whole and self.env.lives() < self.lives:
                done = True
                break
        self.rewards.append(reward)
        if done:
            info = Info(sum(self.rewards), len(self.rewards))
            return Step(self.reset(), reward, True, info)
        # Quirk: the maximum of the small gray pictures, not of the screens.
        self.obs_4[:-1] = self.obs_4[1:]
        self.obs_4[-1] = self._shrinking.shrink(*self._screens)
        return Step(self.obs_4.copy(), reward, False, None)

    def reset(self) -> Stack:
        """Begin a new game; its first picture fills the stack."""
        self.env.reset()
        self.env.get_screen(self._screens[0])
        self.obs_4[:] = self._shrinking.shrink(self._screens[0], self._screens[0])
        self.rewards = []
        self.lives = self.env.lives()
        return self.obs_4.copy()

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        return {
            "env": self.env.state_dict(),
            "obs_4": self.obs_4.copy(),
            "rewards": list(self.rewards),
            "lives": self.lives,
            "frames": self.frames,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: it is not the state of such a game.
        """
        fields = Fields(state, "game")
        obs_4 = fields.array("obs_4", self.obs_4)
        rewards = fields.numbers("rewards", float)
        lives = fields.integer("lives", low=0)
        frames = fields.integer("frames", low=0)
        self.env.load_state_dict(fields.raw("env"))
        if not self._whole and self.env.lives() < lives:
            raise CheckpointError(
                f"game.lives: expected at most {self.env.lives()}, those left, got {lives}"
            )
        self.obs_4[:], self.rewards, self.lives, self.frames = obs_4, rewards, lives, frames
