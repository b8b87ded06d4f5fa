"""The layers of DQN networks, as in Torch7's nn.

A layer has its parameters' shapes, their initialisation and the text that nn prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import torch
import torch.nn.functional as F


class Layer:
    """One module of a Sequential; by default one without parameters."""

    lua_class: ClassVar[str]

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shapes of (weight, bias), or nothing."""
        return ()

    def fan_in(self) -> int:
        """Return how many inputs one output sums over."""
        return 0

    def forward(self, x: torch.Tensor, parameters: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the output for x, whose first dimension is the batch."""
        raise NotImplementedError

    def fields(self) -> dict[str, Any]:
        """Return the layer's fields other than its parameters, by nn's names."""
        return {}


@dataclass(frozen=True)
class Reshape(Layer):
    """View every element of the batch in another shape. Lua: nn.Reshape."""

    lua_class: ClassVar[str] = "nn.Reshape"
    size: tuple[int, ...]

    def forward(self, x: torch.Tensor, parameters: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return x as [B, *size]."""
        del parameters
        return x.reshape(x.shape[0], *self.size)

    def fields(self) -> dict[str, Any]:
        """Return the sizes."""
        return {"size": list(self.size)}

    def __str__(self) -> str:
        return f"{self.lua_class}({'x'.join(map(str, self.size))})"


@dataclass(frozen=True)
class SpatialConvolution(Layer):
    """Convolve [B, in, H, W] to [B, out, H', W']. Lua: nn.SpatialConvolution."""

    lua_class: ClassVar[str] = "nn.SpatialConvolution"
    n_input_plane: int
    n_output_plane: int
    kw: int
    kh: int
    dw: int = 1
    dh: int = 1
    pad_w: int = 0
    pad_h: int = 0

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return [out, in, kH, kW] and [out]."""
        weight = (self.n_output_plane, self.n_input_plane, self.kh, self.kw)
        return weight, (self.n_output_plane,)

    def fan_in(self) -> int:
        """Return kW · kH · in."""
        return self.kw * self.kh * self.n_input_plane

    def forward(self, x: torch.Tensor, parameters: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the convolution.

        On the CPU as one matrix product per sample, as in nn: the rounding is closer to nn's than
        that of oneDNN's convolutions.
        """
        weight, bias = parameters
        stride, padding = (self.dh, self.dw), (self.pad_h, self.pad_w)
        if x.device.type != "cpu":
            return F.conv2d(x, weight, bias, stride, padding)
        columns = F.unfold(x, (self.kh, self.kw), padding=padding, stride=stride)
        products = torch.matmul(weight.flatten(1), columns) + bias[:, None]
        return products.reshape(*products.shape[:2], *self.output_size(*x.shape[2:]))

    def fields(self) -> dict[str, Any]:
        """Return planes, kernel, stride and padding."""
        return {lua: getattr(self, ours) for lua, ours in _CONVOLUTION_FIELDS.items()}

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return (H', W') of (H, W)."""
        return (
            (height + 2 * self.pad_h - self.kh) // self.dh + 1,
            (width + 2 * self.pad_w - self.kw) // self.dw + 1,
        )

    def __str__(self) -> str:
        text = (
            f"{self.lua_class}({self.n_input_plane} -> {self.n_output_plane}, {self.kw}x{self.kh}"
        )
        padded = self.pad_w != 0 or self.pad_h != 0
        if self.dw != 1 or self.dh != 1 or padded:
            text += f", {self.dw},{self.dh}"
        if padded:
            text += f", {self.pad_w},{self.pad_h}"
        return text + ")"


@dataclass(frozen=True)
class Rectifier(Layer):
    """max(x, 0), the gradient 0 at 0.

    Lua: Rectifier.lua, (|x| + x) / 2 and a gradient times sign(output): the same numbers.
    """

    lua_class: ClassVar[str] = "nn.Rectifier"

    def forward(self, x: torch.Tensor, parameters: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return max(x, 0)."""
        del parameters
        return F.relu(x)

    def __str__(self) -> str:
        return self.lua_class


@dataclass(frozen=True)
class Linear(Layer):
    """x · weightᵀ + bias. Lua: nn.Linear."""

    lua_class: ClassVar[str] = "nn.Linear"
    input_size: int
    output_size: int

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return [out, in] and [out]."""
        return (self.output_size, self.input_size), (self.output_size,)

    def fan_in(self) -> int:
        """Return in."""
        return self.input_size

    def forward(self, x: torch.Tensor, parameters: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return [B, out]."""
        return F.linear(x, *parameters)

    def __str__(self) -> str:
        return f"{self.lua_class}({self.input_size} -> {self.output_size})"


_CONVOLUTION_FIELDS: Final = {
    "nInputPlane": "n_input_plane",
    "nOutputPlane": "n_output_plane",
    "kW": "kw",
    "kH": "kh",
    "dW": "dw",
    "dH": "dh",
    "padW": "pad_w",
    "padH": "pad_h",
}


def layer_of_row(row: Mapping[str, Any]) -> Layer:
    """Return the layer of a row of torch7.nn_modules."""
    if row["class"] == Reshape.lua_class:
        return Reshape(tuple(row["size"]))
    if row["class"] == SpatialConvolution.lua_class:
        return SpatialConvolution(**{ours: row[lua] for lua, ours in _CONVOLUTION_FIELDS.items()})
    if row["class"] == Linear.lua_class:
        output_size, input_size = row["weight"].shape
        return Linear(input_size, output_size)
    return Rectifier()


def to_floats(s: torch.Tensor) -> torch.Tensor:
    """Return states as float32: uint8 over 255, floats as they are."""
    return s.float().div_(255) if s.dtype is torch.uint8 else s.to(torch.float32)
