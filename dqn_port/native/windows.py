"""Convolutions without padding that compute once what looks alike.

Windows that show the same give the same. Screens of Atari games are mostly background, and the
samples of a minibatch show the same places, so that few windows of the first layers are distinct. A
layer's output is a table here, with a row for each distinct window, and a picture that tells which
row stands where; what is distinct in that picture is the next layer's. Gradients of windows that
are alike are added up before they are multiplied: the same sums in another order.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import torch

MOST_PLANES = 4
"""Of stacks of bytes: a pixel's number has four bytes."""


@dataclass(frozen=True)
class Windows:
    """The distinct windows of a picture."""

    library: ctypes.CDLL
    picture: torch.Tensor
    """int32 [B, H, W]: the same numbers where the same is shown."""
    side: int
    kinds: torch.Tensor
    """int32 [B, out, out]: which of the distinct windows stands where."""
    begins: torch.Tensor
    """int32 [n]: where each begins in the picture."""

    @property
    def share(self) -> float:
        """How many of all windows are distinct, 0..1."""
        return len(self.begins) / self.kinds.numel()

    def _where(self) -> tuple[int, int, int, int, int]:
        width = self.picture.shape[2]
        return self.picture.data_ptr(), width, self.begins.data_ptr(), len(self.begins), self.side

    def of_bytes(self, stacks: torch.Tensor) -> torch.Tensor:
        """Return what the windows show, float32 [n, planes · side²], 0..1.

        stacks: uint8 [B, planes, H, W], whose pixels are the picture's.
        """
        _, planes, height, width = stacks.shape
        rows = torch.empty(len(self.begins), planes * self.side**2)
        self.library.spread_windows(
            stacks.data_ptr(), planes, height, width, *self._where()[2:], rows.data_ptr()
        )
        return rows

    def of_table(self, table: torch.Tensor) -> torch.Tensor:
        """Return what the windows show, float32 [n, side² · channels], with a gradient.

        table: float32 [·, channels]: what the numbers of the picture stand for.
        """
        rows: torch.Tensor = _Gather.apply(table, self)  # type: ignore[no-untyped-call]
        return rows

    def whole(self, table: torch.Tensor) -> torch.Tensor:
        """Return the rows of a table where their windows stand: float32 [B, out, out, channels].

        table: float32 [n, channels]; it gets a gradient.
        """
        rows: torch.Tensor = _Spread.apply(table, self)  # type: ignore[no-untyped-call]
        return rows


def number_pixels(library: ctypes.CDLL, stacks: torch.Tensor) -> torch.Tensor:
    """Return a picture of stacks, int32 [B, H, W]; stacks: uint8 [B, planes, H, W]."""
    batch, planes, height, width = stacks.shape
    assert planes <= MOST_PLANES
    assert stacks.is_contiguous()
    picture = torch.empty(batch, height, width, dtype=torch.int32)
    library.number_pixels(stacks.data_ptr(), batch, planes, height * width, picture.data_ptr())
    return picture


def find_windows(library: ctypes.CDLL, picture: torch.Tensor, *, side: int, stride: int) -> Windows:
    """Find which windows of a picture, int32 [B, H, W], are alike."""
    batch, height, width = picture.shape
    kinds = torch.empty(
        batch, (height - side) // stride + 1, (width - side) // stride + 1, dtype=torch.int32
    )
    begins = torch.empty(kinds.numel(), dtype=torch.int32)
    found = library.find_windows(
        picture.data_ptr(), batch, height, width, side, stride, kinds.data_ptr(), begins.data_ptr()
    )
    return Windows(library, picture, side, kinds, begins[:found])


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: torch.Tensor, windows: Windows) -> torch.Tensor:
        ctx.windows, ctx.size = windows, len(table)
        channels = table.shape[1]
        rows = torch.empty(len(windows.begins), windows.side**2 * channels)
        windows.library.gather_windows(
            table.data_ptr(), channels, *windows._where(), rows.data_ptr()
        )
        return rows

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        windows, of_rows = ctx.windows, gradients[0].contiguous()
        channels = of_rows.shape[1] // windows.side**2
        of_table = torch.zeros(ctx.size, channels)
        windows.library.add_windows(
            of_rows.data_ptr(), channels, *windows._where(), of_table.data_ptr()
        )
        return of_table, None


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: torch.Tensor, windows: Windows) -> torch.Tensor:
        ctx.windows, ctx.size = windows, len(table)
        rows = table.index_select(0, windows.kinds.view(-1))
        return rows.view(*windows.kinds.shape, table.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        windows, of_rows = ctx.windows, gradients[0].contiguous()
        channels = of_rows.shape[-1]
        of_table = torch.zeros(ctx.size, channels)
        windows.library.add_rows(
            of_rows.data_ptr(), channels, windows.kinds.data_ptr(), windows.kinds.numel(),
            of_table.data_ptr(),
        )  # fmt: skip
        return of_table, None
