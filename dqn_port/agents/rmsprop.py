"""Centred RMSProp after Graves 2013 (arXiv:1308.0850, eq. 40), without momentum."""

from __future__ import annotations

from typing import Final

import torch

DECAY: Final = 0.95
"""Of both moving averages (NeuralQLearner.lua)."""
EPSILON: Final = 0.01
"""Inside the root (NeuralQLearner.lua)."""


class CentredRmsprop:
    """Climb along a gradient divided by its own running standard deviation.

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
        with torch.no_grad():
            g.mul_(DECAY).add_(dw, alpha=1 - DECAY)
            g2.mul_(DECAY).addcmul_(dw, dw, value=1 - DECAY)
            torch.addcmul(g2, g, g, value=-1, out=scratch)
            scratch.add_(EPSILON).sqrt_()
            w.addcdiv_(dw, scratch, value=lr)
