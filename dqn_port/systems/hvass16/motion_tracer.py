"""What the network sees: the latest image and a fading trace of what moved before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

THRESHOLD: Final = 20
"""A pixel that changes by more than this has moved."""
DECAY: Final = 0.75

Process = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""From a frame to a small gray image; see preprocessing.pre_process_image."""


class MotionTracer:
    """Follow the motion in a game, frame by frame.

    Hvass: reinforcement_learning.py, MotionTracer
    """

    def __init__(
        self,
        image: NDArray[np.uint8],
        process: Process,
        *,
        decay: float = DECAY,
        threshold: float = THRESHOLD,
    ) -> None:
        """Start from the frame of a reset, without a trace. ``image``: uint8 [h, w, 3]."""
        self._process, self.decay, self.threshold = process, decay, threshold
        small = process(image)
        self.last_input: NDArray[np.float64] = small.astype(np.float64)
        """float64 [height, width], 0..255."""
        self.last_output: NDArray[Any] = np.zeros_like(small)
        """[height, width], 0..255; float64 from the first ``process`` on."""

    def process(self, image: NDArray[np.uint8]) -> None:
        """Add the next frame.

        Quirk: a new tracer is made only at a reset, so that the trace continues after a lost life;
        test_agent.py, test_a_lost_life_ends_neither_trace_nor_game.
        """
        small = self._process(image).astype(np.float64)
        moved = np.abs(small - self.last_input) > self.threshold
        self.last_input = small
        # Nothing is below 0, and what has moved is at the top: the sum is clipped there.
        trace = np.multiply(self.last_output, self.decay, dtype=np.float64)
        trace[moved] = 255.0
        self.last_output = trace

    def get_state(self) -> NDArray[np.uint8]:
        """Return image and trace, both truncated to whole numbers: uint8 [height, width, 2]."""
        state = np.empty((*self.last_input.shape, 2), dtype=np.uint8)
        state[..., 0], state[..., 1] = self.last_input, self.last_output
        return state
