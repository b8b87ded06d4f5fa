"""A network's layers on the CPU with every float32 sum in the order of Lua's nn.

nn: SpatialConvolutionMM.c, unfold.c, Linear.lua, Rectifier.lua. All buffers are made once per
batch size. A sample's values depend on its place in the batch, as in Lua.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch

from dqn_port.native.library import kernels
from dqn_port.systems.lua_dqn.networks.layers import (
    Layer,
    Linear,
    Rectifier,
    Reshape,
    SpatialConvolution,
    to_floats,
)
from dqn_port.systems.lua_dqn.networks.lua_convolution import ConvolutionStep
from dqn_port.systems.lua_dqn.networks.lua_steps import (
    LinearStep,
    Picture,
    RectifierStep,
    ReshapeStep,
    Step,
    WeightedStep,
    Weights,
)

Tensors = tuple[torch.Tensor, ...]

_MOST_PASSES: Final = 8
"""Batch sizes whose buffers are kept."""


def can_sum_as_lua(device: torch.device) -> bool:
    """Tell whether the device has compiled kernels and fused multiply-adds."""
    library = kernels()
    return device.type == "cpu" and library is not None and library.lanes_of_a_panel() > 0


class LuaOrder:
    """The layers of one network; parameters and gradients are read and set in place."""

    def __init__(
        self,
        layers: Sequence[Layer],
        parameters: Sequence[Tensors],
        gradients: Sequence[Tensors],
    ) -> None:
        """``parameters``: (weight, bias) of each layer, or nothing; ``gradients``: likewise."""
        self._layers = tuple(zip(layers, parameters, gradients, strict=True))
        self._first = next((i for i, of in enumerate(parameters) if of), len(parameters))
        self._first_takes_bytes = self._first < len(parameters) and all(
            isinstance(layer, Reshape) for layer in layers[: self._first]
        )
        self._passes: dict[tuple[tuple[int, ...], bool], list[Step]] = {}
        self._kept: list[Step] = []

    def forward(self, s: torch.Tensor, *, keep: bool) -> torch.Tensor:
        """Return Q, float32 [B, A]; ``keep``: store what ``backward`` needs, including s.

        s: float32, or uint8 that stands for s / 255, which the first layer with weights converts.

        Raises:
            RuntimeError: s is empty, or of a shape that a layer cannot take.
        """
        if s.numel() == 0:
            raise RuntimeError(f"expected states, got an empty tensor of shape {list(s.shape)}")
        takes_bytes = s.dtype is torch.uint8 and self._first_takes_bytes
        x = (s if takes_bytes else to_floats(s)).detach().contiguous()
        steps = self._steps(tuple(x.shape), keep)
        picture: Picture = None
        for step in steps:
            picture = step.forward(x, picture)
            x = step.y
        if keep:
            self._kept = steps
        return x.clone()

    def backward(self, targets: torch.Tensor) -> None:
        """Set the gradients of the last ``forward`` with ``keep``."""
        assert self._kept, "backward comes after forward_for_update"
        gradient = targets.to(torch.float32).contiguous()
        for i in range(len(self._kept) - 1, self._first - 1, -1):
            gradient = self._kept[i].backward(gradient, further=i > self._first)
        self._kept = []

    def _steps(self, shape: tuple[int, ...], keep: bool) -> list[Step]:
        key = shape, keep
        if key not in self._passes:
            if len(self._passes) == _MOST_PASSES:
                del self._passes[next(iter(self._passes))]
            self._passes[key] = self._build(shape)
        return self._passes[key]

    def _build(self, shape: tuple[int, ...]) -> list[Step]:
        library = kernels()
        assert library is not None
        steps: list[Step] = []
        for layer, parameters, gradients in self._layers:
            step: Step
            if isinstance(layer, SpatialConvolution):
                step = ConvolutionStep(library, layer, Weights(*parameters, *gradients), shape)
            elif isinstance(layer, Linear):
                step = LinearStep(library, layer, Weights(*parameters, *gradients), shape)
            elif isinstance(layer, Reshape):
                step = ReshapeStep((shape[0], *layer.size), shape)
            else:
                assert isinstance(layer, Rectifier)
                before = steps[-1] if steps else None
                if not isinstance(before, WeightedStep):
                    before = None
                step = RectifierStep(library, shape, before)
            if isinstance(step, WeightedStep):
                last = next((s for s in reversed(steps) if not isinstance(s, ReshapeStep)), None)
                step.is_rectified = isinstance(last, RectifierStep)
            steps.append(step)
            shape = tuple(step.y.shape)
        return steps
