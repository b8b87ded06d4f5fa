"""The network. labml: model.py, Model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from dqn_port.errors import DqnPortError
from dqn_port.interfaces import Array
from dqn_port.systems.labml_dqn.alike import CONVOLUTIONS, Alike, Seen


class Model(nn.Module):
    """Three convolutions, and two heads for the value of a state and the advantages of actions."""

    def __init__(self, n_actions: int = 4, *, dueling: bool = True) -> None:
        """``dueling``: without it the second head alone gives the values of the actions."""
        super().__init__()
        self.conv, planes = nn.Sequential(), 4
        for out_planes, side, stride in CONVOLUTIONS:
            self.conv.append(nn.Conv2d(planes, out_planes, kernel_size=side, stride=stride))
            self.conv.append(nn.ReLU())
            planes = out_planes
        self.lin = nn.Linear(7 * 7 * 64, 512)
        self.activation = nn.ReLU()
        if dueling:
            self.state_value = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 1))
        self.action_value = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, n_actions))
        self.dueling = dueling

    def forward(self, obs: Seen) -> torch.Tensor:
        """Return Q, float32 [B, A], of stacks, float32 [B, 4, 84, 84], 0..1, or what is seen of it.

        Q(s, a) = V(s) + A(s, a) - mean over a' of A(s, a')
        """
        h = self._convolve_alike(obs) if isinstance(obs, Alike) else self.conv(obs)
        h = self.activation(self.lin(h.reshape(-1, 7 * 7 * 64)))
        action_value: torch.Tensor = self.action_value(h)
        if not self.dueling:
            return action_value
        state_value: torch.Tensor = self.state_value(h)
        return state_value + (action_value - action_value.mean(dim=-1, keepdim=True))

    def _convolve_alike(self, seen: Alike) -> torch.Tensor:
        """Return what ``conv`` gives, float32 [B, 64, 7, 7]."""
        rows = seen.rows
        for i, windows in enumerate(seen.layers):
            layer = self.conv[2 * i]
            assert isinstance(layer, nn.Conv2d)
            weight = layer.weight
            if i > 0:
                # The channels of a pixel lie together, where the bytes' planes do not.
                rows, weight = windows.of_table(rows), weight.permute(0, 2, 3, 1)
            rows = torch.relu(functional.linear(rows, weight.flatten(1), layer.bias))
        h = seen.layers[-1].whole(rows).permute(0, 3, 1, 2)
        rest: torch.Tensor = self.conv[2 * len(seen.layers) :](h)
        return rest

    def draw(self, generator: torch.Generator) -> None:
        """Draw the weights as torch does by default, a layer after the other, weight then bias."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
                bound = 1 / math.sqrt(layer.weight[0].numel())
                assert layer.bias is not None
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)

    def weights(self) -> dict[str, Array]:
        """Return a copy of the weights: parameter's name → float32."""
        return {name: p.detach().cpu().numpy().copy() for name, p in self.named_parameters()}

    def put_weights(
        self, weights: Mapping[str, Any], where: str, error: type[DqnPortError]
    ) -> None:
        """Take over weights, all of them or none.

        Raises:
            error: one is missing, of another shape, or not finite; or there is one too many.
        """
        parameters = dict(self.named_parameters())
        for name in sorted(weights.keys() - parameters.keys()):
            raise error(f"{where}.{name}: expected a network without it, which dueling=true has")
        for name, parameter in parameters.items():
            array, shape = weights.get(name), list(parameter.shape)
            if not isinstance(array, np.ndarray) or array.dtype != np.float32:
                raise error(f"{where}.{name}: expected float32 {shape}, got none")
            if list(array.shape) != shape:
                raise error(f"{where}.{name}: expected float32 {shape}, got {list(array.shape)}")
            if not np.isfinite(array).all():
                raise error(f"{where}.{name}: expected finite weights, got NaN or infinity")
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(torch.from_numpy(np.array(weights[name])))


def empty_model(n_actions: int, *, dueling: bool = True) -> Model:
    """Return a network whose weights are not set yet; nothing is drawn."""
    with torch.device("meta"):
        model = Model(n_actions, dueling=dueling)
    empty: Model = model.to_empty(device="cpu")
    return empty


def obs_to_torch(obs: Array, device: torch.device) -> torch.Tensor:
    """Return stacks of bytes as float32 of 0..1. labml: model.py, obs_to_torch."""
    return torch.from_numpy(obs).to(device).to(torch.float32) / 255.0
