"""PyTorch's Adam over all parameters at once, and the clipping before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields

_MOMENTS = ("exp_avg", "exp_avg_sq")


class FlatAdam:
    """Adam on one vector; a network's parameters and gradients become views of it.

    Every element is computed as by Adam on separate parameters, in a sixth of the calls.
    """

    def __init__(self, network: nn.Module, *, lr: float, eps: float) -> None:
        parameters = list(network.parameters())
        with torch.no_grad():
            vector = torch.cat([parameter.reshape(-1) for parameter in parameters])
        self._vector = nn.Parameter(vector)
        self._vector.grad = torch.zeros_like(vector)
        self._gradients: list[Tensor] = []
        at = 0
        for parameter in parameters:
            part = slice(at, at + parameter.numel())
            parameter.data = vector[part].view_as(parameter)
            parameter.grad = self._vector.grad[part].view_as(parameter)
            self._gradients.append(parameter.grad)
            at = part.stop
        self._adam = torch.optim.Adam([self._vector], lr=lr, eps=eps)

    def clip_grad_norm(self, max_norm: float) -> Tensor:
        """Clip the gradients to a norm; return the norm before. PyTorch: clip_grad_norm_."""
        norm = get_total_norm(self._gradients)
        clip_grads_with_norm_(self._vector, max_norm, norm)
        return norm

    def step(self) -> None:
        """Update the parameters, and set the gradients to zero."""
        self._adam.step()
        assert self._vector.grad is not None
        self._vector.grad.zero_()

    def state_dict(self) -> dict[str, Any] | None:
        """Return steps and moments, float32 [parameters]; None before the first step."""
        state = self._adam.state.get(self._vector)
        if not state:
            return None
        moments = {name: state[name].cpu().numpy() for name in _MOMENTS}
        return {"step": int(state["step"].item()), **moments}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: a field is missing or damaged.
        """
        saved = Fields(state, "checkpoint.adam")
        like = self._vector.detach().cpu().numpy()
        found: dict[str, Any] = {"step": torch.tensor(float(saved.integer("step", low=1)))}
        for name in _MOMENTS:
            values = saved.array(name, like).copy()
            if not np.isfinite(values).all():
                raise CheckpointError(
                    f"checkpoint.adam.{name}: expected finite numbers, got others"
                )
            found[name] = torch.from_numpy(values).to(self._vector.device)
        groups = self._adam.state_dict()["param_groups"]
        self._adam.load_state_dict({"state": {0: found}, "param_groups": groups})
