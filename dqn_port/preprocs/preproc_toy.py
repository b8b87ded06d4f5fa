"""The preprocessing of the toy games' traces: the red channel as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dqn_port.interfaces import Param, Screen


class PreprocToy:
    """Take the red channel of a 10 × 10 screen."""

    PARAMS: tuple[Param, ...] = ()
    state_dim = 100

    def forward(self, rawstate: Screen | NDArray[Any]) -> NDArray[np.float32]:
        """Return float32 [100], 0..1."""
        rgb = rawstate if isinstance(rawstate, np.ndarray) else rawstate.rgb()
        red: NDArray[np.float32] = rgb.reshape(-1, 3, 100)[0, 0].astype(np.float32, copy=False)
        return red
