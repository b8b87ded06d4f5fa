"""The last frames an emulator painted, pooled into one screen.

Lua: alewrap's GameScreen. Frames are kept as palette indices, one byte a pixel. Colours, and the
luminance of a pair of frames, are looked up in tables, which gives the same float32 numbers as
pooling RGB frames.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import ArgsError
from dqn_port.fields import Fields
from dqn_port.native.library import kernels
from dqn_port.systems.lua_dqn.options import param

POOL_TYPES: Final = ("max", "mean", "min")
POOL_PARAMS: Final = (
    param("type", "string", "mean", "how the last frames become one screen", choices=POOL_TYPES),
    param("size", "integer", 2, "how many of the last frames are pooled", unit="frames", low=1),
)
"""What pool_frms may hold."""


def _pool(frames: NDArray[np.float32], pool_type: str) -> NDArray[np.float32]:
    """Pool float32 [n, ...] over n."""
    if len(frames) == 1:
        return frames[0]
    if pool_type == "max":
        return np.asarray(frames.max(axis=0))
    if pool_type == "min":
        return np.asarray(frames.min(axis=0))
    # Torch7 sums floats in double and rounds once.
    return (frames.sum(axis=0, dtype=np.float64) / len(frames)).astype(np.float32)


def rgb2y(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return Y, float32 [...], of float32 [3, ...]. Lua: image.rgb2y.

    The weights are those of ITU-R BT.601; the sum is computed in double and rounded once.
    """
    r, g, b = rgb.astype(np.float64)
    return (0.299 * r + 0.587 * g + 0.114 * b).astype(np.float32)


@functools.cache
def _luminance_of_pairs(palette: bytes, pool_type: str) -> NDArray[np.float32]:
    """Return Y of two pooled frames for every pair of indices: float32 [256 · 256]."""
    colours = np.frombuffer(palette, dtype=np.uint8).reshape(256, 3) / np.float32(255)
    first = np.repeat(colours, 256, axis=0)
    second = np.tile(colours, (256, 1))
    return rgb2y(_pool(np.stack((first, second)), pool_type).T)


def look_up_pairs(
    table: NDArray[np.float32], first: NDArray[np.uint8], second: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Return table[256 · first + second]: float32 [height, width], as first and second are.

    A kernel in C does it if compiled, else NumPy: the same numbers (tests/native/test_kernels.py).
    """
    library = kernels()
    if library is not None and first.flags.c_contiguous and second.flags.c_contiguous:
        out = np.empty(first.shape, dtype=np.float32)
        library.look_up_pairs(
            first.ctypes.data, second.ctypes.data, *first.shape, table.ctypes.data, out.ctypes.data
        )
        return out
    pairs = np.left_shift(first, 8, dtype=np.uint16)
    pairs |= second
    # mode="clip" spares NumPy a buffered copy; no index is out of range.
    return table.take(pairs, mode="clip")


class PooledScreen:
    """A screen at one moment: a copy of the frames it is pooled from.

    Its pixels are computed on demand: see slots.Screen.
    """

    def __init__(
        self, frames: NDArray[np.uint8], palette: NDArray[np.uint8], pool_type: str
    ) -> None:
        """Take frames: uint8 [n, height, width] of indices; palette: uint8 [256, 3]."""
        self.frames, self.palette, self.pool_type = frames, palette, pool_type

    def rgb(self) -> NDArray[np.float32]:
        """Return float32 [3, height, width], 0..1."""
        colours = np.divide(self.palette[self.frames], 255, dtype=np.float32)
        return np.ascontiguousarray(_pool(colours, self.pool_type).transpose(2, 0, 1))

    def luminance(self) -> NDArray[np.float32]:
        """Return Y of ``rgb``: float32 [height, width], 0..1."""
        if len(self.frames) > 2:
            return rgb2y(self.rgb())
        return look_up_pairs(
            _luminance_of_pairs(self.palette.tobytes(), self.pool_type),
            self.frames[0],
            self.frames[-1],
        )


class GameScreen:
    """A ring of the last painted frames. Lua: alewrap.GameScreen."""

    def __init__(
        self,
        palette: NDArray[np.uint8],
        height: int,
        width: int,
        *,
        pool_type: str,
        pool_size: int,
    ) -> None:
        """Pool ``pool_size`` frames by ``pool_type``, one of POOL_TYPES.

        Raises:
            ArgsError: another type, or a size below 1.
        """
        if pool_type not in POOL_TYPES:
            raise ArgsError(
                f"pool_frms.type: expected one of {', '.join(POOL_TYPES)}, got '{pool_type}'"
            )
        if pool_size < 1:
            raise ArgsError(f"pool_frms.size: expected at least 1 frame, got {pool_size}")
        self.palette, self.pool_type = palette, pool_type
        self.frames = np.zeros((pool_size, height, width), dtype=np.uint8)
        self.painted = 0

    def clear(self) -> None:
        """Discard the painted frames. Lua: GameScreen:clear."""
        self.painted = 0

    def next_frame(self) -> NDArray[np.uint8]:
        """Return the slot to paint the next frame into: uint8 [height, width]."""
        slot: NDArray[np.uint8] = self.frames[self.painted % len(self.frames)]
        self.painted += 1
        return slot

    def grab(self) -> PooledScreen:
        """Return the current pooled screen. Lua: GameScreen:grab.

        Until the ring is full, only the painted frames are pooled.
        """
        n = min(self.painted, len(self.frames))
        return PooledScreen(self.frames[:n].copy(), self.palette, self.pool_type)

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        return {"frames": self.frames.copy(), "painted": self.painted}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state, all of it or nothing.

        Raises:
            CheckpointError: a field is missing or does not fit.
        """
        fields = Fields(state, "environment.game_screen")
        frames = fields.array("frames", self.frames)
        self.painted = fields.integer("painted", low=0)
        self.frames[:] = frames
