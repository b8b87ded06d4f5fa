"""The network and how it acts.

Practical_RL: homework_pytorch_main.ipynb, DQNAgent (the layers are left to the student; these are
its picture's). Shapes: B batch, A actions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import skip_init

from dqn_port.convolutions import convolutions_in
from dqn_port.interfaces import Convolution

ARCHITECTURES: Final = ("dense", "homework", "nature")


def conv2d_size_out(size: int, kernel_size: int, stride: int) -> int:
    """Return the size of an unpadded convolution's output.

    Practical_RL: homework_pytorch_main.ipynb, conv2d_size_out
    """
    return (size - (kernel_size - 1) - 1) // stride + 1


def _conv(*channels: int, kernel_size: int, stride: int) -> nn.Module:
    layer: nn.Module = skip_init(  # type: ignore[no-untyped-call]
        nn.Conv2d, *channels, kernel_size=kernel_size, stride=stride
    )
    return layer


def _linear(n_in: int, n_out: int) -> nn.Module:
    layer: nn.Module = skip_init(nn.Linear, n_in, n_out)  # type: ignore[no-untyped-call]
    return layer


class _Scaled(nn.Module):
    """Divide bytes by 255."""

    def forward(self, x: Tensor) -> Tensor:
        return x / 255


class _ScaledGradient(torch.autograd.Function):
    """Pass values on, and gradients divided by √2."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient / math.sqrt(2)


def body_of(
    architecture: str, state_shape: Sequence[int], *, of_bytes: bool
) -> tuple[nn.Sequential, int, int]:
    """Return the layers before the heads, their outputs, and the units of a dueling head's layer.

    dense: two of 128, for vectors. homework: 16, 32, 64 filters 3×3, stride 2. nature: the Nature
    network's three layers.
    """
    if architecture == "dense":
        layers = [_linear(state_shape[0], 128), nn.ReLU(), _linear(128, 128), nn.ReLU()]
        return nn.Sequential(*layers), 128, 0
    size, channels = state_shape[-1], state_shape[0]
    filters = ((16, 3, 2), (32, 3, 2), (64, 3, 2))
    layers = [_Scaled()] if of_bytes else []
    if architecture == "nature":
        filters = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
    for n, kernel_size, stride in filters:
        layers += [_conv(channels, n, kernel_size=kernel_size, stride=stride), nn.ReLU()]
        channels, size = n, conv2d_size_out(size, kernel_size, stride)
    units = 512 if architecture == "nature" else 256
    return nn.Sequential(*layers, nn.Flatten()), channels * size * size, units


class DQNAgent(nn.Module):
    """A network that values actions, with its own ε.

    Quirk: the original cannot be evaluated without gradients, since it asserts that its result
    requires them. Here it can; this changes no number.
    """

    def __init__(
        self,
        state_shape: Sequence[int],
        n_actions: int,
        *,
        architecture: str,
        dueling: bool = False,
        of_bytes: bool = False,
        epsilon: float = 0.0,
    ) -> None:
        """Build the layers empty; ``initialise`` fills them.

        ``of_bytes``: whether states are bytes, to be divided by 255.
        """
        super().__init__()
        self.epsilon, self.n_actions = epsilon, n_actions
        self.state_shape = tuple(state_shape)
        self.body, n, units = body_of(architecture, state_shape, of_bytes=of_bytes)
        self._scale_gradient = dueling and architecture == "nature"
        self.v: nn.Module | None = None
        if dueling:
            self.v, self.q = self._head(n, units, 1), self._head(n, units, n_actions)
        else:
            self.q = self._head(n, units, n_actions)

    @staticmethod
    def _head(n: int, units: int, n_out: int) -> nn.Module:
        if not units:
            return _linear(n, n_out)
        return nn.Sequential(_linear(n, units), nn.ReLU(), _linear(units, n_out))

    def forward(self, states: Tensor) -> Tensor:
        """Return the value of every action: float32 [B, A].

        Dueling: V(s) + A(s, a) − the mean of A(s, ·).
        """
        if states.dim() == 4:
            # Convolutions take half the time so.
            states = states.contiguous(memory_format=torch.channels_last)
        x = self.body(states)
        if self._scale_gradient:
            x = _ScaledGradient.apply(x)  # type: ignore[no-untyped-call]
        q: Tensor = self.q(x)
        if self.v is not None:
            q = self.v(x) + q - q.mean(dim=1, keepdim=True)
        return q

    def get_qvalues(self, states: NDArray[Any]) -> NDArray[np.float32]:
        """Return the values of all actions in states [B, …]: float32 [B, A]."""
        device = next(self.parameters()).device
        seen = torch.from_numpy(states.astype(np.float32, copy=False)).to(device)
        with torch.no_grad():
            values = self(seen)
        return values.cpu().numpy()

    def convolutions_of(self, state: NDArray[Any]) -> list[Convolution]:
        """Return the convolutions and their outputs for a state [C, H, W]; none for a vector."""
        device = next(self.parameters()).device
        x = torch.as_tensor(state[None], dtype=torch.float32, device=device)
        return convolutions_in(self.body, x)

    def sample_actions(
        self, qvalues: NDArray[np.float32], generator: np.random.RandomState
    ) -> NDArray[np.int64]:
        """Return an action per row: the best one, or with probability ε a random one.

        Both draws are made whatever ε is. They are the same as those of NumPy's choice.
        """
        epsilon, (batch_size, n_actions) = self.epsilon, qvalues.shape
        random_actions = generator.randint(0, n_actions, size=batch_size)
        first, last = 1 - epsilon, (1 - epsilon) + epsilon
        should_explore = generator.random_sample(batch_size) >= first / last
        return np.where(should_explore, random_actions, qvalues.argmax(axis=-1))


def initialise(agent: nn.Module, seed: int) -> None:
    """Fill layers as PyTorch does by default, with draws from a separate generator.

    The draws are those of a network that is built after ``torch.manual_seed(seed)``.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in agent.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
                assert layer.bias is not None
                bound = 1 / math.sqrt(layer.weight[0].numel())
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
