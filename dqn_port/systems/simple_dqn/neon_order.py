"""The network's sums in the order of Neon's CPU backend on OpenBLAS's Haswell kernels, bit for bit.

Neon kept the batch last and multiplied position by position: [filters, inputs of a window] times
[inputs of a window, B] forward; for a pixel's gradient, [channels, filters · taps that reach it]
times as many errors; for the weights' gradient, window times errorsᵀ, summed position by position.
Forward the batch comes first here, as in PyTorch, so that equal windows are found. Back, and in the
linear layers, it comes last. native/products.c and native/direct.c sum in Neon's order.

Neon: backends/nervanacpu.py, fprop_conv, bprop_conv, update_conv, compound_dot.

Legend: B batch, C channels, K filters; a window's taps are (channel, row, column).
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn_port.native.alike import AlikeProducts
from dqn_port.native.direct import DirectProducts, Lanes, Rows
from dqn_port.native.library import kernels
from dqn_port.native.products import (
    Offsets,
    Products,
    ends_of_blocks,
    rows_with_two_chains,
    sides_of_rows,
)
from dqn_port.systems.simple_dqn.linear_order import LinearOrder, Size

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


class ConvolutionOrder:
    """A convolution without padding and bias."""

    def __init__(
        self,
        library: ctypes.CDLL,
        weight: Tensor,
        stride: int,
        shape: Sequence[int],
        size: Size,
        samples: Lanes,
    ) -> None:
        """``weight``: [K, C, side, side]; ``shape``: of x, (C, h, w)."""
        self._library, self.weight, self._size = library, weight, size
        self._samples = samples
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

    def turn_gradient(self, gradient: Tensor) -> Rows:
        """Return the gradient of y, [B, K · positions], with the samples as lanes."""
        turned = self._turned_gradient
        self._samples.turn(gradient, turned, each=self._of_y, step=self._positions)
        return turned

    def weight_gradient(self, x: Tensor, gradient: Rows, out: Tensor) -> None:
        """Set the gradient of the weights, [K, C, side, side], from that of y."""
        filters, n = self._lanes_of_weight, len(self._samples)
        turned, by_filters, sums = self._turned_x, self._gradient_by_filters, self._sums_of_weight
        self._samples.turn(x, turned, each=self._of_x, step=self._height * self._width)
        filters.turn(gradient.values, by_filters, each=self._positions * n, step=n)
        sums.zero_()
        self._products_of_weight.add(sums, by_filters, turned.values, turned.alive)
        out.view(self._filters, -1).copy_(filters.in_order(sums).T)

    def backward(self, gradient: Rows) -> Rows:
        """Return the gradient of the last ``weight_gradient``'s x, 0 where x is."""
        weight = self.weight.detach().flip(2, 3).permute(0, 2, 3, 1).contiguous()
        (parts, back), x, of_x = self._back, self._turned_x, self._gradient_of_x
        for products in parts:
            products.add(back, gradient, weight, x.alive)
        self._samples.rectify_gradient(x, back, of_x)
        return of_x

    @functools.cached_property
    def _pixels(self) -> Tensor:
        return torch.empty(self._size.rows, self._height, self._width, dtype=torch.int32)

    @functools.cached_property
    def _turned_x(self) -> Rows:
        return Rows(self._channels, self._height * self._width, len(self._samples))

    @functools.cached_property
    def _gradient_of_x(self) -> Rows:
        return Rows(self._channels, self._height * self._width, len(self._samples))

    @functools.cached_property
    def _turned_gradient(self) -> Rows:
        return Rows(self._filters, self._positions, len(self._samples))

    @functools.cached_property
    def _gradient_by_filters(self) -> Rows:
        return Rows(self._positions, len(self._samples), len(self._lanes_of_weight))

    @functools.cached_property
    def _sums_of_weight(self) -> Tensor:
        return torch.empty(len(self._taps), len(self._lanes_of_weight))

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

    def _lanes(self, in_sample: Offsets, per_sample: int) -> Offsets:
        return np.add.outer(np.arange(self._size.rows) * per_sample, in_sample).reshape(-1)

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

    @property
    def _two_chains_of_weight(self) -> NDArray[np.uint8]:
        return rows_with_two_chains(self._filters, len(self._taps))

    @functools.cached_property
    def _lanes_of_weight(self) -> Lanes:
        """The filters."""
        return Lanes(self._library, self._two_chains_of_weight)

    @functools.cached_property
    def _products_of_weight(self) -> DirectProducts:
        """Return the products: for every position all samples are added up."""
        n, taps, positions = len(self._samples), self._taps, np.arange(self._positions)
        return DirectProducts(
            self._library,
            panels=(positions * n, self._windows * n, np.zeros_like(positions)),
            rows=(taps * n, np.arange(len(taps))),
            terms=(self._samples.lanes, self._samples.lanes),
            alive=(self._windows, taps),
            lanes=self._lanes_of_weight,
            two_chains=self._two_chains_of_weight,
            ends=ends_of_blocks(self._size.rows),
            sides=sides_of_rows(len(taps)),
            apart=False,
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
    def _back(self) -> tuple[list[DirectProducts], Tensor]:
        """Return the products of all pixels, and a buffer for the sums: 0 where no tap reaches."""
        side, (out_height, out_width) = self._side, self._out
        channels, filters = np.arange(self._channels), np.arange(self._filters)[:, None]
        planes = channels * self._height * self._width
        parts = []
        for (y, first_y, taps_y), (x, first_x, taps_x) in itertools.product(
            self._reached(self._height, out_height), self._reached(self._width, out_width)
        ):
            steps_y, steps_x = np.arange(len(taps_y)), np.arange(len(taps_x))
            positions = np.add.outer(steps_y * out_width, steps_x).reshape(-1)
            taps = np.add.outer(taps_y * side, taps_x).reshape(-1)
            in_y = np.add.outer(first_y * out_width, first_x).reshape(-1)
            pixels = self._in_x(y, x)
            parts.append(
                DirectProducts(
                    self._library,
                    panels=(in_y, np.zeros_like(in_y), pixels),
                    rows=(channels, planes),
                    terms=(
                        (filters * self._positions + positions).reshape(-1),
                        (filters * side**2 + taps).reshape(-1) * self._channels,
                    ),
                    alive=(pixels, planes),
                    lanes=self._samples,
                    two_chains=self._size.two_chains(self._channels),
                    ends=ends_of_blocks(self._filters * len(taps)),
                    sides=sides_of_rows(self._channels),
                    apart=True,
                )
            )
        return parts, torch.zeros_like(self._turned_x.values)


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
        samples = Lanes(library, *(size.two_chains(weight.shape[1]) for weight, _ in convolutions))
        self._convolutions: list[ConvolutionOrder] = []
        for weight, stride in convolutions:
            order = ConvolutionOrder(library, weight, stride, shape, size, samples)
            self._convolutions.append(order)
            shape = self._convolutions[-1].y.shape[1:]
        self._linears = [LinearOrder(library, weight, size) for weight in linears]
        self._layers: list[ConvolutionOrder | LinearOrder] = [*self._convolutions, *self._linears]
        self._inputs: list[Tensor] = []

    @functools.cached_property
    def _gradients(self) -> list[Tensor]:
        return [torch.empty_like(layer.weight) for layer in self._layers]

    @functools.cached_property
    def _rectified(self) -> list[Tensor]:
        """Buffers for the gradients that pass the relu before each linear layer."""
        return [torch.empty_like(x) for x in self._inputs[len(self._convolutions) :]]

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
        n = len(self._convolutions)
        for i, linear in reversed(list(enumerate(self._linears))):
            x, of_x = self._inputs[n + i], self._rectified[i]
            linear.weight_gradient(x, gradient, self._gradients[n + i])
            back = linear.backward(gradient, x)
            self._library.rectify_gradient(
                x.data_ptr(), back.data_ptr(), x.numel(), of_x.data_ptr()
            )
            gradient = of_x
        turned = self._convolutions[-1].turn_gradient(gradient)
        for i, convolution in reversed(list(enumerate(self._convolutions))):
            convolution.weight_gradient(self._inputs[i], turned, self._gradients[i])
            if i:
                turned = convolution.backward(turned)
        return self._gradients
