"""Means as Torch7 computes them."""

from __future__ import annotations

import numpy as np
import torch


def mean_all(tensor: torch.Tensor) -> float:
    """Return the mean of all elements: summed in double, in row-major order, one after another.

    PyTorch and NumPy sum pairwise, which gives other last digits.
    Lua: torch's THTensor_(meanall) with one thread.
    """
    values = tensor.detach().cpu().numpy().reshape(-1)
    return float(np.add.accumulate(values, dtype=np.float64)[-1]) / len(values)
