"""Centred RMSProp after Graves 2013 (arXiv:1308.0850, eq. 40), without momentum."""

from __future__ import annotations

import ctypes
from typing import Final

import numpy as np
import torch

from dqn_port.native.library import kernels

DECAY: Final = 0.95
"""Of both moving averages (NeuralQLearner.lua)."""
EPSILON: Final = 0.01
"""Inside the root (NeuralQLearner.lua)."""


_FUSED_BY: Final = 32
"""OpenBLAS's saxpy rounds whole blocks of this many numbers once each, the rest twice."""


def add_scaled(to: torch.Tensor, x: torch.Tensor, scale: float) -> None:
    """Add ``scale`` · ``x`` to ``to``, float32 vectors, in place. Lua: add, by OpenBLAS's saxpy."""
    library = _kernels_for(to)
    if library is not None:
        library.saxpy(to.data_ptr(), x.data_ptr(), to.numel(), scale)
        return
    whole = len(to) // _FUSED_BY * _FUSED_BY if to.device.type == "cpu" else len(to)
    with torch.no_grad():
        to[:whole].add_(x[:whole], alpha=scale)
        if whole < len(to):
            to[whole:].add_(x[whole:] * scale)


def _kernels_for(vector: torch.Tensor) -> ctypes.CDLL | None:
    """Return the kernels if the vector is on the CPU and fused multiply-adds are fast."""
    library = kernels() if vector.device.type == "cpu" else None
    return library if library is not None and library.lanes_of_a_panel() > 0 else None


class CentredRmsprop:
    """Ascend a gradient divided by its own running standard deviation.

    g  ← 0.95 g  + 0.05 dw
    g2 ← 0.95 g2 + 0.05 dw²
    w  ← w + lr · dw / √(g2 − g² + 0.01)

    Lua: NeuralQLearner.lua, qLearnMinibatch. All vectors are float32 [n_params].
    """

    def __init__(self, w: torch.Tensor) -> None:
        self.g = torch.zeros_like(w)
        self.g2 = torch.zeros_like(w)
        self._scratch = torch.empty_like(w)

    def step(self, w: torch.Tensor, dw: torch.Tensor, lr: float) -> None:
        """Change ``w`` in place by one step along ``dw``."""
        g, g2, scratch = self.g, self.g2, self._scratch
        library = _kernels_for(w)
        if library is not None:
            library.centred_rmsprop(
                *(vector.data_ptr() for vector in (w, dw, g, g2)),
                *(w.numel(), DECAY, 1 - DECAY, EPSILON, lr),
            )
            return
        with torch.no_grad():
            add_scaled(g.mul_(DECAY), dw, 1 - DECAY)
            add_scaled(g2.mul_(DECAY), torch.mul(dw, dw, out=scratch), 1 - DECAY)
            torch.mul(g, g, out=scratch)
            torch.sub(g2, scratch, out=scratch).add_(EPSILON)
            if w.device.type == "cpu":
                # PyTorch's root is not always the nearest float32.
                np.sqrt(scratch.numpy(), out=scratch.numpy())
            else:
                scratch.sqrt_()
            w.addcdiv_(dw, scratch, value=lr)
