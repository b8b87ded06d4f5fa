"""A network's passes: forward, and back to the gradients of its weights."""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn_port.systems.simple_dqn.layers import CONVOLUTIONS, Network
from dqn_port.systems.simple_dqn.linear_order import Size
from dqn_port.systems.simple_dqn.neon_order import NeonOrder, kernels_for

Array = NDArray[Any]

_MOST_SIZES: Final = 4
"""Numbers of rows whose buffers are kept."""


def input_of(states: NDArray[np.uint8], like: Tensor) -> Tensor:
    """Return screens as 0..1, where ``like`` is and in its datatype."""
    return torch.from_numpy(states).to(like.device).to(like.dtype).div_(255)


class Passes(Protocol):
    """How a network is computed."""

    def predict(self, states: NDArray[np.uint8]) -> Array:
        """Return Q of states, uint8 [n, H, h, w]: [n, A] in the network's datatype."""

    def learn(self, states: NDArray[np.uint8]) -> Array:
        """Return Q as ``predict`` does, in learning mode, and keep what ``gradients`` needs."""

    def gradients(self, of_q: Array) -> list[Tensor]:
        """Return the gradients of all that is learnt, summed over the batch, in Neon's order."""


class TorchPasses:
    """By PyTorch: its sums are as near to the true ones, and are not Neon's to the bit."""

    def __init__(self, model: Network, device: torch.device) -> None:
        self._model, self._device = model, device
        self._learnt = [layer.params[name] for layer in model.tensors() for name in layer.learnt]
        self._q = torch.empty(0)

    def _input(self, states: NDArray[np.uint8]) -> Tensor:
        return input_of(states, self._learnt[0])

    def predict(self, states: NDArray[np.uint8]) -> Array:
        """Return Q."""
        with torch.no_grad():
            q: Array = self._model(self._input(states)).cpu().numpy()
        return q

    def learn(self, states: NDArray[np.uint8]) -> Array:
        """Return Q, and keep the graph."""
        self._model.train()
        self._q = self._model(self._input(states))
        self._model.eval()
        q: Array = self._q.detach().cpu().numpy()
        return q

    def gradients(self, of_q: Array) -> list[Tensor]:
        """Return the gradients of the last ``learn``."""
        grad = torch.from_numpy(of_q).to(self._device)
        return list(torch.autograd.grad(self._q, self._learnt, grad_outputs=grad))


class NeonPasses:
    """By the kernels of native/: every float32 is the one that Neon's CPU backend made."""

    def __init__(self, model: Network, batch_size: int) -> None:
        self._batch_size = batch_size
        weights = [layer.params["W"].detach() for layer in model.tensors()]
        strides = [stride for _, _, stride in CONVOLUTIONS]
        self._convolutions = list(zip(weights, strides, strict=False))
        self._linears = weights[len(strides) :]
        self._orders: dict[int, NeonOrder] = {}
        self._last: NeonOrder | None = None

    def _forward(self, states: NDArray[np.uint8]) -> tuple[NeonOrder, Array]:
        rows, *shape = states.shape
        if rows not in self._orders:
            if len(self._orders) == _MOST_SIZES:
                del self._orders[next(iter(self._orders))]
            size = Size(rows, self._batch_size)
            self._orders[rows] = NeonOrder(self._convolutions, self._linears, shape, size)
        order = self._orders[rows]
        q: Array = order.forward(torch.from_numpy(np.ascontiguousarray(states))).numpy()
        return order, q.copy()

    def predict(self, states: NDArray[np.uint8]) -> Array:
        """Return Q: row i is what it was in row i of Neon's minibatch."""
        return self._forward(states)[1]

    def learn(self, states: NDArray[np.uint8]) -> Array:
        """Return Q; the states are read again by ``gradients``."""
        self._last, q = self._forward(states)
        return q

    def gradients(self, of_q: Array) -> list[Tensor]:
        """Return the gradients of the last ``learn``, in memory that the next call overwrites."""
        assert self._last is not None, "gradients come after learn"
        return self._last.backward(torch.from_numpy(of_q))


def passes_of(model: Network, device: torch.device, batch_size: int) -> Passes:
    """Return the passes of a network that stays in its place."""
    if model.norms or kernels_for(model.operations["output"].weight) is None:  # type: ignore[arg-type]
        return TorchPasses(model, device)
    return NeonPasses(model, batch_size)
