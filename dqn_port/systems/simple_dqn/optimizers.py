"""Neon's optimisers: each operation in the network's own datatype, in Neon's order.

Neon: optimizers/optimizer.py. None is PyTorch's: RMSProp has ε inside and outside the root, Adam
takes its time from the epoch, Adadelta has no learning rate.

Legend: w weights; g the gradient, which every optimiser first divides by the batch's size; states:
what an optimiser keeps of every weight, zero at first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import torch
from torch import Tensor

from dqn_port.native.library import kernels


class Optimizer(Protocol):
    """Changes weights by their gradient."""

    n_states: int
    """How many numbers it keeps of every weight."""

    def optimize(
        self,
        w: Tensor,
        g: Tensor,
        states: Sequence[Tensor],
        *,
        batch_size: int,
        epoch: int,
        updates: int,
    ) -> None:
        """Change ``w`` and ``states`` in place, and maybe ``g``; ``updates``: with this one."""


def root(x: Tensor) -> Tensor:
    """Return √x; PyTorch's own is not always the nearest float32."""
    return x.sqrt() if x.device.type != "cpu" else torch.from_numpy(np.sqrt(x.numpy()))


class RMSProp:
    """Neither centred nor with momentum, unlike the Lua agent's."""

    n_states = 1
    EPSILON: Final = 1e-6

    def __init__(self, learning_rate: float, decay_rate: float) -> None:
        self._lr, self._decay = learning_rate, decay_rate

    def optimize(
        self,
        w: Tensor,
        g: Tensor,
        states: Sequence[Tensor],
        *,
        batch_size: int,
        epoch: int,
        updates: int,
    ) -> None:
        """Do s = d·s + g²·(1−d); w −= g·lr / (√(s+ε) + ε)."""
        (s,) = states
        library = kernels() if w.device.type == "cpu" and w.dtype is torch.float32 else None
        # To multiply by the inverse of a power of two rounds as the division does.
        part = 1 / batch_size if batch_size & (batch_size - 1) == 0 else None
        if library is None or part is None:
            g.div_(batch_size)
            part = 1.0
        if library is not None:
            library.neon_rmsprop(
                *(x.data_ptr() for x in (w, g, s)), w.numel(),
                *(part, self._lr, self._decay, 1 - self._decay, self.EPSILON),
            )  # fmt: skip
            return
        s.mul_(self._decay).add_(g.square().mul_(1 - self._decay))
        w.sub_((g * self._lr).div_(root(s + self.EPSILON).add_(self.EPSILON)))


class Adam:
    """Quirk: up to Neon 1.8.2 its time is the epoch + 1, a constant factor within an epoch; from
    1.9.0 on it counts updates (tests/systems/simple_dqn/test_quirks.py).
    """

    n_states = 2
    BETA_1: Final = 0.9
    BETA_2: Final = 0.999
    EPSILON: Final = 1e-8

    def __init__(self, learning_rate: float, *, counts_updates: bool) -> None:
        self._lr, self._counts_updates = learning_rate, counts_updates

    def optimize(
        self,
        w: Tensor,
        g: Tensor,
        states: Sequence[Tensor],
        *,
        batch_size: int,
        epoch: int,
        updates: int,
    ) -> None:
        """Do m = β1·m + (1−β1)·g; v = β2·v + (1−β2)·g²; w −= l·m / (√v + ε)."""
        m, v = states
        g.div_(batch_size)
        t = updates if self._counts_updates else epoch + 1
        lr = self._lr * math.sqrt(1 - self.BETA_2**t) / (1 - self.BETA_1**t)
        m.mul_(self.BETA_1).add_(g * (1 - self.BETA_1))
        v.mul_(self.BETA_2).add_((g * (1 - self.BETA_2)).mul_(g))
        w.sub_((m * lr).div_(root(v).add_(self.EPSILON)))


class Adadelta:
    """Quirk: learning_rate has no effect (tests/systems/simple_dqn/test_quirks.py)."""

    n_states = 3
    EPSILON: Final = 1e-6

    def __init__(self, decay_rate: float) -> None:
        self._decay = decay_rate

    def optimize(
        self,
        w: Tensor,
        g: Tensor,
        states: Sequence[Tensor],
        *,
        batch_size: int,
        epoch: int,
        updates: int,
    ) -> None:
        """Do e = d·e + (1−d)·g²; u = √((x+ε)/(e+ε))·g; x = d·x + (1−d)·u²; w −= u."""
        e, x, u = states
        g.div_(batch_size)
        e.mul_(self._decay).add_((g * (1 - self._decay)).mul_(g))
        u.copy_(root((x + self.EPSILON).div_(e + self.EPSILON)).mul_(g))
        x.mul_(self._decay).add_((u * (1 - self._decay)).mul_(u))
        w.sub_(u)


def optimizer_of(
    name: str, *, learning_rate: float, decay_rate: float, counts_updates: bool
) -> Optimizer:
    """Return the optimiser that option ``optimizer`` names."""
    if name == "rmsprop":
        return RMSProp(learning_rate, decay_rate)
    if name == "adam":
        return Adam(learning_rate, counts_updates=counts_updates)
    return Adadelta(decay_rate)
