"""The latest screens, from which the agent chooses.

simple_dqn: state_buffer.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dqn_port.fields import Fields


class StateBuffer:
    """H screens in row 0 of a minibatch whose other rows are zero."""

    def __init__(
        self, *, history_length: int, batch_size: int, screen_height: int, screen_width: int
    ) -> None:
        self.buffer = np.zeros(
            (batch_size, history_length, screen_height, screen_width), dtype=np.uint8
        )
        """uint8 [B, H, h, w], the newest screen last."""

    def add(self, observation: NDArray[np.uint8]) -> None:
        """Append a screen, uint8 [h, w]; the oldest is dropped."""
        self.buffer[0, :-1] = self.buffer[0, 1:]
        self.buffer[0, -1] = observation

    def get_state(self) -> NDArray[np.uint8]:
        """Return the state: uint8 [H, h, w], not a copy."""
        return self.buffer[0]

    def get_state_minibatch(self) -> NDArray[np.uint8]:
        """Return all rows: uint8 [B, H, h, w], not a copy."""
        return self.buffer

    def reset(self) -> None:
        """Forget all screens.

        Quirk: nothing calls it; the dummy actions of a new game push out the old screens
        (tests/systems/simple_dqn/test_quirks.py).
        """
        self.buffer[:] = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""
        return {"screens": self.buffer[0]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` gave.

        Raises:
            CheckpointError: it does not fit.
        """
        self.buffer[0] = Fields(state, "buffer").array("screens", self.buffer[0])
