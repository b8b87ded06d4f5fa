"""The loss of double Q-learning. labml: rl/dqn/__init__.py, QFuncLoss."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from dqn_port.interfaces import Array


class Loss(NamedTuple):
    """A minibatch's loss and its parts."""

    q_sampled_action: torch.Tensor
    """float32 [B]: the value of the action that was taken; with a gradient, as ``loss``."""
    q_update: torch.Tensor
    """float32 [B]: what it should have been."""
    td_error: torch.Tensor
    """float32 [B]: the first minus the second, neither clipped nor weighted."""
    loss: torch.Tensor
    """float32 []."""


def q_func_loss(
    q: torch.Tensor,
    action: torch.Tensor,
    double_q: torch.Tensor,
    target_q: torch.Tensor,
    done: torch.Tensor,
    reward: torch.Tensor,
    weights: torch.Tensor,
    *,
    discount: torch.Tensor | float,
    square: bool = False,
) -> Loss:
    """Return the loss of values q, float32 [B, A], with a gradient.

    action: int64 [B]; double_q, target_q: float32 [B, A], of the next states by the network that
    chooses the next action and by the one that values it; done, reward, weights: float32 [B].
    discount: float32 [B] or a number, of the next states' values. ``square``: e²/2 instead of
    Huber's.

        y = r + discount · target_q[argmax double_q] · (1 - done)
        loss = mean of weight · h(q[a] - y), h(e) = e²/2 for |e| < 1, else |e| - 1/2
    """
    q_sampled_action = q.gather(-1, action.unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        best_next_action = torch.argmax(double_q, -1)
        best_next_q_value = target_q.gather(-1, best_next_action.unsqueeze(-1)).squeeze(-1)
        q_update = reward + discount * (best_next_q_value * (1 - done))
        td_error = q_sampled_action - q_update
    if square:
        losses = (q_sampled_action - q_update).square() / 2
    else:
        losses = functional.smooth_l1_loss(q_sampled_action, q_update, reduction="none")
    return Loss(q_sampled_action, q_update, td_error, torch.mean(weights * losses))


def as_float(array: Array, device: torch.device) -> torch.Tensor:
    """Return a column of a minibatch as float32 [B]."""
    return torch.from_numpy(array).to(device, torch.float32)
