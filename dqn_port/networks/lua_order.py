"""A network's layers on the CPU with every float32 sum in the order of Lua's nn.

nn: SpatialConvolutionMM.c, unfold.c, Linear.lua, Rectifier.lua. All buffers are made once for a
batch size. A sample's values hang on where in the batch it stands, as they did in Lua.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import torch

from dqn_port.native.library import kernels
from dqn_port.networks.alike import AlikeProducts
from dqn_port.networks.layers import (
    Layer,
    Linear,
    Rectifier,
    Reshape,
    SpatialConvolution,
    to_floats,
)
from dqn_port.networks.products import (
    Planes,
    Products,
    Zeros,
    ends_of_blocks,
    rows_with_two_chains,
)

Tensors = tuple[torch.Tensor, ...]
Picture = torch.Tensor | None
"""Of an x [B, C, H, W], int32 [B, H, W]: the same numbers where all planes of x are the same."""

_READ_AFTER: Final = 8
"""Floats that fold may read behind its columns."""
_WORTH_LOOKING: Final = 3
"""Where no more than such a part of a layer's windows differ, the next layer's are compared."""
_BYTES_OF_A_PIXEL: Final = 4
_MOST_PASSES: Final = 8
"""Batch sizes whose buffers are kept."""


def can_sum_as_lua(device: torch.device) -> bool:
    """Tell whether there are kernels for the device, and fused multiply-adds."""
    library = kernels()
    return device.type == "cpu" and library is not None and library.lanes_of_a_panel() > 0


class _Step(Protocol):
    """One layer for one batch size. ``y`` is its output."""

    y: torch.Tensor

    def forward(self, x: torch.Tensor, picture: Picture) -> Picture:
        """Set ``y``; x: float32, or uint8 for bytes over 255. Return the picture of y."""

    def backward(self, gradient: torch.Tensor, *, further: bool) -> torch.Tensor:
        """Set the gradients of the parameters; return that of x if it goes ``further``."""


class _Convolution:
    """Lua: SpatialConvolutionMM.c."""

    rectify = False
    """Whether a Rectifier follows: its values are stored at once, and are y."""
    is_rectified = False
    """Whether x comes from a Rectifier, which lets no gradient through where it is 0."""

    def __init__(
        self,
        library: ctypes.CDLL,
        layer: SpatialConvolution,
        parameters: Tensors,
        gradients: Tensors,
        shape: tuple[int, ...],
    ) -> None:
        """``shape``: [B, in, H, W]."""
        self._library, self._layer = library, layer
        self._weight, self._bias = parameters
        self._weight_gradient, self._bias_gradient = gradients
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
        self._rooms: dict[torch.dtype, torch.Tensor] = {}
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
                self.y, self._x, self._weight, first=self._bias, rectify=self.rectify
            )
            return None
        alike = self._alike
        found = alike.into(
            self.y, picture, self._x, self._weight, first=self._bias, rectify=self.rectify
        )
        return alike.kinds if found <= alike.kinds.numel() // _WORTH_LOOKING else None

    def _in_the_middle(self, x: torch.Tensor) -> torch.Tensor:
        """Return x amid zeros; PyTorch's own copy would wake threads of its own."""
        if x.dtype not in self._rooms:
            self._rooms[x.dtype] = torch.zeros(self._padded_shape, dtype=x.dtype)
        padded = self._rooms[x.dtype]
        inner, size = padded[self._inner], x.itemsize
        self._library.place_planes(
            x.data_ptr(), math.prod(x.shape[:2]), x.shape[2], x.shape[3] * size,
            *(stride * size for stride in inner.stride()[1:3]), inner.data_ptr(),
        )  # fmt: skip
        return padded

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
        """Room for which planes of which sample are not 0 everywhere."""
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
        """Add up the weights' gradient sample by sample; fold the input's."""
        layer, library = self._layer, self._library
        batch, planes = self.y.shape[:2]
        self._products_of_weight.into(self._weight_gradient, self._x, gradient)
        library.sum_planes(
            gradient.data_ptr(), batch, planes, self._positions, self._bias_gradient.data_ptr()
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
        products.into(columns, gradient, self._weight, needed_by=alive)
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
        """Return the products with the weights turned, and room for columns and their sum."""
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
            planes=Planes(np.repeat(np.arange(self.y.shape[0]), self._positions),
                          rows=layer.kh * layer.kw),
        )
        shape = self.y.shape[0], len(taps), self._positions
        columns = torch.empty(math.prod(shape) + _READ_AFTER)[:-_READ_AFTER].view(shape)
        return products, columns, torch.empty(self._padded_shape)

    def _in_every_sample(self, rows: int) -> np.ndarray:
        return np.tile(rows_with_two_chains(self._positions, rows), self.y.shape[0])


class _Linear:
    """Lua: Linear.lua."""

    rectify = is_rectified = False
    """As a convolution's."""

    def __init__(
        self,
        library: ctypes.CDLL,
        layer: Linear,
        parameters: Tensors,
        gradients: Tensors,
        shape: tuple[int, ...],
    ) -> None:
        """``shape``: of x, the batch first."""
        self._library, self._layer = library, layer
        self._weight, self._bias = parameters
        self._weight_gradient, self._bias_gradient = gradients
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
        self._products.into(self.y, self._weight, x, last=self._bias, rectify=self.rectify)
        return None

    def backward(self, gradient: torch.Tensor, *, further: bool) -> torch.Tensor:
        """Set the parameters' gradients; the bias's as sgemv sums it."""
        self._products_of_weight.into(self._weight_gradient, self._x, gradient)
        self._library.sum_columns(
            gradient.data_ptr(), *gradient.shape, self._bias_gradient.data_ptr()
        )
        if not further:
            return gradient
        products, back = self._back
        products.into(
            back, self._weight, gradient, needed_by=self._x if self.is_rectified else None
        )
        return back

    @functools.cached_property
    def _floats(self) -> torch.Tensor:
        """Room for an input of bytes."""
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
        samples, inputs, outputs = self._indices
        return Products(
            self._library,
            lanes=(inputs, inputs),
            rows=(outputs, outputs * len(inputs)),
            terms=(samples * len(inputs), samples * len(outputs)),
            two_chains=rows_with_two_chains(len(inputs), len(outputs)),
            ends=ends_of_blocks(len(samples)),
            zeros=Zeros.LANES_AND_BLOCKS,
        )

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


class _Rectifier:
    """Lua: Rectifier.lua."""

    def __init__(
        self, library: ctypes.CDLL, shape: tuple[int, ...], before: _Convolution | _Linear | None
    ) -> None:
        """``before``: the layer with weights that comes just before, which then rectifies."""
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
        """Let through what was positive."""
        del further
        self._library.rectify_gradient(
            *(self.y.data_ptr(), gradient.data_ptr(), self.y.numel(), self._back.data_ptr())
        )
        return self._back


class _Reshape:
    """The memory is the same."""

    def __init__(self, shape: tuple[int, ...], before: tuple[int, ...]) -> None:
        if math.prod(shape) != math.prod(before):
            # PyTorch's words, as without kernels.
            n = math.prod(before)
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {n}")
        self._before = before
        self.y = torch.empty(shape)

    def forward(self, x: torch.Tensor, picture: Picture) -> Picture:
        """View x."""
        del picture
        self.y = x.view(self.y.shape)
        return None

    def backward(self, gradient: torch.Tensor, *, further: bool) -> torch.Tensor:
        """View the gradient."""
        del further
        return gradient.view(self._before)


class LuaOrder:
    """The layers of one network; it reads the parameters and sets the gradients where they are."""

    def __init__(
        self,
        layers: Sequence[Layer],
        parameters: Sequence[Tensors],
        gradients: Sequence[Tensors],
    ) -> None:
        """Take the layers, and their (weight, bias), or nothing, and the gradients of them."""
        self._layers = tuple(zip(layers, parameters, gradients, strict=True))
        self._first = next((i for i, of in enumerate(parameters) if of), len(parameters))
        self._first_takes_bytes = self._first < len(parameters) and all(
            isinstance(layer, Reshape) for layer in layers[: self._first]
        )
        self._passes: dict[tuple[tuple[int, ...], bool], list[_Step]] = {}
        self._kept: list[_Step] = []

    def forward(self, s: torch.Tensor, *, keep: bool) -> torch.Tensor:
        """Return Q, float32 [B, A]; ``keep`` what ``backward`` needs.

        s: float32, or uint8 for bytes over 255, which the first layer with weights converts.

        Raises:
            RuntimeError: s is of a shape that a layer cannot take.
        """
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
        """Set the gradients of the last ``forward`` that was kept."""
        assert self._kept, "backward comes after forward_for_update"
        gradient = targets.to(torch.float32).contiguous()
        for i in range(len(self._kept) - 1, self._first - 1, -1):
            gradient = self._kept[i].backward(gradient, further=i > self._first)
        self._kept = []

    def _steps(self, shape: tuple[int, ...], keep: bool) -> list[_Step]:
        key = shape, keep
        if key not in self._passes:
            if len(self._passes) == _MOST_PASSES:
                del self._passes[next(iter(self._passes))]
            self._passes[key] = self._build(shape)
        return self._passes[key]

    def _build(self, shape: tuple[int, ...]) -> list[_Step]:
        library = kernels()
        assert library is not None
        steps: list[_Step] = []
        for layer, parameters, gradients in self._layers:
            step: _Step
            if isinstance(layer, SpatialConvolution):
                step = _Convolution(library, layer, parameters, gradients, shape)
            elif isinstance(layer, Linear):
                step = _Linear(library, layer, parameters, gradients, shape)
            elif isinstance(layer, Reshape):
                step = _Reshape((shape[0], *layer.size), shape)
            else:
                assert isinstance(layer, Rectifier)
                before = steps[-1] if steps else None
                if not isinstance(before, _Convolution | _Linear):
                    before = None
                step = _Rectifier(library, shape, before)
            if isinstance(step, _Convolution | _Linear):
                last = next((s for s in reversed(steps) if not isinstance(s, _Reshape)), None)
                step.is_rectified = isinstance(last, _Rectifier)
            steps.append(step)
            shape = tuple(step.y.shape)
        return steps
