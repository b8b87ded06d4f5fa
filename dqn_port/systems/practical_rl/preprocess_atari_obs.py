"""Crop a frame, make it gray with much red, and shrink it to 64×64; the homework's own filling."""

from __future__ import annotations

from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dqn_port.games.gymnasium.making import Env
from dqn_port.native.library import kernels
from dqn_port.systems.practical_rl.raw_game import RawGame

IMG_SIZE: Final = 64
_ROWS: Final = slice(32, 192)
_COLUMNS: Final = slice(8, 152)
_SCALE: Final = 10.0 * 255.0 * (_ROWS.stop - _ROWS.start) * (_COLUMNS.stop - _COLUMNS.start) / 512.0
"""Of sums of areas; of their weights, 32 was left out in the rows and 16 in the columns."""


def preprocess(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a frame, uint8 [210, 160, 3], as float32 [1, 64, 64], 0..1.

    The gray is 0.8 R + 0.1 G + 0.1 B. A pixel is the mean of the area under it, 2.5 rows by 2.25
    columns: five rows make two, nine columns four. All sums are whole numbers, so that any order of
    adding gives the same.
    """
    cropped = rgb[_ROWS, _COLUMNS].astype(np.uint16)
    return _shrink(8 * cropped[..., 0] + cropped[..., 1] + cropped[..., 2])


def _shrink(gray: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return cropped gray, ten times 0..255, as float32 [1, 64, 64], 0..1."""
    a, b, c, d, e = gray.reshape(-1, 5, gray.shape[1]).swapaxes(0, 1)
    rows = np.stack((2 * (a + b) + c, c + 2 * (d + e)), axis=1).reshape(IMG_SIZE, -1)
    p, q, r, s, t, u, v, w, x = rows.astype(np.int32).reshape(-1, 9).T
    columns = (4 * (p + q) + r, 3 * r + 4 * s + 2 * t, 2 * t + 4 * u + 3 * v, v + 4 * (w + x))
    sums = np.stack(columns, axis=1).reshape(IMG_SIZE, IMG_SIZE)
    return (sums / _SCALE).astype(np.float32)[None]


class Screens:
    """``preprocess`` of a game whose screens are indices of a palette, in one pass."""

    def __init__(self, palette: NDArray[np.uint8]) -> None:
        """``palette``: uint8 [256, 3]."""
        both = np.maximum(palette[:, None], palette).astype(np.uint16)
        self._table = 8 * both[..., 0] + both[..., 1] + both[..., 2]
        self._table_at = self._table.ctypes.data

    def preprocess(self, shown: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a screen, uint8 [210, 160], or the maximum of two, as float32 [1, 64, 64], 0..1.

        A kernel in C does it where there is one, else NumPy (test_atari_wrappers.py).
        """
        library = kernels()
        if library is None or not shown.flags.c_contiguous:
            first, *_, second = shown.reshape(-1, *shown.shape[-2:])[:, _ROWS, _COLUMNS][[0, -1]]
            return _shrink(self._table[first, second])
        height, width = shown.shape[-2:]
        at = shown.ctypes.data + _ROWS.start * width + _COLUMNS.start
        second_at = at + (height * width if shown.ndim == 3 else 0)
        out = np.empty((1, IMG_SIZE, IMG_SIZE), dtype=np.float32)
        library.shrink_crop(at, second_at, width, self._table_at, _SCALE, out.ctypes.data)
        return out


class PreprocessAtariObs(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Show every frame as ``preprocess`` makes it.

    Practical_RL: homework_pytorch_main.ipynb, PreprocessAtariObs (its body is left to the student)
    """

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (1, IMG_SIZE, IMG_SIZE), np.float32)
        game = env.unwrapped
        self._screens = Screens(game.palette) if isinstance(game, RawGame) else None

    def observation(self, observation: Any) -> NDArray[np.float32]:
        """Return a frame, or a raw game's screen or two of them, as the network takes it."""
        if self._screens is None:
            return preprocess(observation)
        return self._screens.preprocess(observation)


class Gray64(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Show pictures of any size as float32 [1, 64, 64], 0..1: Pillow's gray, means of areas."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (1, IMG_SIZE, IMG_SIZE), np.float32)

    def observation(self, observation: Any) -> NDArray[np.float32]:
        """Return a picture, or what a raw game shows, as the network takes it."""
        game = self.env.unwrapped
        if isinstance(game, RawGame):
            observation = game.painted(observation)
        gray = Image.fromarray(observation.squeeze()).convert("L")
        small = gray.resize((IMG_SIZE, IMG_SIZE), Image.Resampling.BOX)
        return np.asarray(small, dtype=np.float32)[None] / np.float32(255)
