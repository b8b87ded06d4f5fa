"""The network's sums in the order of Neon's CPU backend on OpenBLAS's Haswell kernels, bit for bit.

Neon kept the batch last and multiplied position by position: [filters, inputs of a window] times
[inputs of a window, B] forward; for a pixel's gradient, [channels, filters · taps that reach it]
times as many errors; for the weights' gradient, window times errorsᵀ, summed position by position.
Here the batch comes first, as in PyTorch, and native/products.c sums in Neon's order.

Neon: backends/nervanacpu.py, fprop_conv, bprop_conv, update_conv, compound_dot.

Legend: B batch, C channels, K filters; a window's taps are (channel, row, column).
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn_port.native.alike import AlikeProducts
from dqn_port.native.library import kernels
from dqn_port.native.products import (
    Offsets,
    Products,
    Zeros,
    ends_of_blocks,
    products_of_linear_weight,
    rows_with_two_chains,
    sides_of_rows,
)

_WORTH_LOOKING: Final = 3
"""The next layer's windows are compared if at most one in this many of a layer's differ."""
_BYTES_OF_A_PIXEL: Final = 4

Picture = Tensor | None
"""int32 [B, h, w] for an x [B, C, h, w]: equal numbers where all channels of x are equal."""


def kernels_for(weight: Tensor) -> ctypes.CDLL | None:
    """Return the kernels if they can sum with these weights in Neon's order."""
    library = kernels()
    is_theirs = weight.device.type == "cpu" and weight.dtype is torch.float32
    return library if is_theirs and library and library.lanes_of_a_panel() > 0 else None


class Size(NamedTuple):
    """The number of rows computed, and the original's batch size."""

    rows: int
    batch: int

    def two_chains(self, outputs: int) -> NDArray[np.uint8]:
        """Return for each row the sides on which outputs are summed in two chains."""
        return rows_with_two_chains(max(self.batch, self.rows), outputs)[: self.rows]


class ConvolutionOrder:
    """A convolution without padding and bias."""

    def __init__(
        self, library: ctypes.CDLL, weight: Tensor, stride: int, shape: Sequence[int], size: Size
    ) -> None:
        """``weight``: [K, C, side, side]; ``shape``: of x, (C, h, w)."""
        self._library, self.weight, self._size = library, weight, size
        self._filters, self._channels, self._side, _ = weight.shape
        self._stride, (_, self._height, self._width) = stride, shape
        self._out = tuple((n - self._side) // stride + 1 for n in shape[1:])
        self._positions = math.prod(self._out)
        self.y = torch.empty(size.rows, self._filters, *self._out)

    def forward(self, x: Tensor, picture: Picture, *, rectify: bool) -> Picture:
        """Set y; x: float32, or uint8 for bytes over 255. Return the picture of y.

        What is alike in x, or in its ``picture``, is summed once.
        """
        if x.dtype is torch.uint8 and self._channels <= _BYTES_OF_A_PIXEL:
            picture = self._pixels
            self._library.number_pixels(
                x.data_ptr(), *x.shape[:2], self._height * self._width, picture.data_ptr()
            )
        if picture is None:
            self._products.into(self.y, x, self.weight, rectify=rectify)
            return None
        kinds = self._alike.kinds
        found = self._alike.into(self.y, picture, x, self.weight, first=None, rectify=rectify)
        return kinds if found <= kinds.numel() // _WORTH_LOOKING else None

    def weight_gradient(self, x: Tensor, gradient: Tensor, out: Tensor) -> None:
        """Set the gradient of the weights, [K, C, side, side], from that of y."""
        if x.dtype is torch.uint8:
            # A byte is in several windows: convert it only once.
            self._library.spread_bytes(x.data_ptr(), x.numel(), self._floats.data_ptr())
            x = self._floats
        self._products_of_weight.into(out, x, gradient)

    def backward(self, gradient: Tensor, x: Tensor) -> Tensor:
        """Return the gradient of x, which may be anything where x is 0."""
        turned = self.weight.detach().flip(2, 3).contiguous()
        parts, back = self._back
        for products in parts:
            products.into(back, gradient, turned, needed_by=x)
        return back

    @functools.cached_property
    def _pixels(self) -> Tensor:
        return torch.empty(self._size.rows, self._height, self._width, dtype=torch.int32)

    @functools.cached_property
    def _floats(self) -> Tensor:
        return torch.empty(self._size.rows, self._channels, self._height, self._width)

    def _in_x(self, rows: Offsets, columns: Offsets) -> Offsets:
        return np.add.outer(rows * self._width, columns).reshape(-1)

    @functools.cached_property
    def _windows(self) -> Offsets:
        """Where the windows start in a channel: [positions]."""
        return self._in_x(*(np.arange(n) * self._stride for n in self._out))

    @functools.cached_property
    def _taps(self) -> Offsets:
        """Where a window's taps are in a sample, from its start: [C · side²]."""
        side = np.arange(self._side)
        channels = np.arange(self._channels) * self._height * self._width
        return np.add.outer(channels, self._in_x(side, side)).reshape(-1)

    @property
    def _samples(self) -> Offsets:
        """The samples' numbers, [B, 1]."""
        return np.arange(self._size.rows)[:, None]

    def _lanes(self, in_channel: Offsets, per_sample: int) -> Offsets:
        return (self._samples * per_sample + in_channel).reshape(-1)

    @property
    def _of_x(self) -> int:
        return self._channels * self._height * self._width

    @property
    def _of_y(self) -> int:
        return self._filters * self._positions

    @functools.cached_property
    def _products(self) -> Products:
        taps, filters = len(self._taps), np.arange(self._filters)
        return Products(
            self._library,
            lanes=(
                self._lanes(self._windows, self._of_x),
                self._lanes(np.arange(self._positions), self._of_y),
            ),
            rows=(filters * taps, filters * self._positions),
            terms=(self._taps, np.arange(taps)),
            two_chains=np.repeat(self._size.two_chains(self._filters), self._positions),
            ends=ends_of_blocks(taps),
        )

    @functools.cached_property
    def _alike(self) -> AlikeProducts:
        return AlikeProducts(
            self._library,
            self._products,
            windows=self._lanes(self._windows, self._of_x),
            two_chains=np.repeat(self._size.two_chains(self._filters), self._positions),
            rows=self._filters,
            picture=(self._size.rows, self._height, self._width),
            kernel=(self._side, self._side),
            out_size=(self._out[0], self._out[1]),
            stride=(self._stride, self._stride),
        )

    @functools.cached_property
    def _products_of_weight(self) -> Products:
        """Return the products: Neon's lanes are filters and its rows taps; here they swap."""
        taps, filters = len(self._taps), np.arange(self._filters)
        samples = np.arange(self._size.rows)
        positions = np.arange(self._positions)[:, None]
        of_sample = ends_of_blocks(self._size.rows)
        return Products(
            self._library,
            lanes=(self._taps, np.arange(taps)),
            rows=(filters * self._positions, filters * taps),
            terms=(
                np.add.outer(self._windows, samples * self._of_x).reshape(-1),
                (positions + samples * self._of_y).reshape(-1),
            ),
            two_chains=sides_of_rows(taps),
            sides=rows_with_two_chains(self._filters, taps),
            ends=(positions * self._size.rows + of_sample).reshape(-1),
            zeros=Zeros.LANES_AND_BLOCKS,
        )

    def _reached(self, size: int, out: int) -> Iterator[tuple[Offsets, Offsets, Offsets]]:
        """Yield pixels of a side that the same taps reach, their first positions, and the taps.

        Taps are counted from the end, so that positions rise with them.
        """
        stride, side = self._stride, self._side

        def taps(pixel: int) -> tuple[int, ...]:
            return tuple(
                side - 1 - tap
                for tap in reversed(range(side))
                if (pixel - tap) % stride == 0 and 0 <= (pixel - tap) // stride < out
            )

        for found, group in itertools.groupby(sorted(range(size), key=taps), key=taps):
            pixels = np.array(list(group))
            if found:
                first = (pixels - (side - 1 - found[0])) // stride
                yield pixels, first, np.array(found)

    @functools.cached_property
    def _back(self) -> tuple[list[Products], Tensor]:
        """Return the products of all pixels, and a buffer for the sums: 0 where no tap reaches."""
        side, (out_height, out_width) = self._side, self._out
        two = self._size.two_chains(self._channels)
        channels, filters = np.arange(self._channels), np.arange(self._filters)[:, None]
        parts = []
        for (y, first_y, taps_y), (x, first_x, taps_x) in itertools.product(
            self._reached(self._height, out_height), self._reached(self._width, out_width)
        ):
            steps_y, steps_x = np.arange(len(taps_y)), np.arange(len(taps_x))
            positions = np.add.outer(steps_y * out_width, steps_x).reshape(-1)
            taps = np.add.outer(taps_y * side, taps_x).reshape(-1)
            in_y = np.add.outer(first_y * out_width, first_x).reshape(-1)
            parts.append(
                Products(
                    self._library,
                    lanes=(
                        self._lanes(in_y, self._of_y),
                        self._lanes(self._in_x(y, x), self._of_x),
                    ),
                    rows=(channels * side**2, channels * self._height * self._width),
                    terms=(
                        (filters * self._positions + positions).reshape(-1),
                        (filters * self._channels * side**2 + taps).reshape(-1),
                    ),
                    two_chains=np.repeat(two, len(in_y)),
                    ends=ends_of_blocks(self._filters * len(taps)),
                )
            )
        shape = (self._size.rows, self._channels, self._height, self._width)
        return parts, torch.zeros(shape)


class LinearOrder:
    """A linear layer without bias. Samples are Neon's lanes; here they are rows, for speed."""

    def __init__(self, library: ctypes.CDLL, weight: Tensor, size: Size) -> None:
        """``weight``: [out, in]."""
        self._library, self.weight, self._size = library, weight, size
        self.y = torch.empty(size.rows, len(weight))

    def forward(self, x: Tensor, *, rectify: bool) -> None:
        """Set y; x: float32 [B, in]."""
        self._products.into(self.y, self.weight, x, rectify=rectify)

    def weight_gradient(self, x: Tensor, gradient: Tensor, out: Tensor) -> None:
        """Set the gradient of the weights from that of y."""
        self._products_of_weight.into(out, x, gradient)

    def backward(self, gradient: Tensor, x: Tensor) -> Tensor:
        """Return the gradient of x, which may be anything where x is 0."""
        products, back = self._back
        products.into(back, self.weight, gradient, needed_by=x)
        return back

    @property
    def _indices(self) -> tuple[Offsets, Offsets, Offsets]:
        """The indices of samples, outputs and inputs."""
        outputs, inputs = map(np.arange, self.weight.shape)
        return np.arange(self._size.rows), outputs, inputs

    @functools.cached_property
    def _products(self) -> Products:
        samples, outputs, inputs = self._indices
        return Products(
            self._library,
            lanes=(outputs * len(inputs), outputs),
            rows=(samples * len(inputs), samples * len(outputs)),
            terms=(inputs, inputs),
            two_chains=sides_of_rows(len(outputs)),
            sides=self._size.two_chains(len(outputs)),
            ends=ends_of_blocks(len(inputs)),
            zeros=Zeros.ROWS,
        )

    @functools.cached_property
    def _products_of_weight(self) -> Products:
        samples, outputs, inputs = map(len, self._indices)
        return products_of_linear_weight(self._library, samples, inputs, outputs)

    @functools.cached_property
    def _back(self) -> tuple[Products, Tensor]:
        samples, outputs, inputs = self._indices
        products = Products(
            self._library,
            lanes=(inputs, inputs),
            rows=(samples * len(outputs), samples * len(inputs)),
            terms=(outputs * len(inputs), outputs),
            two_chains=sides_of_rows(len(inputs)),
            sides=self._size.two_chains(len(inputs)),
            ends=ends_of_blocks(len(outputs)),
            zeros=Zeros.ROWS,
        )
        return products, torch.empty(len(samples), len(inputs))


class NeonOrder:
    """The layers of a network without batch normalisation, for a fixed number of states."""

    def __init__(
        self,
        convolutions: Sequence[tuple[Tensor, int]],
        linears: Sequence[Tensor],
        shape: Sequence[int],
        size: Size,
    ) -> None:
        """``convolutions``: weights and stride; ``shape``: of a state, (H, h, w)."""
        library = kernels_for(linears[0])
        assert library is not None
        self._library = library
        self._convolutions: list[ConvolutionOrder] = []
        for weight, stride in convolutions:
            self._convolutions.append(ConvolutionOrder(library, weight, stride, shape, size))
            shape = self._convolutions[-1].y.shape[1:]
        self._linears = [LinearOrder(library, weight, size) for weight in linears]
        self._layers: list[ConvolutionOrder | LinearOrder] = [*self._convolutions, *self._linears]
        self._inputs: list[Tensor] = []

    @functools.cached_property
    def _gradients(self) -> list[Tensor]:
        return [torch.empty_like(layer.weight) for layer in self._layers]

    @functools.cached_property
    def _rectified(self) -> list[Tensor]:
        """Buffers for the gradients that pass the relu before each layer but the first."""
        return [torch.empty_like(x, dtype=torch.float32) for x in self._inputs]

    def forward(self, states: Tensor) -> Tensor:
        """Return Q, float32 [B, A], of states uint8 [B, H, h, w]; the next call overwrites it."""
        x, picture = states, None
        self._inputs = []
        for convolution in self._convolutions:
            self._inputs.append(x)
            picture = convolution.forward(x, picture, rectify=True)
            x = convolution.y
        x = x.flatten(1)
        for linear in self._linears:
            self._inputs.append(x)
            linear.forward(x, rectify=linear is not self._linears[-1])
            x = linear.y
        return x

    def backward(self, gradient: Tensor) -> list[Tensor]:
        """Return the gradients of all weights, from that of the last ``forward``'s Q.

        The next call overwrites them.
        """
        for i in reversed(range(len(self._layers))):
            layer, x = self._layers[i], self._inputs[i]
            layer.weight_gradient(x, gradient, self._gradients[i])
            if i:
                of_x, gradient = layer.backward(gradient, x), self._rectified[i]
                self._library.rectify_gradient(
                    x.data_ptr(), of_x.data_ptr(), x.numel(), gradient.data_ptr()
                )
        return self._gradients
