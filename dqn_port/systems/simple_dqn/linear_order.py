"""A linear layer's sums in Neon's order; see neon_order.py.

Legend: B batch.
"""

from __future__ import annotations

import ctypes
import functools
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn_port.native.direct import DirectProducts, Lanes, Rows
from dqn_port.native.products import (
    Offsets,
    Products,
    Zeros,
    ends_of_blocks,
    products_of_linear_weight,
    rows_with_two_chains,
    sides_of_rows,
)


class Size(NamedTuple):
    """The number of rows computed, and the original's batch size."""

    rows: int
    batch: int

    def two_chains(self, outputs: int) -> NDArray[np.uint8]:
        """Return for each row the sides on which outputs are summed in two chains."""
        return rows_with_two_chains(max(self.batch, self.rows), outputs)[: self.rows]


class LinearOrder:
    """A linear layer without bias."""

    def __init__(self, library: ctypes.CDLL, weight: Tensor, size: Size) -> None:
        """``weight``: [out, in]."""
        self._library, self.weight, self._size = library, weight, size
        self.y = torch.empty(size.rows, len(weight))

    def forward(self, x: Tensor, *, rectify: bool) -> None:
        """Set y; x: float32 [B, in]."""
        if self._size.rows == 1:
            self._product_of_one.into(self.y, self.weight, x, rectify=rectify)
            return
        samples, turned, y = self._lanes, self._turned_x, self._turned_y
        samples.turn(x, turned, each=x.shape[1], step=0)
        self._products.add(y, turned, self.weight)
        if rectify:
            self._library.rectify(y.data_ptr(), y.numel(), y.data_ptr())
        self.y.copy_(samples.in_order(y).T)

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
    def _product_of_one(self) -> Products:
        _, outputs, inputs = self._indices
        return Products(
            self._library,
            lanes=(outputs * len(inputs), outputs),
            rows=(np.zeros(1, int), np.zeros(1, int)),
            terms=(inputs, inputs),
            two_chains=sides_of_rows(len(outputs)),
            sides=self._size.two_chains(len(outputs)),
            ends=ends_of_blocks(len(inputs)),
            zeros=Zeros.ROWS,
        )

    @functools.cached_property
    def _lanes(self) -> Lanes:
        """The samples."""
        return Lanes(self._library, self._size.two_chains(len(self.weight)))

    @functools.cached_property
    def _turned_x(self) -> Rows:
        return Rows(1, self.weight.shape[1], len(self._lanes))

    @functools.cached_property
    def _turned_y(self) -> Tensor:
        return torch.empty(len(self.weight), len(self._lanes))

    @functools.cached_property
    def _products(self) -> DirectProducts:
        _, outputs, inputs = self._indices
        begin = np.zeros(1, int)
        return DirectProducts(
            self._library,
            panels=(begin, begin, begin),
            rows=(outputs * len(inputs), outputs),
            terms=(inputs, inputs),
            alive=(begin, outputs),
            lanes=self._lanes,
            two_chains=self._size.two_chains(len(outputs)),
            ends=ends_of_blocks(len(inputs)),
            sides=sides_of_rows(len(outputs)),
            apart=True,
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
