"""The network as Neon computed it: without padding and biases, with Neon's batch normalisation.

simple_dqn: deepqnetwork.py, _createLayers; Neon: layers/layer.py.

Legend: B minibatch, H history_length, A actions. Neon keeps the weights of a convolution as
[C·kh·kw, K], those of a linear layer as [out, in] with in = (channel, row, column); here they are
PyTorch's, and ``to_neon`` and ``from_neon`` convert between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import batch_norm
from torch.nn.utils import skip_init

from dqn_port.errors import SnapshotError

Array = NDArray[Any]

CONVOLUTIONS: Final = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
"""Filters, side of the kernel, stride."""
HIDDEN: Final = 512
"""Units of the linear layer before the output."""

LAYERS: Final = ("conv1", "conv2", "conv3", "linear", "output")
"""Names of the layers that have weights."""

_EPSILON: Final = 1e-3
_AVERAGING: Final = 0.9
"""Neon's BatchNorm: eps and rho."""


class BatchNorm(nn.Module):
    """Neon's batch normalisation over batch and positions.

    Quirk: the running averages begin at 0 and are not corrected for that, so a network that has
    learned nothing divides by √ε at each of its four layers, and gives Q-values of 10⁴ and more
    (tests/systems/simple_dqn/test_quirks.py).
    """

    def __init__(self, n: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.zeros(n, dtype=dtype))
        self.gamma = nn.Parameter(torch.ones(n, dtype=dtype))
        self.gmean: Tensor
        self.gvar: Tensor
        self.register_buffer("gmean", torch.zeros(n, dtype=dtype))
        self.register_buffer("gvar", torch.zeros(n, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x, [B, n] or [B, n, h, w], by its own mean and population variance to learn."""
        if not self.training:
            # Neon's order: PyTorch's own loses digits where the averages are far from the truth.
            shape = (-1, *[1] * (x.ndim - 2))
            root = (self.gvar + _EPSILON).sqrt().view(shape)
            x = (x - self.gmean.view(shape)) / root
            return x * self.gamma.view(shape) + self.beta.view(shape)
        with torch.no_grad():
            others = [0, *range(2, x.ndim)]
            variance, mean = torch.var_mean(x, others, unbiased=False)
            self.gmean.mul_(_AVERAGING).add_(mean, alpha=1 - _AVERAGING)
            self.gvar.mul_(_AVERAGING).add_(variance, alpha=1 - _AVERAGING)
        return batch_norm(x, None, None, self.gamma, self.beta, training=True, eps=_EPSILON)


def _empty(kind: type[nn.Module], *sizes: int, dtype: torch.dtype) -> nn.Module:
    """Return a layer without biases whose weights are not drawn."""
    make: Any = skip_init
    layer: nn.Module = make(kind, *sizes, bias=False, dtype=dtype)
    return layer


class Tensors(NamedTuple):
    """A layer's tensors by Neon's names, and which of them are learnt."""

    name: str
    params: dict[str, Tensor]
    learnt: tuple[str, ...]


class Network(nn.Module):
    """Three convolutions, a linear layer and the output, with relus between them."""

    def __init__(
        self,
        *,
        history_length: int,
        screen_height: int,
        screen_width: int,
        n_actions: int,
        batch_norm: bool,
        dtype: torch.dtype,
    ) -> None:
        """Build it empty; ``screens_fit`` tells whether the screens are large enough."""
        super().__init__()
        sizes, channels = [screen_height, screen_width], history_length
        self.operations = nn.ModuleDict()
        self.norms = nn.ModuleDict()
        for i, (filters, side, stride) in enumerate(CONVOLUTIONS, start=1):
            self.operations[f"conv{i}"] = _empty(
                nn.Conv2d, channels, filters, side, stride, dtype=dtype
            )
            sizes, channels = [(size - side) // stride + 1 for size in sizes], filters
        n_in = channels * sizes[0] * sizes[1]
        self.operations["linear"] = _empty(nn.Linear, n_in, HIDDEN, dtype=dtype)
        self.operations["output"] = _empty(nn.Linear, HIDDEN, n_actions, dtype=dtype)
        if batch_norm:
            outputs = (*(filters for filters, _, _ in CONVOLUTIONS), HIDDEN)
            for name, n in zip(self.operations, outputs, strict=False):
                self.norms[name] = BatchNorm(n, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return Q, [B, A], of states in 0..1: [B, H, h, w]."""
        for name, operation in self.operations.items():
            if name == "linear":
                x = x.flatten(1)
            x = operation(x)
            if name in self.norms:
                x = self.norms[name](x)
            if name != "output":
                x = x.relu()
        return x

    def convolutional(self) -> Iterator[nn.Module]:
        """Yield the convolutions, each with the layers between it and the next."""
        for i in range(1, len(CONVOLUTIONS) + 1):
            yield self.operations[f"conv{i}"]
            if f"conv{i}" in self.norms:
                yield self.norms[f"conv{i}"]
            yield nn.ReLU()

    def tensors(self) -> Iterator[Tensors]:
        """Yield the layers that have tensors, in Neon's order."""
        for name, operation in self.operations.items():
            yield Tensors(name, {"W": operation.weight}, ("W",))  # type: ignore[dict-item]
            if name in self.norms:
                norm = self.norms[name]
                assert isinstance(norm, BatchNorm)
                params = {n: getattr(norm, n) for n in ("beta", "gamma", "gmean", "gvar")}
                yield Tensors(f"{name}_bnorm", params, ("beta", "gamma"))

    def draw_weights(self, random: np.random.RandomState) -> None:
        """Draw the first weights: uniform in ±√(3 / inputs of a unit), Neon's Xavier.

        Quirk: the output layer is drawn first
        (tests/systems/simple_dqn/test_quirks.py).
        """
        names = list(self.operations)
        with torch.no_grad():
            for name in (names[-1], *names[:-1]):
                weight: Any = self.operations[name].weight
                k = math.sqrt(3 / weight[0].numel())
                drawn = random.uniform(-k, k, neon_shape(weight))
                weight.copy_(torch.from_numpy(from_neon(drawn, weight)))


_NORM: Final = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "gmean",
    "running_var": "gvar",
}
"""PyTorch's name in a batch normalisation → Neon's."""


def as_sequential(weights: Mapping[str, Array]) -> tuple[dict[str, Array], str]:
    """Return a state dict, and the torch.nn.Sequential that loads it, as a line of Python.

    weights: by the names of ``Network.tensors``. The Sequential takes states in 0..1.
    """
    state: dict[str, Array] = {}
    parts: list[str] = []
    for name, (_, _, stride) in zip(LAYERS, (*CONVOLUTIONS, (0, 0, 0), (0, 0, 0)), strict=True):
        w, is_convolution = weights[f"{name}.W"], name.startswith("conv")
        if name == "linear":
            parts.append("nn.Flatten()")
        state[f"{len(parts)}.weight"] = w
        n_out, n_in = w.shape[:2]
        parts.append(
            f"nn.Conv2d({n_in}, {n_out}, {w.shape[2]}, {stride}, bias=False)"
            if is_convolution
            else f"nn.Linear({n_in}, {n_out}, bias=False)"
        )
        if f"{name}_bnorm.beta" in weights:
            for theirs, ours in _NORM.items():
                state[f"{len(parts)}.{theirs}"] = weights[f"{name}_bnorm.{ours}"]
            kind = "BatchNorm2d" if is_convolution else "BatchNorm1d"
            parts.append(f"nn.{kind}({n_out}, eps={_EPSILON})")
        if name != "output":
            parts.append("nn.ReLU()")
    return state, f"network = nn.Sequential({', '.join(parts)})"


def from_sequential(state: Mapping[str, Array]) -> dict[str, Array]:
    """Return weights by the names of ``Network.tensors``, from the result of as_sequential.

    Raises:
        SnapshotError: it is the state of a different network.
    """
    at = sorted({int(name.partition(".")[0]) for name in state if name[:1].isdecimal()})
    norms = [i for i in at if f"{i}.running_mean" in state]
    layers = [i for i in at if i not in norms]
    if len(layers) != len(LAYERS):
        raise SnapshotError(
            f"expected the weights of {len(LAYERS)} layers, as export-weights writes them, got "
            f"{len(layers)}"
        )
    weights = {f"{name}.W": state[f"{i}.weight"] for name, i in zip(LAYERS, layers, strict=True)}
    for name, i in zip(LAYERS, norms, strict=False):
        weights |= {
            f"{name}_bnorm.{ours}": state[f"{i}.{theirs}"] for theirs, ours in _NORM.items()
        }
    return weights


def screens_fit(height: int, width: int) -> bool:
    """Return whether the last convolution has at least one position for a screen."""
    for _, side, stride in CONVOLUTIONS:
        height, width = (height - side) // stride + 1, (width - side) // stride + 1
    return height > 0 and width > 0


def neon_shape(tensor: Tensor) -> tuple[int, ...]:
    """Return Neon's shape of one of our tensors."""
    if tensor.ndim == 1:
        return (len(tensor), 1)
    if tensor.ndim == 4:
        return (tensor[0].numel(), tensor.shape[0])
    return tuple(tensor.shape)


def to_neon(values: Array) -> Array:
    """Return a layer's values in Neon's shape."""
    if values.ndim == 1:
        return values[:, None]
    if values.ndim == 4:
        return np.ascontiguousarray(values.transpose(1, 2, 3, 0)).reshape(-1, values.shape[0])
    return values


def from_neon(values: Array, like: Tensor) -> Array:
    """Return values in Neon's shape as those of our tensor ``like``."""
    if like.ndim == 4:
        filters, *inner = like.shape
        return np.ascontiguousarray(values.reshape(*inner, filters).transpose(3, 0, 1, 2))
    return values.reshape(tuple(like.shape))
