"""The loss of a batch.

Practical_RL: homework_pytorch_main.ipynb, compute_td_loss (V(s') and the target are left to the
student)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dqn_port.systems.practical_rl.replay_buffer import Batch


class TDLoss(NamedTuple):
    """A loss, to be asked for its value and gradients as a tensor is.

    A batch's few numbers are computed by NumPy, whose calls take a quarter of PyTorch's time; only
    what comes before the values of actions is left to autograd. All are float32, as in PyTorch.
    """

    q: Tensor
    """Values of all actions: float32 [B, A]."""
    errors: NDArray[np.float32]
    """Q(s, a) minus its target: [B]."""
    gradient: NDArray[np.float32]
    """Of the loss, by q: [B, A]."""

    def item(self) -> float:
        """Return the mean of the squared errors."""
        return torch.mean(torch.from_numpy(self.errors) ** 2).item()

    def backward(self) -> None:
        """Add to the gradients of the network's parameters."""
        self.q.backward(torch.from_numpy(self.gradient).to(self.q.device))  # type: ignore[no-untyped-call]


def compute_td_loss(
    batch: Batch,
    agent: nn.Module,
    target_network: nn.Module,
    *,
    gamma: float,
    double: bool,
    bootstrap_at: str = "done",
) -> TDLoss:
    """Return the mean of (Q(s, a) − (r + γ · (1 − done) · V(s')))².

    V(s') is the target network's largest value or, with ``double``, its value of the agent's best
    action. ``bootstrap_at``: what ends the return: terminated, or done (terminated or truncated).
    """
    device = next(agent.parameters()).device

    def values(network: nn.Module, states: Tensor) -> NDArray[np.float32]:
        with torch.no_grad():
            return network(states).cpu().numpy()

    s, s2 = (
        torch.from_numpy(states.astype(np.float32, copy=False)).to(device)
        for states in (batch.s, batch.s2)
    )
    rows, a = np.arange(len(batch.a)), batch.a
    next_values = values(target_network, s2)
    if double:
        v_next = next_values[rows, values(agent, s2).argmax(axis=1)]
    else:
        v_next = next_values.max(axis=1)
    done = batch.terminated if bootstrap_at == "terminated" else batch.done
    target = batch.r.astype(np.float32) + np.float32(gamma) * v_next * (1 - done.astype(np.float32))
    q: Tensor = agent(s)
    errors = q.detach().cpu().numpy()[rows, a] - target
    gradient = np.zeros(q.shape, dtype=np.float32)
    gradient[rows, a] = np.float32(1 / len(a)) * (2 * errors)
    return TDLoss(q, errors, gradient)
