"""The raw game under the wrappers, and the records of whole games."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import MissingLibraryError
from dqn_port.fields import Fields
from dqn_port.games.gymnasium.making import Env, frames_of
from dqn_port.games.picture_games import action_names, open_game


class RawGame(gymnasium.Env[Any, Any]):
    """A game frame by frame, as gym's NoFrameskip-v4 had it, without sticky actions.

    What it shows are its screen's indices, uint8 [height, width], each time in a new array: frames
    that no one looks at need no colours. ``painted`` gives gym's frames, which the space is of.

    gym: envs/atari/atari_env.py inside wrappers/time_limit.py

    Quirk: the seed only seeds random generators that no game uses: all games start alike
    (test_atari_wrappers.py). Quirk: a finished game may be stepped; nothing moves.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012  # gymnasium's own declaration

    def __init__(self, game: str, *, game_path: str = "", max_frames: int = 400_000) -> None:
        """``max_frames``: frames since the reset after which the game is cut; 0: never."""
        self.ale = open_game(game, game_path=game_path)
        self.action_space = gymnasium.spaces.Discrete(len(self.ale.actions))
        shape = (self.ale.height, self.ale.width)
        self.observation_space = gymnasium.spaces.Box(0, 255, (*shape, 3), np.uint8)
        self.palette = self.ale.palette
        # Colours of four bytes are looked up at once, those of three one by one.
        self._colours = np.pad(self.palette, ((0, 0), (0, 1))).view(np.uint32)[:, 0]
        self._max_frames = max_frames
        self._frames = -1
        """Frames since the reset; −1 before the first reset, which finds the game reset already."""

    def get_action_meanings(self) -> list[str]:
        """Return the names of the actions by index."""
        return list(action_names(self.ale.actions))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Start a new game; ``seed`` changes nothing."""
        del seed, options
        if self._frames >= 0:
            self.ale.reset_game()
        self._frames = 0
        return self._screen(), {}

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Play one frame."""
        terminated = self.ale.game_over()
        reward = 0.0 if terminated else self.ale.act(self.ale.actions[action])
        self._frames += 1
        terminated = self.ale.game_over()
        truncated = not terminated and 0 < self._max_frames <= self._frames
        return self._screen(), reward, terminated, truncated, {}

    def _screen(self) -> NDArray[np.uint8]:
        screen = np.empty((self.ale.height, self.ale.width), dtype=np.uint8)
        self.ale.get_screen(screen)
        return screen

    def painted(self, shown: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return screens, uint8 [height, width] or [2, height, width], as a picture.

        It is uint8 [height, width, 3], RGB, the larger of each byte where there are two screens.
        """
        rgbx = self._colours.take(shown).view(np.uint8)
        rgb = rgbx.reshape(*shown.shape, 4)[..., :3]
        return rgb if shown.ndim == 2 else rgb.max(axis=0)

    def shown(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return pictures [..., height, width, 3] as screens of the same colours.

        Raises:
            ValueError: they have other colours.
        """
        pad = [(0, 0)] * (pictures.ndim - 1) + [(0, 1)]
        colours = np.pad(pictures, pad).view(np.uint32)[..., 0]
        known, indices = np.unique(self._colours, return_index=True)
        at = np.searchsorted(known, colours).clip(max=len(known) - 1)
        if (known[at] != colours).any():
            raise ValueError("others")
        return indices[at].astype(np.uint8)

    def render(self) -> NDArray[np.uint8]:
        """Return the current frame: uint8 [height, width, 3], RGB."""
        return self.painted(self._screen())

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        return {"frames": self._frames, "emulator": self.ale.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: a field is missing or damaged.
        """
        fields = Fields(state, "environment.RawGame")
        frames = fields.integer("frames", low=-1)
        self.ale.load_state_dict(fields.raw("emulator"))
        self._frames = frames


class Game(NamedTuple):
    """A whole game that was played."""

    earned: float
    """Sum of the game's own rewards."""
    frames: int
    cut: bool
    """Whether a time limit ended it."""
    crc: int
    """Hash of its actions: games with different hashes are distinct."""


def picture_of(env: Env) -> Any:
    """Return an environment's picture; None if it has none.

    Raises:
        MissingLibraryError: it draws with a library that is not installed.
    """
    try:
        return env.render() if "rgb_array" in env.metadata.get("render_modes", []) else None
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingLibraryError(
            f"a picture of {env.spec.id if env.spec else env}: {str(error).splitlines()[0]}; or do "
            "without pictures: --no-clip"
        ) from error


class GameRecord(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Record whole games and their rewards, independent of the wrappers above."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self._frames_each = frames_of(env)[-1]
        self.frames = 0
        """Frames so far; if the number per step is drawn, the largest is counted."""
        self.earned = 0.0
        """By all frames so far."""
        self.games: list[Game] = []
        """Those that have ended."""
        self.shown: list[NDArray[np.uint8]] | None = None
        """If it is a list, the picture of every frame is appended."""
        self._begin()

    def _begin(self) -> None:
        self.over, self._crc = False, 0
        self._earned_before, self._frames_before = self.earned, self.frames

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a game."""
        seen, info = self.env.reset(seed=seed, options=options)
        self._begin()
        self._show(seen)
        return seen, info

    def step(self, action: int) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Play a frame."""
        seen, reward, terminated, truncated, info = self.env.step(action)
        self.frames += self._frames_each
        self.earned += float(reward)
        self._crc = zlib.crc32(bytes((action & 255,)), self._crc)
        self._show(seen)
        if (terminated or truncated) and not self.over:
            self.over = True
            earned = self.earned - self._earned_before
            frames = self.frames - self._frames_before
            self.games.append(Game(earned, frames, not terminated, self._crc))
        return seen, reward, terminated, truncated, info

    def _show(self, seen: Any) -> None:
        if self.shown is not None:
            picture: Any = seen if np.ndim(seen) == 3 else picture_of(self.env)
            if picture is not None:
                self.shown.append(picture)

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        return {
            "frames": self.frames,
            "earned": self.earned,
            "games": [game._asdict() for game in self.games],
            "over": self.over,
            "crc": self._crc,
            "earned_before": self._earned_before,
            "frames_before": self._frames_before,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: a field is missing or damaged.
        """
        fields = Fields(state, "environment.GameRecord")
        games = []
        for entry in fields.entries("games"):
            game = Fields(entry, "environment.GameRecord.games")
            games.append(
                Game(
                    game.number("earned"),
                    game.integer("frames", low=0),
                    game.boolean("cut"),
                    game.integer("crc", low=0),
                )
            )
        self.over, self._crc = fields.boolean("over"), fields.integer("crc", low=0, high=2**32)
        self.frames, self.earned = fields.integer("frames", low=0), fields.number("earned")
        self._earned_before = fields.number("earned_before")
        self._frames_before = fields.integer("frames_before", low=0)
        self.games = games
