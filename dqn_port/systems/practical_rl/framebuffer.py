"""Show the last few frames at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from dqn_port.fields import Fields
from dqn_port.games.gymnasium.making import Env
from dqn_port.systems.practical_rl.atari_wrappers import Stepped, Wrapper


class FrameBuffer(Wrapper):
    """The last ``n_frames`` frames along the channels, the newest first, zeros before the first.

    Practical_RL: framebuffer.py, FrameBuffer

    Quirk: float64 frames give float64 observations, all others float32 with the same values: bytes
    stay 0..255 (test_framebuffer.py).
    """

    def __init__(
        self,
        env: Env,
        n_frames: int = 4,
        dim_order: str = "tensorflow",
        *,
        oldest_first: bool = False,
    ) -> None:
        """``dim_order``: channels come first (pytorch) or last (tensorflow).

        ``oldest_first``: as in gymnasium's FrameStackObservation, which repeats the first frame for
        those before it, and whose dtype is that of the frames.

        Raises:
            ValueError: another order.
        """
        if dim_order not in ("pytorch", "tensorflow"):
            raise ValueError(f"dim_order: expected pytorch or tensorflow, got {dim_order!r}")
        super().__init__(env)
        shape = env.observation_space.shape
        assert shape is not None
        self._axis = 0 if dim_order == "pytorch" else len(shape) - 1
        channels = shape[self._axis]
        self.n_frames, self.oldest_first = n_frames, oldest_first
        kept = slice(channels, None) if oldest_first else slice(None, (n_frames - 1) * channels)
        self._kept = (slice(None),) * self._axis + (kept,)
        whole = tuple(n * (n_frames if i == self._axis else 1) for i, n in enumerate(shape))
        dtype: Any = env.observation_space.dtype
        if not oldest_first:
            dtype = np.result_type(dtype, np.float32)
        high = 255 if dtype == np.uint8 else 1.0
        self.observation_space = gymnasium.spaces.Box(0, high, whole, dtype=dtype)
        self.framebuffer: NDArray[Any] = np.zeros(whole, dtype=dtype)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin an episode with its first frame and no others."""
        frame, info = self.env.reset(seed=seed, options=options)
        self.framebuffer = np.zeros_like(self.framebuffer)
        for _ in range(self.n_frames if self.oldest_first else 1):
            self._update_buffer(frame)
        return self.framebuffer, info

    def step(self, action: int) -> Stepped:
        """Play, and put the new frame in front of all but the oldest."""
        frame, reward, terminated, truncated, info = self.env.step(action)
        self._update_buffer(frame)
        return self.framebuffer, float(reward), terminated, truncated, info

    def _update_buffer(self, frame: NDArray[Any]) -> None:
        kept = self.framebuffer[self._kept]
        parts = (kept, frame) if self.oldest_first else (frame, kept)
        self.framebuffer = np.concatenate(parts, axis=self._axis)

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        return {"framebuffer": self.framebuffer}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: a field is missing or damaged.
        """
        fields = Fields(state, "environment.FrameBuffer")
        self.framebuffer = fields.array("framebuffer", self.framebuffer).copy()
