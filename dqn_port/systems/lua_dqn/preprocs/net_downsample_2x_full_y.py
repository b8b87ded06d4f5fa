"""The preprocessing of the Nature paper: luminance, scaled to 84 × 84.

Lua: net_downsample_2x_full_y.lua, Scale.lua.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import ArgsError
from dqn_port.options import Param
from dqn_port.systems.lua_dqn.game_screen import rgb2y
from dqn_port.systems.lua_dqn.preprocs.image_scale import Scale
from dqn_port.systems.lua_dqn.slots import Screen
from dqn_port.torch7.values import LuaTable, TorchObject

HEIGHT: Final = 84
WIDTH: Final = 84


class NetDownsample2xFullY:
    """Turn a pooled screen into the 7056 numbers of a state."""

    PARAMS: tuple[Param, ...] = ()
    state_dim = HEIGHT * WIDTH

    def __init__(self) -> None:
        self._scale: Scale | None = None

    def to_lua(self) -> TorchObject:
        """Return the module that Torch7 loads. Lua: Scale.lua."""
        return TorchObject(
            "nn.Scale", LuaTable([("height", float(HEIGHT)), ("width", float(WIDTH))])
        )

    def forward(self, rawstate: Screen | NDArray[Any]) -> NDArray[np.float32]:
        """Return float32 [7056], 0..1, of a screen or of float RGB [3, H, W] or [n, 3, H, W].

        Lua quirk: of a 4-D input only the first image is used
        (tests/systems/lua_dqn/test_image_scale.py).

        Raises:
            ArgsError: an array of another shape.
        """
        if isinstance(rawstate, np.ndarray):
            rgb = rawstate[0] if rawstate.ndim == 4 else rawstate
            if rgb.ndim != 3 or rgb.shape[0] != 3:
                raise ArgsError(
                    f"net_downsample_2x_full_y: expected RGB of shape [3, height, width], "
                    f"got {list(rawstate.shape)}; set env_params.useRGB to true"
                )
            y = rgb2y(rgb.astype(np.float32, copy=False))
        else:
            y = rawstate.luminance()
        if self._scale is None or self._scale.src != y.shape:
            self._scale = Scale((y.shape[0], y.shape[1]), (HEIGHT, WIDTH))
        return self._scale.forward(y).reshape(-1)
