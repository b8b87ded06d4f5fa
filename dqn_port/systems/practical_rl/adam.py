"""Adam over all parameters at once, and the clipping before it."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.native.library import kernels

_MOMENTS = ("exp_avg", "exp_avg_sq")
_BETA1: Final = 0.9
_BETA2: Final = 0.999
"""PyTorch's own."""
_CHUNK: Final = 65_536
"""Parameters that are updated at a time: what this many need stays in a core's cache."""
_TINY: Final = torch.finfo(torch.float32).tiny
"""Roots of smaller numbers take ten times as long as others."""


def kernels_for(vector: Tensor) -> ctypes.CDLL | None:
    """Return the kernels if they round as PyTorch does here: with fused multiply-adds."""
    library = kernels() if vector.device.type == "cpu" else None
    fused = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    return library if fused and library and library.lanes_of_a_panel() > 0 else None


class FlatAdam:
    """Adam on one vector; a network's parameters and gradients become views of it.

    m ← m + 0.1 (g − m)
    v ← 0.999 v + 0.001 g²
    w ← w − lr / (1 − 0.9ᵗ) · m / (√v / √(1 − 0.999ᵗ) + ε)

    Every element equals that of torch.optim.Adam to the bit (test_adam.py).
    """

    def __init__(self, network: nn.Module, *, lr: float, eps: float) -> None:
        parameters = list(network.parameters())
        with torch.no_grad():
            vector = torch.cat([parameter.reshape(-1) for parameter in parameters])
        self._vector, self._gradient = vector, torch.zeros_like(vector)
        self._gradients: list[Tensor] = []
        at = 0
        for parameter in parameters:
            part = slice(at, at + parameter.numel())
            parameter.data = vector[part].view_as(parameter)
            parameter.grad = self._gradient[part].view_as(parameter)
            self._gradients.append(parameter.grad)
            at = part.stop
        self._lr, self._eps, self._step = lr, eps, 0
        # To a larger ε, a root of less than 1e-18 adds nothing.
        self._low = _TINY if eps > 1e-11 else 0.0
        self._moments = {name: torch.zeros_like(vector) for name in _MOMENTS}
        chunk = _CHUNK if vector.device.type == "cpu" else len(vector)
        held = (vector, self._gradient, *self._moments.values())
        self._chunks = list(zip(*(torch.split(tensor, chunk) for tensor in held), strict=True))
        self._scratch = torch.empty_like(self._chunks[0][0])
        self._library = kernels_for(vector)

    def clip_grad_norm(self, max_norm: float) -> Tensor:
        """Clip the gradients to a norm; return the norm before. PyTorch: clip_grad_norm_."""
        norms = [torch.linalg.vector_norm(gradient) for gradient in self._gradients]
        norm = torch.linalg.vector_norm(torch.stack(norms))
        shortened = max_norm / (norm + 1e-6)
        if not shortened >= 1:
            self._gradient.mul_(shortened)
        return norm

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters, and set the gradients to zero."""
        self._step += 1
        step_size = self._lr / (1 - _BETA1**self._step)
        root = math.sqrt(1 - _BETA2**self._step)
        for w, g, m, v in self._chunks:
            scratch = self._scratch[: len(v)]
            if self._library is None:
                m.lerp_(g, 1 - _BETA1)
                v.mul_(_BETA2).addcmul_(g, g, value=1 - _BETA2)
                torch.clamp(v, min=self._low, out=scratch)
                w.addcdiv_(m, scratch.sqrt_().div_(root).add_(self._eps), value=-step_size)
                g.zero_()
                continue
            at_w, at_g, at_m, at_v, at = (x.data_ptr() for x in (w, g, m, v, scratch))
            self._library.adam_moments(
                at_g, at_m, at_v, len(v), 1 - _BETA1, _BETA2, 1 - _BETA2, self._low, at
            )
            scratch.sqrt_()  # PyTorch's own root: it is not always the nearest float32.
            self._library.adam_weights(at_w, at_g, at_m, at, len(v), root, self._eps, -step_size)

    def state_dict(self) -> dict[str, Any] | None:
        """Return steps and moments, float32 [parameters]; None before the first step."""
        if not self._step:
            return None
        moments = {name: moment.cpu().numpy() for name, moment in self._moments.items()}
        return {"step": self._step, **moments}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: a field is missing or damaged.
        """
        saved = Fields(state, "checkpoint.adam")
        like = self._vector.cpu().numpy()
        step = saved.integer("step", low=1)
        found = {name: saved.array(name, like).copy() for name in _MOMENTS}
        for name, values in found.items():
            if not np.isfinite(values).all():
                raise CheckpointError(
                    f"checkpoint.adam.{name}: expected finite numbers, got others"
                )
        for name, values in found.items():
            self._moments[name].copy_(torch.from_numpy(values))
        self._step = step
