"""Stacks of bytes as the network takes them: their distinct windows, or all pixels as floats.

Which of the two is used depends only on the stacks. The sums are the same except for their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

from dqn_port.interfaces import Array
from dqn_port.native.library import kernels
from dqn_port.native.windows import Windows, find_windows, number_pixels

CONVOLUTIONS: Final = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
"""(planes, side, stride) of the network's."""
_MOST: Final = 2 / 3
"""Where more of a layer's windows are distinct, all are computed."""


@dataclass(frozen=True)
class Alike:
    """Stacks whose windows are mostly alike, in the first layers at least."""

    rows: torch.Tensor
    """float32 [n, 4 · 8 · 8], 0..1: what the first layer's distinct windows show."""
    layers: tuple[Windows, ...]


Seen = torch.Tensor | Alike


def look(obs: Array, device: torch.device) -> Seen:
    """Return what the network takes of stacks, uint8 [B, 4, 84, 84]."""
    stacks, library = torch.from_numpy(obs).contiguous(), kernels()
    if device.type == "cpu" and library is not None:
        layers: list[Windows] = []
        picture = number_pixels(library, stacks)
        for _, side, stride in CONVOLUTIONS:
            windows = find_windows(library, picture, side=side, stride=stride)
            if windows.share > _MOST:
                break
            layers.append(windows)
            picture = windows.kinds
        if layers:
            return Alike(layers[0].of_bytes(stacks), tuple(layers))
    # PyTorch's convolutions are faster with the channels last.
    floats = stacks.to(device).to(torch.float32) / 255.0
    return floats.contiguous(memory_format=torch.channels_last)
