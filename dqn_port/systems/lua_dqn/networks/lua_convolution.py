"""A convolution with the sums of Lua's. SpatialConvolutionMM.c, unfold.c."""

from __future__ import annotations

import ctypes
import functools
import math
from typing import Final

import numpy as np
import torch

from dqn_port.native.alike import AlikeProducts
from dqn_port.native.products import (
    Planes,
    Products,
    Zeros,
    ends_of_blocks,
    rows_with_two_chains,
)
from dqn_port.systems.lua_dqn.networks.layers import SpatialConvolution
from dqn_port.systems.lua_dqn.networks.lua_steps import Picture, WeightedStep, Weights

_READ_AFTER: Final = 8
"""Floats that fold may read after its columns."""
WORTH_LOOKING: Final = 3
"""The next layer's windows are compared if at most a third of this layer's are different."""
_BYTES_OF_A_PIXEL: Final = 4


class ConvolutionStep(WeightedStep):
    """Lua: SpatialConvolutionMM.c."""

    def __init__(
        self,
        library: ctypes.CDLL,
        layer: SpatialConvolution,
        weights: Weights,
        shape: tuple[int, ...],
    ) -> None:
        """``shape``: [B, in, H, W]."""
        self._library, self._layer, self._weights = library, layer, weights
        if len(shape) != 4 or shape[1] != layer.n_input_plane:
            raise RuntimeError(f"{layer}: cannot convolve {list(shape[1:])}")
        batch, planes, height, width = shape
        self._out_size = layer.output_size(height, width)
        self._positions = math.prod(self._out_size)
        if min(self._out_size) < 1:
            raise RuntimeError(f"{layer}: cannot convolve {list(shape[1:])}")
        self.y = torch.zeros(batch, layer.n_output_plane, *self._out_size)
        self._padded_shape = (batch, planes, height + 2 * layer.pad_h, width + 2 * layer.pad_w)
        self._inner = (
            slice(None), slice(None),
            slice(layer.pad_h, layer.pad_h + height), slice(layer.pad_w, layer.pad_w + width),
        )  # fmt: skip
        self._is_padded = self._padded_shape != shape
        self._rooms: dict[torch.dtype, tuple[torch.Tensor, tuple[int, ...]]] = {}
        self._x = self.y

    def forward(self, x: torch.Tensor, picture: Picture) -> Picture:
        """Add the products of every sample to the bias."""
        if self._is_padded:
            self._x, picture = self._in_the_middle(x), None
        else:
            self._x = x
        if x.dtype is torch.uint8:
            picture = self._number_pixels()
        if picture is None:
            self._products.into(
                self.y,
                self._x,
                self._weights.weight,
                first=self._weights.bias,
                rectify=self.rectify,
            )
            return None
        alike = self._alike
        found = alike.into(
            self.y,
            picture,
            self._x,
            self._weights.weight,
            first=self._weights.bias,
            rectify=self.rectify,
        )
        return alike.kinds if found <= alike.kinds.numel() // WORTH_LOOKING else None

    def _in_the_middle(self, x: torch.Tensor) -> torch.Tensor:
        """Return x surrounded by zeros; PyTorch's own copy would wake its threads."""
        if x.dtype not in self._rooms:
            room = torch.zeros(self._padded_shape, dtype=x.dtype)
            inner, size = room[self._inner], x.itemsize
            self._rooms[x.dtype] = (
                room,
                (
                    *(math.prod(x.shape[:2]), x.shape[2], x.shape[3] * size),
                    *(stride * size for stride in inner.stride()[1:3]),
                    inner.data_ptr(),
                ),
            )
        room, sizes = self._rooms[x.dtype]
        self._library.place_planes(x.data_ptr(), *sizes)
        return room

    def _number_pixels(self) -> Picture:
        batch, planes, height, width = self._padded_shape
        if planes > _BYTES_OF_A_PIXEL:
            return None
        self._library.number_pixels(
            self._x.data_ptr(), batch, planes, height * width, self._pixels.data_ptr()
        )
        return self._pixels

    @functools.cached_property
    def _pixels(self) -> torch.Tensor:
        batch, _, height, width = self._padded_shape
        return torch.empty(batch, height, width, dtype=torch.int32)

    @functools.cached_property
    def _alive(self) -> torch.Tensor:
        """Buffer: which planes of which sample are not 0 everywhere."""
        return torch.empty(self._padded_shape[:2], dtype=torch.uint8)

    @functools.cached_property
    def _alike(self) -> AlikeProducts:
        layer = self._layer
        batch, _, height, width = self._padded_shape
        return AlikeProducts(
            self._library,
            self._products,
            windows=self._offsets[0],
            two_chains=self._in_every_sample(layer.n_output_plane),
            rows=layer.n_output_plane,
            picture=(batch, height, width),
            kernel=(layer.kh, layer.kw),
            out_size=self._out_size,
            stride=(layer.dh, layer.dw),
        )

    def backward(self, gradient: torch.Tensor, *, further: bool) -> torch.Tensor:
        """Sum the weights' gradient sample by sample; fold the input's."""
        layer, library = self._layer, self._library
        batch, planes = self.y.shape[:2]
        self._products_of_weight.into(self._weights.weight_gradient, self._x, gradient)
        library.sum_planes(
            gradient.data_ptr(),
            batch,
            planes,
            self._positions,
            self._weights.bias_gradient.data_ptr(),
        )
        if not further:
            return gradient
        products, columns, folded = self._back
        alive = None
        if self.is_rectified and not self._is_padded:
            alive = self._alive
            library.find_alive(
                self._x.data_ptr(), alive.numel(), math.prod(self._x.shape[2:]), alive.data_ptr()
            )
        products.into(columns, gradient, self._weights.weight, needed_by=alive)
        library.fold(
            columns.data_ptr(),
            *(batch, layer.n_input_plane, layer.kh, layer.kw, *self._out_size, layer.dh, layer.dw),
            *self._padded_shape[2:],
            None if alive is None else alive.data_ptr(),
            folded.data_ptr(),
        )
        return folded[self._inner].contiguous() if self._is_padded else folded

    @functools.cached_property
    def _offsets(self) -> tuple[np.ndarray, ...]:
        """Where samples, positions and taps are in x; samples with positions, in y and columns."""
        layer = self._layer
        batch, planes, height, width = self._padded_shape
        out_height, out_width = self._out_size
        in_x = np.arange(batch)[:, None] * (planes * height * width) + np.add.outer(
            np.arange(out_height) * layer.dh * width, np.arange(out_width) * layer.dw
        ).reshape(1, -1)
        taps = np.add.outer(
            np.arange(planes) * height * width,
            np.add.outer(np.arange(layer.kh) * width, np.arange(layer.kw)),
        ).reshape(-1)
        samples, positions = np.arange(batch)[:, None], np.arange(self._positions)
        in_y = samples * (layer.n_output_plane * self._positions) + positions
        in_columns = samples * (len(taps) * self._positions) + positions
        return in_x.reshape(-1), taps, in_y.reshape(-1), in_columns.reshape(-1)

    @functools.cached_property
    def _products(self) -> Products:
        in_x, taps, in_y, _ = self._offsets
        planes = np.arange(self._layer.n_output_plane)
        return Products(
            self._library,
            lanes=(in_x, in_y),
            rows=(planes * len(taps), planes * self._positions),
            terms=(taps, np.arange(len(taps))),
            two_chains=self._in_every_sample(len(planes)),
            ends=ends_of_blocks(len(taps)),
        )

    @functools.cached_property
    def _products_of_weight(self) -> Products:
        in_x, taps, in_y, _ = self._offsets
        planes = np.arange(self._layer.n_output_plane)
        samples = np.arange(self.y.shape[0])[:, None]
        return Products(
            self._library,
            lanes=(taps, np.arange(len(taps))),
            rows=(planes * self._positions, planes * len(taps)),
            terms=(in_x, in_y),
            two_chains=rows_with_two_chains(len(taps), len(planes)),
            ends=(samples * self._positions + ends_of_blocks(self._positions)).reshape(-1),
            zeros=Zeros.LANES_AND_BLOCKS,
        )

    @functools.cached_property
    def _back(self) -> tuple[Products, torch.Tensor, torch.Tensor]:
        """Return the products with transposed weights, and buffers for columns and their sum."""
        layer = self._layer
        _, taps, in_y, in_columns = self._offsets
        planes, rows = np.arange(self._layer.n_output_plane), np.arange(len(taps))
        products = Products(
            self._library,
            lanes=(in_y, in_columns),
            rows=(rows, rows * self._positions),
            terms=(planes * self._positions, planes * len(taps)),
            two_chains=self._in_every_sample(len(taps)),
            ends=ends_of_blocks(len(planes)),
            planes=Planes(
                np.repeat(np.arange(self.y.shape[0]), self._positions), rows=layer.kh * layer.kw
            ),
        )
        shape = self.y.shape[0], len(taps), self._positions
        columns = torch.empty(math.prod(shape) + _READ_AFTER)[:-_READ_AFTER].view(shape)
        return products, columns, torch.empty(self._padded_shape)

    def _in_every_sample(self, rows: int) -> np.ndarray:
        return np.tile(rows_with_two_chains(self._positions, rows), self.y.shape[0])
