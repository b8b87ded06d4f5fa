"""The loss, by hand; its traces hold more."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dqn_port.systems.practical_rl.replay_buffer import Batch
from dqn_port.systems.practical_rl.td_loss import compute_td_loss


class Table(nn.Module):
    """Values of two states, 0 and 1, as parameters."""

    def __init__(self, values):
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values))

    def forward(self, states):
        return self.values[states[:, 0].long()]


def batch(terminated, truncated):
    return Batch(
        np.array([[0.0]]), np.array([1]), np.array([0.5]), np.array([[1.0]]),
        np.array([terminated]), np.array([truncated]),
    )  # fmt: skip


AGENT, TARGET = [[0.0, 2.0], [3.0, 1.0]], [[0.0, 0.0], [5.0, 7.0]]


@pytest.mark.parametrize(
    ("double", "ended", "bootstrap_at", "expected"),
    [
        # Q(s, a) = 2; the target's largest value is 7, that of the agent's best action 5.
        (False, (False, False), "done", (2 - (0.5 + 0.9 * 7)) ** 2),
        (True, (False, False), "done", (2 - (0.5 + 0.9 * 5)) ** 2),
        (False, (True, False), "done", (2 - 0.5) ** 2),
        (False, (False, True), "done", (2 - 0.5) ** 2),
        (False, (False, True), "terminated", (2 - (0.5 + 0.9 * 7)) ** 2),
        (False, (True, False), "terminated", (2 - 0.5) ** 2),
    ],
)
def test_the_loss_by_hand(double, ended, bootstrap_at, expected):
    agent, target = Table(AGENT), Table(TARGET)
    loss = compute_td_loss(
        batch(*ended), agent, target, gamma=0.9, double=double, bootstrap_at=bootstrap_at
    )
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert target.values.grad is None
    assert agent.values.grad[0, 1] != 0
    assert not agent.values.grad[1].any()
