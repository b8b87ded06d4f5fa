"""The network that estimates Q-values, and an update of it; optimization.py has the bursts.

Layers by name, and their parameters by TensorFlow's names and in its layouts: kernels
[height, width, in, out], dense weights [in, out].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from dqn_port.convolutions import array_of
from dqn_port.errors import CheckpointError, DqnPortError
from dqn_port.interfaces import Convolution
from dqn_port.systems.hvass16.rmsprop import rmsprop

OUTPUT: Final = "layer_fc_out"
_DRAWN_AT_ONCE: Final = 1_000_000
"""First weights, to keep the doubles small."""
_AT_ONCE: Final = 1 << 18
"""Weights whose gradients are made and used at a time."""
_ROWS: Final = 512
"""Of large weights, that a product takes at a time: a quarter less than all at once."""
_LARGE: Final = 1 << 20
"""Weights from which on products are made with more care."""
SLOT: Final = "/RMSProp"
"""Ends the name of a parameter's mean square, as in TensorFlow's checkpoints."""


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The numbers of a network."""

    filters: tuple[int, ...] = (16, 32, 64)
    """Channels of layer_conv1, layer_conv2 …"""
    strides: tuple[int, ...] = (2, 2, 1)
    kernel_size: int = 3
    dense: tuple[int, ...] = (1024, 1024, 1024, 1024)
    """Outputs of layer_fc1, layer_fc2 …, before layer_fc_out."""
    init_stddev: float = 0.02
    """Of the first weights, which are drawn again beyond two of it."""
    rmsprop_decay: float = 0.9
    rmsprop_epsilon: float = 1e-10


def same_padding(size: int, stride: int, kernel: int = 3) -> tuple[int, int]:
    """Return the zeros before and after a dimension: TensorFlow's SAME, the odd one after."""
    out = math.ceil(size / stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class NeuralNetwork(nn.Module):
    """Estimate the Q-values of states, and learn by RMSProp.

    Hvass: reinforcement_learning.py, NeuralNetwork

    It is built without values: ``initialise`` or ``load_arrays`` gives them.
    """

    def __init__(
        self,
        num_actions: int,
        state_shape: tuple[int, int, int],
        *,
        layers: Layers = Layers(),
        device: str = "cpu",
    ) -> None:
        """``state_shape``: height, width, channels."""
        super().__init__()
        self.state_shape, self.num_actions, self.layers = state_shape, num_actions, layers
        height, width, channels = state_shape
        shapes: dict[str, tuple[int, ...]] = {}
        for name, out, stride in self.convolutions():
            shapes[name] = (layers.kernel_size, layers.kernel_size, channels, out)
            height, width, channels = math.ceil(height / stride), math.ceil(width / stride), out
        self.activation: Callable[[torch.Tensor], torch.Tensor] = torch.relu_
        fan_in = height * width * channels
        self._dense = [*(f"layer_fc{i + 1}" for i in range(len(layers.dense))), OUTPUT]
        for name, n in zip(self._dense, (*layers.dense, num_actions), strict=True):
            shapes[name] = (fan_in, n)
            fan_in = n
        sizes = {
            f"{name}/{kind}": size
            for name, shape in shapes.items()
            for kind, size in (("weights", shape), ("bias", shape[-1:]))
        }
        n = sum(math.prod(size) for size in sizes.values())
        self.values = torch.empty((2, n), device=device)
        """All parameters, and their mean squares: float32 [2, parameters]."""
        self.values[1] = 1
        self.mean_square: dict[str, torch.Tensor] = {}
        """RMSProp's slot of every parameter; it starts at 1, not at 0."""
        self.updates = 0
        """How often the values have changed."""
        at = 0
        for name, size in sizes.items():
            part = slice(at, at + math.prod(size))
            self.register_parameter(name, nn.Parameter(self.values[0, part].view(size)))
            self.mean_square[name] = self.values[1, part].view(size)
            at = part.stop

    def convolutions(self) -> list[tuple[str, int, int]]:
        """Return name, channels and stride of every convolution."""
        numbers = zip(self.layers.filters, self.layers.strides, strict=True)
        return [(f"layer_conv{i + 1}", *pair) for i, pair in enumerate(numbers)]

    def initialise(self, generator: np.random.RandomState) -> None:
        """Draw the first weights: normal, drawn again beyond two standard deviations; biases 0."""
        for name, parameter in self.named_parameters():
            flat = parameter.data.reshape(-1)
            for begin in range(0, len(flat), _DRAWN_AT_ONCE):
                part = flat[begin : begin + _DRAWN_AT_ONCE]
                drawn = np.zeros(len(part))
                if not name.endswith("bias"):
                    drawn = _truncated_normal(generator, len(part)) * self.layers.init_stddev
                part.copy_(torch.from_numpy(drawn))

    def layer_outputs(self, states: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the output of every layer for states, by name.

        ``states``: uint8 [B, height, width, channels]; they go in as 0..255. Convolutions give
        float32 [B, channels, height, width] after ReLU, dense layers [B, outputs].
        """
        outputs = self._convolve(states)
        x = _flat(list(outputs.values())[-1])
        for name in self._dense:
            outputs[name] = x = self._apply_dense(name, x)
        return outputs

    def _convolve(self, states: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what the convolutions make of states, channels last in memory."""
        weights = dict(self.named_parameters())
        outputs: dict[str, torch.Tensor] = {}
        x = states.permute(0, 3, 1, 2)
        kernel_size = self.layers.kernel_size
        for name, _, stride in self.convolutions():
            rows, columns = (same_padding(n, stride, kernel_size) for n in x.shape[2:])
            kernel = weights[f"{name}/weights"].permute(3, 2, 0, 1)
            # What is the same on both sides, the convolution pads itself.
            padding = (rows[0], columns[0])
            odd = (columns[1] - columns[0], rows[1] - rows[0])
            if any(odd):
                x, padding = F.pad(x, (*columns, *rows)), (0, 0)
            x = F.conv2d(
                x.float(),
                kernel.contiguous(memory_format=torch.channels_last),
                weights[f"{name}/bias"],
                stride=stride,
                padding=padding,
            )
            outputs[name] = x = self.activation(x)
        return outputs

    def _apply_dense(self, name: str, x: torch.Tensor) -> torch.Tensor:
        weights = self.get_parameter(f"{name}/weights")
        bias = self.get_parameter(f"{name}/bias")
        if torch.is_grad_enabled() or len(x) == 1 or not _is_large(weights):
            y = torch.addmm(bias, x, weights)
        else:
            y = bias.expand(len(x), -1).clone()
            for begin in range(0, len(weights), _ROWS):
                rows = slice(begin, begin + _ROWS)
                y.addmm_(x[:, rows], weights[rows])
        return y if name == OUTPUT else self.activation(y)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return Q-values, float32 [B, num_actions]."""
        return self.layer_outputs(states)[OUTPUT]

    def convolutions_of(self, state: NDArray[np.uint8]) -> list[Convolution]:
        """Return the convolutions and their outputs for a state."""
        with torch.no_grad():
            outputs = self.layer_outputs(self._on_device(state[None]))
        weights = dict(self.named_parameters())
        return [
            Convolution(
                name,
                array_of(weights[f"{name}/weights"].permute(3, 2, 0, 1)),
                array_of(outputs[name][0]),
            )
            for name, _, _ in self.convolutions()
        ]

    def get_q_values(self, state: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a state's Q-values, float32 [num_actions]."""
        with torch.no_grad():
            q: NDArray[np.float32] = self(self._on_device(state[None]))[0].cpu().numpy()
        return q

    def loss(self, states: NDArray[np.uint8], targets: NDArray[np.float64]) -> torch.Tensor:
        """Return the mean over the batch of the sum over actions of squared errors."""
        wanted = self._on_device(targets.astype(np.float32))
        return (self(self._on_device(states)) - wanted).square().sum(dim=1).mean()

    def update(
        self, states: NDArray[np.uint8], targets: NDArray[np.float64], learning_rate: float
    ) -> float:
        """Make one update and return the loss before it.

        ``states``: uint8 [B, …]; ``targets``: float64 [B, num_actions], used as float32.
        """
        rate = float(np.float32(learning_rate))
        wanted = self._on_device(targets.astype(np.float32))
        features = _flat(list(self._convolve(self._on_device(states)).values())[-1])
        with torch.no_grad():
            inputs = [features.detach()]
            for name in self._dense:
                inputs.append(self._apply_dense(name, inputs[-1]))
            errors = inputs.pop() - wanted
            gradient = 2 * errors / len(errors)
            for name, x in zip(reversed(self._dense), reversed(inputs), strict=True):
                before = _product(gradient, self.get_parameter(f"{name}/weights"))
                self._learn_dense(name, x, gradient, rate)
                # Behind a ReLU; that of the convolutions has its own.
                first = name == self._dense[0]
                gradient = before if first else before.mul_(x > 0)
        features.backward(gradient)  # type: ignore[no-untyped-call]
        for name, parameter in self.named_parameters():
            if parameter.grad is not None:
                self._step(name, parameter.data, parameter.grad, rate)
        self.zero_grad(set_to_none=True)
        self.updates += 1
        return float(errors.square().sum(dim=1).mean().item())

    def _learn_dense(
        self, name: str, x: torch.Tensor, gradient: torch.Tensor, learning_rate: float
    ) -> None:
        """Update a dense layer; ``gradient``: by its outputs, [B, outputs].

        The weights' gradients are made for some rows at a time, and used while they are in a
        core's cache: all of them are 0.15 GB.
        """
        weights = self.get_parameter(f"{name}/weights").data
        at_once = max(1, _AT_ONCE // gradient.shape[1])
        if weights.device.type != "cpu":
            at_once = len(weights)
        of_weights = torch.empty_like(weights[:at_once])
        for begin in range(0, len(weights), at_once):
            rows = slice(begin, begin + at_once)
            part = of_weights[: len(weights[rows])]
            torch.mm(x.t()[rows], gradient, out=part)
            self._step(f"{name}/weights", weights[rows], part, learning_rate, rows)
        bias = self.get_parameter(f"{name}/bias").data
        self._step(f"{name}/bias", bias, gradient.sum(dim=0), learning_rate)

    def _step(
        self,
        name: str,
        w: torch.Tensor,
        g: torch.Tensor,
        learning_rate: float,
        rows: slice = slice(None),
    ) -> None:
        """Update a parameter, or some of its rows, by RMSProp."""
        decay, epsilon = self.layers.rmsprop_decay, self.layers.rmsprop_epsilon
        ms = self.mean_square[name][rows]
        rmsprop(w, g.contiguous(), ms, lr=learning_rate, decay=decay, epsilon=epsilon)

    def _on_device(self, array: NDArray[Any]) -> torch.Tensor:
        device = next(self.parameters()).device
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the parameters and, by NAME/RMSProp, their mean squares."""
        both = {name: parameter.data for name, parameter in self.named_parameters()}
        both |= {name + SLOT: values for name, values in self.mean_square.items()}
        return {name: values.cpu().numpy() for name, values in both.items()}

    def load_arrays(
        self,
        arrays: Mapping[str, Any],
        where: str,
        error: type[DqnPortError] = CheckpointError,
    ) -> None:
        """Load parameters, and mean squares if they are present.

        Weights may be called ``weights`` or ``kernel``, as PrettyTensor and tf.layers call them.

        Raises:
            ``error``: a parameter is missing or of another shape.
        """
        found: list[tuple[torch.Tensor, NDArray[np.float32]]] = []
        for name, parameter in self.named_parameters():
            for own, values, optional in (
                (name, parameter.data, False),
                (name + SLOT, self.mean_square[name], True),
            ):
                array = next((arrays[n] for n in _names(own) if n in arrays), None)
                if array is None and optional:
                    array = np.ones(values.shape, dtype=np.float32)
                found.append((values, _checked(array, values, f"{where}: {own}", error)))
        for values, array in found:
            values.copy_(torch.from_numpy(array))


def _flat(x: torch.Tensor) -> torch.Tensor:
    """Return a convolution's outputs as the original flattened them: rows, columns, channels."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1)


def _is_large(weights: torch.Tensor) -> bool:
    return weights.numel() >= _LARGE and weights.device.type == "cpu"


def _product(gradient: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the gradient by a dense layer's inputs: [B, inputs].

    With large weights oneDNN takes a quarter less than MKL.
    """
    if _is_large(weights) and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            gradient, weights, None, "none", [], ""
        )
        return product
    return torch.mm(gradient, weights.t())


def _names(name: str) -> tuple[str, ...]:
    return name, name.replace("/weights", "/kernel")


def _checked(
    array: Any, like: torch.Tensor, where: str, error: type[DqnPortError]
) -> NDArray[np.float32]:
    expected = f"float32 {list(like.shape)}"
    if not isinstance(array, np.ndarray):
        got = "nothing" if array is None else f"a {type(array).__name__}"
        raise error(f"{where}: expected {expected}, got {got}")
    if array.dtype != np.float32 or array.shape != tuple(like.shape):
        hint = ""
        if OUTPUT in where and array.shape[:-1] == tuple(like.shape)[:-1]:
            hint = f"; it has {array.shape[-1]} actions, and the game has {like.shape[-1]}"
        raise error(f"{where}: expected {expected}, got {array.dtype} {list(array.shape)}{hint}")
    return array


def _truncated_normal(generator: np.random.RandomState, n: int) -> NDArray[np.float64]:
    values = generator.standard_normal(n)
    while (beyond := np.flatnonzero(np.abs(values) > 2)).size:
        values[beyond] = generator.standard_normal(beyond.size)
    return values
