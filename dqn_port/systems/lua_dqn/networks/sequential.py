"""A stack of layers with all parameters in one flat vector.

Lua: nn.Sequential, and module:getParameters().
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from dqn_port.convolutions import array_of
from dqn_port.interfaces import Convolution
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.networks.layers import (
    Layer,
    Rectifier,
    Reshape,
    SpatialConvolution,
    layer_of_row,
    to_floats,
)
from dqn_port.systems.lua_dqn.networks.lua_order import LuaOrder, can_sum_as_lua
from dqn_port.systems.lua_dqn.slots import LayerReport
from dqn_port.torch7.means import mean_all
from dqn_port.torch7.nn_modules import rows_of, sequential_of
from dqn_port.torch7.values import TorchObject


class Sequential:
    """Layers one after another; see slots.Network.

    On the CPU with a C compiler every sum is rounded as in the original (lua_order.py). Elsewhere
    PyTorch sums in its own order, which is as accurate.
    """

    lua_class = "nn.Sequential"

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        settings: Mapping[str, Any] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """Allocate the parameters, all zero.

        ``settings``: the fields that the network's Lua file sets on the agent (n_units and others).
        """
        self.layers, self.settings = tuple(layers), dict(settings or {})
        shapes = [shape for layer in self.layers for shape in layer.shapes()]
        self.w = torch.zeros(sum(map(math.prod, shapes)), device=device)
        self.dw = torch.zeros_like(self.w)
        self._parameters: list[tuple[torch.Tensor, ...]] = []
        self._gradients: list[torch.Tensor] = []
        offset = 0
        for layer in self.layers:
            views = []
            for shape in layer.shapes():
                n = math.prod(shape)
                views.append(self.w[offset : offset + n].view(shape).requires_grad_())
                self._gradients.append(self.dw[offset : offset + n].view(shape))
                offset += n
            self._parameters.append(tuple(views))
        self._leaves = [view for views in self._parameters for view in views]
        self._output: torch.Tensor | None = None
        self._lua_order: LuaOrder | None = None
        if can_sum_as_lua(self.device):
            gradients = iter(self._gradients)
            self._lua_order = LuaOrder(
                self.layers,
                self._parameters,
                [tuple(next(gradients) for _ in views) for views in self._parameters],
            )

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return self.w.device

    def reset(self, generator: Generator) -> None:
        """Draw every weight and bias from uniform(-1/√fan_in, +1/√fan_in), in flat order.

        Lua: reset() of nn.Linear and nn.SpatialConvolution, called at construction.
        """
        drawn = []
        for layer in self.layers:
            for shape in layer.shapes():
                stdv = 1.0 / math.sqrt(layer.fan_in())
                drawn.append(
                    torch.from_numpy(generator.uniform_float(math.prod(shape), -stdv, stdv))
                )
        with torch.no_grad():
            self.w.copy_(torch.cat(drawn))

    def _run(self, s: torch.Tensor) -> torch.Tensor:
        x = to_floats(s)
        for layer, parameters in zip(self.layers, self._parameters, strict=True):
            x = layer.forward(x, parameters)
        return x

    def forward(self, s: torch.Tensor) -> torch.Tensor:
        """Return Q, float32 [B, A], of states uint8 [B, ...], 0..255, or float32, 0..1."""
        if self._lua_order is not None:
            return self._lua_order.forward(s, keep=False)
        with torch.no_grad():
            return self._run(s)

    def forward_for_update(self, s: torch.Tensor) -> torch.Tensor:
        """Return Q as ``forward`` does and keep what ``backward`` needs, including s."""
        if self._lua_order is not None:
            return self._lua_order.forward(s, keep=True)
        with torch.enable_grad():
            self._output = self._run(s)
        return self._output.detach()

    def backward(self, targets: torch.Tensor) -> None:
        """Set ``dw`` to Σ targets · dQ/dw of the last ``forward_for_update``."""
        if self._lua_order is not None:
            self._lua_order.backward(targets)
            return
        assert self._output is not None, "backward comes after forward_for_update"
        gradients = torch.autograd.grad(self._output, self._leaves, grad_outputs=targets)
        self._output = None
        for to, gradient in zip(self._gradients, gradients, strict=True):
            to.copy_(gradient)

    def clone(self) -> Sequential:
        """Return an independent copy, gradients too."""
        other = Sequential(self.layers, settings=self.settings, device=self.device)
        other.copy_from(self)
        return other

    def copy_from(self, other: Any) -> None:
        """Copy parameters and gradients of a network of the same layers."""
        with torch.no_grad():
            self.w.copy_(other.w)
            self.dw.copy_(other.dw)

    def to(self, device: torch.device) -> Sequential:
        """Return a copy on ``device``."""
        other = Sequential(self.layers, settings=self.settings, device=device)
        other.copy_from(self)
        return other

    def is_finite(self) -> bool:
        """Tell whether every parameter is a finite number."""
        return bool(torch.isfinite(self.w).all())

    def report(self) -> list[LayerReport]:
        """Return the norms of every layer that has weights; biases are left out.

        Lua: nnutils.lua.
        """
        rows, at = [], 0
        for layer, parameters in zip(self.layers, self._parameters, strict=True):
            if not parameters:
                continue
            weight = parameters[0].detach().abs()
            gradient = self._gradients[at].abs()
            at += len(parameters)
            rows.append(
                LayerReport(
                    layer=layer.lua_class,
                    weight_norm=mean_all(weight),
                    weight_max=weight.max().item(),
                    grad_norm=mean_all(gradient),
                    grad_max=gradient.max().item(),
                )
            )
        return rows

    def to_lua(self) -> TorchObject:
        """Return the nn.Sequential that Torch7 loads; its tensors are this network's own memory.

        Save it before the network learns further.
        """
        rows = [
            {"class": layer.lua_class}
            | layer.fields()
            | dict(zip(("weight", "bias"), parameters, strict=False))
            for layer, parameters in zip(self.layers, self._parameters, strict=True)
        ]
        return sequential_of(rows, *(v.detach().cpu().numpy() for v in (self.w, self.dw)))

    def description(self) -> str:
        """Return the layers as Torch7 prints them."""
        chain = " -> ".join(f"({i})" for i in range(1, len(self.layers) + 1))
        rows = [f"  ({i}): {layer}" for i, layer in enumerate(self.layers, start=1)]
        return "\n".join(["nn.Sequential {", f"  [input -> {chain} -> output]", *rows, "}"])

    def convolutions_of(self, s: torch.Tensor) -> list[Convolution]:
        """Return the convolutions, with what the rectifiers after them make of one state.

        s: uint8 [1, ...], 0..255.
        """
        found: list[Convolution] = []
        kernels: torch.Tensor | None = None
        x = to_floats(s)
        with torch.no_grad():
            for layer, parameters in zip(self.layers, self._parameters, strict=True):
                x = layer.forward(x, parameters)
                if isinstance(layer, SpatialConvolution):
                    kernels = parameters[0]
                elif isinstance(layer, Rectifier) and kernels is not None:
                    name = f"conv{len(found) + 1}"
                    found.append(Convolution(name, array_of(kernels), array_of(x[0])))
                    kernels = None
        return found

    def flattened_size(self) -> int | None:
        """Return how many features the convolutions give; None without convolutions."""
        flat = [layer.size[0] for layer in self.layers
                if isinstance(layer, Reshape) and len(layer.size) == 1]  # fmt: skip
        convolutions = any(isinstance(layer, SpatialConvolution) for layer in self.layers)
        return flat[0] if convolutions and flat else None

    def __repr__(self) -> str:
        return self.description()


def from_lua(network: TorchObject, where: str) -> Sequential:
    """Return the network of an nn.Sequential; ``where`` names it in errors.

    Raises:
        T7Error: see torch7.nn_modules.rows_of.
    """
    rows = rows_of(network, where)
    built = Sequential([layer_of_row(row) for row in rows])
    vectors = [row[name].reshape(-1) for row in rows for name in ("weight", "bias") if name in row]
    with torch.no_grad():
        built.w.copy_(torch.from_numpy(np.concatenate(vectors)))
    return built
