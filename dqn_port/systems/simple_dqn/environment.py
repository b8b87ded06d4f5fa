"""The agent's environment: the Arcade Learning Environment, or one of gymnasium's.

simple_dqn: environment.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError, UsageError
from dqn_port.fields import Fields
from dqn_port.games.gymnasium.making import meanings
from dqn_port.games.picture_games import Emulator, action_names
from dqn_port.systems.simple_dqn.resize import resize

Picture = NDArray[np.uint8]

_MODES: Final = ("train", "test")


class Environment(Protocol):
    """A game as the agent sees it."""

    num_actions: int
    action_names: Sequence[str]
    frames: int
    """Emulator frames played so far."""

    def restart(self) -> None:
        """Start a new game, or continue if only a life was lost."""

    def act(self, action: int) -> float:
        """Do the action of this index and return its reward."""

    def get_screen(self) -> NDArray[np.uint8]:
        """Return the screen, gray and shrunk: uint8 [h, w]."""

    def is_terminal(self) -> bool:
        """Return whether the game, or what counts as one, has ended."""

    def set_mode(self, mode: str) -> None:
        """Set train or test."""

    def ended(self) -> Literal["life", "game"] | None:
        """Return why the game is over, a lost life or its end; None while it continues."""

    def picture(self) -> Picture:
        """Return the screen in colour: uint8 [height, width, 3]."""

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state."""


def gray_of(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return colours, uint8 [..., 3], as gray bytes, as OpenCV's cvtColor does."""
    weights = np.array((9798, 19235, 3735), dtype=np.int32)
    return ((rgb.astype(np.int32) @ weights + (1 << 14)) >> 15).astype(np.uint8)


class ALEEnvironment:
    """An emulator: every action is done ``frame_skip`` times."""

    def __init__(
        self,
        emulator: Emulator,
        *,
        frame_skip: int,
        screen_width: int,
        screen_height: int,
        sticky: bool = False,
    ) -> None:
        """``sticky``: whether the emulator draws a number at every frame, also after the end."""
        self.ale, self._frame_skip, self._sticky = emulator, frame_skip, sticky
        self._size = screen_width, screen_height
        self.num_actions = len(emulator.actions)
        self.action_names: Sequence[str] = action_names(emulator.actions)
        # The emulator's luminance of its 128 colours is the same as OpenCV's.
        self._gray = gray_of(emulator.palette)
        self._screen = np.empty((emulator.height, emulator.width), dtype=np.uint8)
        self.mode = "train"
        self.life_lost = False
        self.frames = 0
        self.on_frame: Callable[[], object] = lambda: None
        """Called before every frame."""

    def restart(self) -> None:
        """Reset the game, unless only a life was lost in training: then it continues."""
        if self.mode == "test" or not self.life_lost or self.ale.game_over():
            self.ale.reset_game()
        self.life_lost = False

    def act(self, action: int) -> int:
        """Do the action of this index for frame_skip frames and return the sum of rewards.

        Quirk: gaining a life counts as losing one (tests/systems/simple_dqn/test_quirks.py).
        """
        lives = self.ale.lives()
        number, reward = self.ale.actions[action], 0
        for _ in range(self._frame_skip):
            if self.ale.game_over() and not self._sticky:
                break
            self.on_frame()
            reward += int(self.ale.act(number))
            self.frames += 1
        self.life_lost = lives != self.ale.lives()
        return reward

    def get_screen(self) -> NDArray[np.uint8]:
        """Return the screen, gray and shrunk: uint8 [h, w]."""
        self.ale.get_screen(self._screen)
        return resize(self._screen, *self._size, self._gray)

    def gray_screen(self) -> NDArray[np.uint8]:
        """Return the emulator's screen in gray: uint8 [height, width]."""
        self.ale.get_screen(self._screen)
        return self._gray[self._screen]

    def is_terminal(self) -> bool:
        """Return whether the game is over or, in training, a life was lost."""
        return self.ended() is not None

    def ended(self) -> Literal["life", "game"] | None:
        """Return why the game is over, a lost life or its end; None while it continues."""
        if self.ale.game_over():
            return "game"
        return "life" if self.mode == "train" and self.life_lost else None

    def set_mode(self, mode: str) -> None:
        """Set train or test."""
        self.mode = mode

    def picture(self) -> Picture:
        """Return the screen in the emulator's colours: uint8 [height, width, 3]."""
        self.ale.get_screen(self._screen)
        return self.ale.palette[self._screen]

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        return {
            "mode": self.mode,
            "life_lost": self.life_lost,
            "frames": self.frames,
            "emulator": self.ale.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` gave.

        Raises:
            CheckpointError: it does not fit.
        """
        fields = Fields(state, "environment")
        mode = fields.take(
            "mode", "train or test", lambda value: type(value) is str and value in _MODES
        )
        life_lost, frames = fields.boolean("life_lost"), fields.integer("frames", low=0)
        self.ale.load_state_dict(fields.raw("emulator"))
        self.mode, self.life_lost, self.frames = mode, life_lost, frames


class GymEnvironment:
    """A gymnasium environment: without frame skip, lives or different modes.

    Each game is reset with its own seed, so that its state is the number of the game and the
    actions in it.
    """

    def __init__(self, env_id: str, *, seed: int, screen_width: int, screen_height: int) -> None:
        """Make and reset the environment; the original did not, and failed without a random phase.

        Raises:
            UsageError: there is none of that id, or it shows no pictures or takes no numbers.
        """
        import ale_py
        import gymnasium

        gymnasium.register_envs(ale_py)
        try:
            self._env = gymnasium.make(env_id)
        except Exception as error:
            # An id that is unknown, old or lacks a package raises what gymnasium likes.
            reason = str(error).partition("\n")[0]
            raise UsageError(f"game: {env_id!a} is not a gymnasium id: {reason}") from error
        n, shape = getattr(self._env.action_space, "n", None), self._env.observation_space.shape
        if n is None or shape is None or len(shape) != 3 or shape[2] != 3:
            raise UsageError(
                f"game: expected an environment that shows RGB pictures and takes numbered "
                f"actions, got '{env_id}'"
            )
        self._id, self._seed, self._size = env_id, seed, (screen_width, screen_height)
        self.num_actions, self.frames, self._games = int(n), 0, 0
        self.action_names: Sequence[str] = meanings(self._env)
        self.restart()

    def restart(self) -> None:
        """Begin another game."""
        self._games += 1
        self._begin()

    def _begin(self) -> None:
        observation, _ = self._env.reset(seed=(self._seed + self._games) % 2**31)
        self._observation: NDArray[np.uint8] = observation
        self._terminal, self._played = False, bytearray()

    def act(self, action: int) -> float:
        """Do an action and return its reward."""
        self._observation, reward, terminated, truncated, _ = self._env.step(action)
        self._terminal = bool(terminated or truncated)
        self._played.append(action)
        self.frames += 1
        return float(reward)

    def get_screen(self) -> NDArray[np.uint8]:
        """Return the picture, gray and shrunk: uint8 [h, w]."""
        return resize(gray_of(self._observation), *self._size)

    def is_terminal(self) -> bool:
        """Return whether the game is at its end."""
        return self._terminal

    def ended(self) -> Literal["life", "game"] | None:
        """Return why the game is over, a lost life or its end; None while it continues."""
        return "game" if self._terminal else None

    def set_mode(self, mode: str) -> None:
        """Do nothing: training and testing are played alike."""

    def picture(self) -> Picture:
        """Return the picture: uint8 [height, width, 3]."""
        return self._observation

    def _sha256(self) -> str:
        return hashlib.sha256(self._observation.tobytes()).hexdigest()

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state: which game it is, and the actions in it."""
        return {
            "id": self._id,
            "games": self._games,
            "frames": self.frames,
            "actions": np.frombuffer(bytes(self._played), dtype=np.uint8),
            "sha256": self._sha256(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Begin the game in the same way and do the actions again.

        Raises:
            CheckpointError: it does not fit, or the actions lead elsewhere.
        """
        fields = Fields(state, "environment")
        if (got := fields.text("id")) != self._id:
            raise CheckpointError(f"environment.id: expected '{self._id}', got {got[:60]!a}")
        games, frames = fields.integer("games", low=1), fields.integer("frames", low=0)
        actions = fields.take(
            "actions",
            "bytes of actions",
            lambda value: (
                isinstance(value, np.ndarray)
                and value.dtype == np.uint8
                and value.ndim == 1
                and len(value) <= frames
                and (not len(value) or value.max() < self.num_actions)
            ),
        )
        expected = fields.text("sha256")
        self._games = games
        self._begin()
        for action in actions.tolist():
            self.act(action)
        if self._sha256() != expected:
            raise CheckpointError(
                f"environment: expected {len(actions)} actions replayed to end at sha256 "
                f"{expected[:12]!a}, got '{self._sha256()[:12]}'; other versions play differently"
            )
        self.frames = frames
