"""Convolutions that compute equal windows once, with the numbers of products.py.

Equal windows have equal sums. Screens of Atari games are mostly background, and the samples of a
minibatch show the same places; docs/bench.md has how many windows differ.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.native.products import Offsets, Products, as_int32

_SLOTS_PER_WINDOW: Final = 2


class _Windows(ctypes.Structure):
    """windows_t of native/alike.c."""

    _tables = (
        *("window_a", "two", "kinds", "columns", "firsts", "begins", "columns_of_kinds"),
        *("hashes", "table", "lanes", "order", "rows_of_sums", "two_of_panels", "sums"),
    )
    _sizes = (
        *("batch", "height", "width", "kh", "kw", "out_height", "out_width", "dh", "dw"),
        "size_of_table",
    )
    _fields_ = (
        *((name, ctypes.c_void_p) for name in _tables),
        *((name, ctypes.c_ssize_t) for name in _sizes),
    )


class AlikeProducts:
    """The products of one convolution for one batch size."""

    def __init__(
        self,
        kernels: ctypes.CDLL,
        products: Products,
        *,
        windows: Offsets,
        two_chains: NDArray[np.uint8],
        rows: int,
        picture: tuple[int, int, int],
        kernel: tuple[int, int],
        out_size: tuple[int, int],
        stride: tuple[int, int],
    ) -> None:
        """Set up the tables.

        ``products``: whose rows and terms are used; ``windows``: where each begins in a;
        ``two_chains``: see rows_with_two_chains, one per window; ``picture``: [B, H, W].
        """
        self._sum, self._products = kernels.sum_alike, products
        batch, height, width = picture
        n, panel = len(windows), kernels.lanes_of_a_panel()
        kinds_of_chains = 8
        most = n + kinds_of_chains * panel
        slots = 1 << (_SLOTS_PER_WINDOW * n - 1).bit_length()
        self.kinds = torch.empty(batch, *out_size, dtype=torch.int32)
        """Int32 [B, out_height, out_width]: equal for equal windows."""
        tables: dict[str, NDArray[Any]] = {
            "window_a": as_int32(windows),
            "two": two_chains,
            "kinds": self.kinds.numpy(),
            **{name: np.empty(n, np.int32)
               for name in ("columns", "firsts", "begins", "columns_of_kinds", "hashes")},
            "table": np.empty(slots, np.int32),
            "lanes": np.empty(most, np.int32),
            "order": np.arange(most, dtype=np.int32),
            "rows_of_sums": np.empty(rows, np.int32),
            "two_of_panels": np.empty(most, np.uint8),
            "sums": np.empty((rows, most), np.float32),
        }  # fmt: skip
        self._tables = tables
        self._windows = _Windows(
            *(tables[name].ctypes.data for name in _Windows._tables),
            *(batch, height, width, *kernel, *out_size, *stride, slots),
        )
        self._at = ctypes.addressof(self._windows)

    def into(
        self,
        out: torch.Tensor,
        picture: torch.Tensor,
        a: torch.Tensor,
        b: torch.Tensor,
        *,
        first: torch.Tensor | None,
        rectify: bool,
    ) -> int:
        """Set ``out`` and ``kinds``; return how many different windows there are.

        ``picture``: equal numbers where a is equal in all planes.
        """
        found: int = self._sum(
            self._products.address, self._at,
            picture.data_ptr(), a.data_ptr(), a.dtype is torch.uint8, b.data_ptr(),
            None if first is None else first.data_ptr(), out.data_ptr(), rectify,
        )  # fmt: skip
        return found
