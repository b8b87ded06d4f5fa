"""RMSProp as TensorFlow had it: not centred, without momentum, ε inside the root."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

from dqn_port.native.library import kernels

_CHUNK: Final = 65_536
"""Weights that PyTorch updates at a time: this many stay in a core's cache."""


def rmsprop(
    w: torch.Tensor, g: torch.Tensor, ms: torch.Tensor, *, lr: float, decay: float, epsilon: float
) -> None:
    """Take a step in place: ms += (g² − ms)(1 − decay); w −= lr · g / √(ms + ε).

    All are contiguous float32 of one size. On a CPU a kernel does it in one pass; without one,
    PyTorch and NumPy give the same numbers (test_rmsprop.py).
    """
    w, g, ms = (tensor.reshape(-1) for tensor in (w, g, ms))
    library = kernels() if w.device.type == "cpu" else None
    if library is not None:
        pointers = (tensor.data_ptr() for tensor in (w, g, ms))
        library.rmsprop(*pointers, len(w), 1 - decay, epsilon, lr)
        return
    at_once = _CHUNK if w.device.type == "cpu" else len(w)
    for begin in range(0, len(w), at_once):
        part = slice(begin, begin + at_once)
        change = g[part].square().sub_(ms[part]).mul_(1 - decay)
        ms[part].add_(change)
        torch.add(ms[part], epsilon, out=change)
        if w.device.type == "cpu":
            # PyTorch's root is not always the nearest float32.
            np.sqrt(change.numpy(), out=change.numpy())
        else:
            change.sqrt_()
        w[part].addcdiv_(g[part], change, value=-lr)
