"""The loss of a batch.

Practical_RL: homework_pytorch_main.ipynb, compute_td_loss (V(s') and the target are left to the
student)
"""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dqn_port.systems.practical_rl.replay_buffer import Batch


def compute_td_loss(
    batch: Batch,
    agent: nn.Module,
    target_network: nn.Module,
    *,
    gamma: float,
    double: bool,
    bootstrap_at: str = "done",
) -> Tensor:
    """Return the mean of (Q(s, a) − (r + γ · (1 − done) · V(s')))²: a float32 scalar.

    V(s') is the target network's largest value or, with ``double``, its value of the agent's best
    action. ``bootstrap_at``: what ends the return: terminated, or done (terminated or truncated).
    """
    device = next(agent.parameters()).device

    def on_device(values: NDArray[Any], dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.from_numpy(values).to(device=device, dtype=dtype)

    done = batch.terminated if bootstrap_at == "terminated" else batch.done
    s2 = on_device(batch.s2)
    actions = on_device(batch.a, torch.int64)
    with torch.no_grad():
        next_values = target_network(s2)
        if double:
            best = agent(s2).argmax(dim=-1, keepdim=True)
            v_next = next_values.gather(1, best)[:, 0]
        else:
            v_next = next_values.max(dim=-1).values
        target = on_device(batch.r) + gamma * v_next * (1 - on_device(done))
    q = agent(on_device(batch.s)).gather(1, actions[:, None])[:, 0]
    return torch.mean((q - target) ** 2)
