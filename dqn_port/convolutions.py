"""What the convolutions of a stack of PyTorch's layers make of one state."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn, no_grad

from dqn_port.interfaces import Array, Convolution


def convolutions_in(layers: Iterable[nn.Module], x: Tensor) -> list[Convolution]:
    """Return every convolution, with what the ReLU after it gives.

    x: [1, C, H, W], as the first layer takes it.
    """
    found: list[Convolution] = []
    kernels: Tensor | None = None
    with no_grad():
        for layer in layers:
            x = layer(x)
            if isinstance(layer, nn.Conv2d):
                kernels = layer.weight
            elif isinstance(layer, nn.ReLU) and kernels is not None:
                found.append(
                    Convolution(f"conv{len(found) + 1}", array_of(kernels), array_of(x[0]))
                )
                kernels = None
    return found


def array_of(tensor: Tensor) -> Array:
    """Return a copy of a tensor: float32."""
    values: Array = tensor.detach().float().cpu().numpy().copy()
    return values
