"""The preprocessing of the toy games' traces: the unchanged red channel."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.options import Param
from dqn_port.systems.lua_dqn.slots import Screen
from dqn_port.torch7.tensors import Tensor
from dqn_port.torch7.values import LuaTable, TorchObject

SCRATCH: Final = ("output", "gradInput")
"""Buffers of an nn module, saved empty."""


class PreprocToy:
    """Take the red channel of a 10 × 10 screen."""

    PARAMS: tuple[Param, ...] = ()
    state_dim = 100

    def to_lua(self) -> TorchObject:
        """Return the module that Torch7 loads: nn.Select(2, 1)."""
        empty = [(name, Tensor("torch.FloatTensor")) for name in SCRATCH]
        fields = [("_type", "torch.FloatTensor"), ("dimension", 2.0), ("index", 1.0), *empty]
        return TorchObject("nn.Select", LuaTable(fields))

    def forward(self, rawstate: Screen | NDArray[Any]) -> NDArray[np.float32]:
        """Return float32 [100], 0..1."""
        rgb = rawstate if isinstance(rawstate, np.ndarray) else rawstate.rgb()
        red: NDArray[np.float32] = rgb.reshape(-1, 3, 100)[0, 0].astype(np.float32, copy=False)
        return red
