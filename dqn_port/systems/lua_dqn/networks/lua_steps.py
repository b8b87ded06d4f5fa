"""The steps of lua_order.py other than convolutions."""

from __future__ import annotations

import ctypes
import functools
import math
from typing import NamedTuple, Protocol

import numpy as np
import torch

from dqn_port.native.products import (
    Products,
    Zeros,
    ends_of_blocks,
    products_of_linear_weight,
    rows_with_two_chains,
)
from dqn_port.systems.lua_dqn.networks.layers import Linear

Picture = torch.Tensor | None
"""Int32 [B, H, W] for an x [B, C, H, W]: equal numbers where all planes of x are equal."""


class Step(Protocol):
    """One layer for one batch size. ``y`` is its output."""

    y: torch.Tensor

    def forward(self, x: torch.Tensor, picture: Picture) -> Picture:
        """Set ``y`` and return its picture; x: float32, or uint8 that stands for x / 255."""

    def backward(self, gradient: torch.Tensor, *, further: bool) -> torch.Tensor:
        """Set the gradients of the parameters; return that of x if ``further``.

        Where a Rectifier before this layer blocks the gradient, it may have any value.
        """


class Weights(NamedTuple):
    """A layer's parameters and gradients."""

    weight: torch.Tensor
    bias: torch.Tensor
    weight_gradient: torch.Tensor
    bias_gradient: torch.Tensor


class WeightedStep:
    """What layers with weights have in addition to a Step's methods."""

    rectify = False
    """Whether a Rectifier follows; then y holds the rectified values."""
    is_rectified = False
    """Whether x comes from a Rectifier, which blocks the gradient where it is 0."""
    y: torch.Tensor


class LinearStep(WeightedStep):
    """Lua: Linear.lua."""

    def __init__(
        self, library: ctypes.CDLL, layer: Linear, weights: Weights, shape: tuple[int, ...]
    ) -> None:
        """``shape``: of x, the batch first."""
        self._library, self._layer, self._weights = library, layer, weights
        if shape[1:] != (layer.input_size,):
            raise RuntimeError(f"{layer}: cannot take {list(shape[1:])}")
        self._shape = shape
        self.y = torch.zeros(shape[0], layer.output_size)
        self._x = self.y

    def forward(self, x: torch.Tensor, picture: Picture) -> Picture:
        """Add the bias to the products."""
        del picture
        if x.dtype is torch.uint8:
            self._library.spread_bytes(x.data_ptr(), x.numel(), self._floats.data_ptr())
            x = self._floats
        self._x = x
        self._products.into(
            self.y, self._weights.weight, x, last=self._weights.bias, rectify=self.rectify
        )
        return None

    def backward(self, gradient: torch.Tensor, *, further: bool) -> torch.Tensor:
        """Set the parameters' gradients; the bias's as sgemv sums it."""
        self._products_of_weight.into(self._weights.weight_gradient, self._x, gradient)
        self._library.sum_columns(
            gradient.data_ptr(), *gradient.shape, self._weights.bias_gradient.data_ptr()
        )
        if not further:
            return gradient
        products, back = self._back
        products.into(
            back, self._weights.weight, gradient, needed_by=self._x if self.is_rectified else None
        )
        return back

    @functools.cached_property
    def _floats(self) -> torch.Tensor:
        """Buffer for an input of bytes."""
        return torch.empty(self._shape)

    @functools.cached_property
    def _indices(self) -> tuple[np.ndarray, ...]:
        """Return samples, inputs and outputs."""
        return tuple(
            map(np.arange, (self._shape[0], self._layer.input_size, self._layer.output_size))
        )

    @functools.cached_property
    def _products(self) -> Products:
        samples, inputs, outputs = self._indices
        return Products(
            self._library,
            lanes=(outputs * len(inputs), outputs),
            rows=(samples * len(inputs), samples * len(outputs)),
            terms=(inputs, inputs),
            two_chains=rows_with_two_chains(len(outputs), len(samples)),
            ends=ends_of_blocks(len(inputs)),
            zeros=Zeros.ROWS,
        )

    @functools.cached_property
    def _products_of_weight(self) -> Products:
        samples, inputs, outputs = map(len, self._indices)
        return products_of_linear_weight(self._library, samples, inputs, outputs)

    @functools.cached_property
    def _back(self) -> tuple[Products, torch.Tensor]:
        samples, inputs, outputs = self._indices
        products = Products(
            self._library,
            lanes=(inputs, inputs),
            rows=(samples * len(outputs), samples * len(inputs)),
            terms=(outputs * len(inputs), outputs),
            two_chains=rows_with_two_chains(len(inputs), len(samples)),
            ends=ends_of_blocks(len(outputs)),
            zeros=Zeros.ROWS,
        )
        return products, torch.empty(self._shape)


class RectifierStep:
    """Lua: Rectifier.lua."""

    def __init__(
        self, library: ctypes.CDLL, shape: tuple[int, ...], before: WeightedStep | None
    ) -> None:
        """``before``: the layer with weights just before, which then rectifies."""
        self._library, self._is_done = library, before is not None
        self.y = torch.empty(shape) if before is None else before.y
        self._back = torch.empty(shape)
        if before is not None:
            before.rectify = True

    def forward(self, x: torch.Tensor, picture: Picture) -> Picture:
        """Set y to max(x, 0)."""
        if not self._is_done:
            self._library.rectify(x.data_ptr(), x.numel(), self.y.data_ptr())
        return picture

    def backward(self, gradient: torch.Tensor, *, further: bool) -> torch.Tensor:
        """Pass the gradient where y is positive."""
        del further
        self._library.rectify_gradient(
            *(self.y.data_ptr(), gradient.data_ptr(), self.y.numel(), self._back.data_ptr())
        )
        return self._back


class ReshapeStep:
    """A view of the same memory in another shape."""

    def __init__(self, shape: tuple[int, ...], before: tuple[int, ...]) -> None:
        if math.prod(shape) != math.prod(before):
            # PyTorch's words, as without kernels.
            n = math.prod(before)
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {n}")
        self._before = before
        self.y = self._x = torch.empty(shape)

    def forward(self, x: torch.Tensor, picture: Picture) -> Picture:
        """View x, which is usually the same tensor again."""
        del picture
        if x is not self._x:
            self._x, self.y = x, x.view(self.y.shape)
        return None

    def backward(self, gradient: torch.Tensor, *, further: bool) -> torch.Tensor:
        """View the gradient."""
        del further
        return gradient.view(self._before)
