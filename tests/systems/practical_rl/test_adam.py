"""Adam over all parameters at once is Adam, to the bit."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from dqn_port.errors import CheckpointError
from dqn_port.systems.practical_rl import adam
from dqn_port.systems.practical_rl.adam import FlatAdam


def network():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))


def learn(net, batch):
    (net(batch) ** 2).mean().backward()


@pytest.fixture(params=["kernels", "without kernels"])
def _by(request, monkeypatch):
    if request.param == "kernels":
        assert adam.kernels_for(torch.empty(1)) is not None
    else:
        monkeypatch.setattr(adam, "kernels", lambda: None)


@pytest.mark.usefixtures("_by")
def test_it_is_pytorchs_adam_to_the_bit_with_its_clipping():
    theirs = network()
    ours = copy.deepcopy(theirs)
    flat = FlatAdam(ours, lr=0.01, eps=1e-6)
    reference = torch.optim.Adam(theirs.parameters(), lr=0.01, eps=1e-6)
    for i in range(20):
        batch = torch.linspace(-1, 1 + i, 12).reshape(4, 3)
        learn(ours, batch)
        learn(theirs, batch)
        norm = nn.utils.clip_grad_norm_(theirs.parameters(), 0.1)
        assert torch.equal(flat.clip_grad_norm(0.1), norm)
        flat.step()
        reference.step()
        reference.zero_grad()
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(one, other)


@pytest.mark.usefixtures("_by")
def test_roots_of_tiny_moments_are_pytorchs_too():
    theirs = nn.Linear(500, 200)
    ours = copy.deepcopy(theirs)
    flat = FlatAdam(ours, lr=0.01, eps=1e-8)
    reference = torch.optim.Adam(theirs.parameters(), lr=0.01, eps=1e-8)
    generator = torch.Generator().manual_seed(1)
    for i in range(40):
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            # Of squares some are below the smallest normal number, and some are 0.
            size = 10.0 ** torch.randint(-23, 1, one.shape, generator=generator)
            other.grad = torch.randn(one.shape, generator=generator) * size * (i < 20)
            other.grad[:50] = 0
            one.grad.copy_(other.grad)
        flat.step()
        reference.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_state_goes_on_alike_and_a_damaged_one_is_refused():
    net = network()
    flat = FlatAdam(net, lr=0.01, eps=1e-8)
    assert flat.state_dict() is None
    learn(net, torch.ones(2, 3))
    flat.step()
    state = copy.deepcopy(flat.state_dict())
    again = copy.deepcopy(net)
    other = FlatAdam(again, lr=0.01, eps=1e-8)
    other.load_state_dict(state)
    for one, optimizer in ((net, flat), (again, other)):
        learn(one, torch.ones(2, 3))
        optimizer.step()
    for one, two in zip(net.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)
    with pytest.raises(CheckpointError) as caught:
        other.load_state_dict(state | {"step": 0})
    assert str(caught.value) == (
        "checkpoint.adam.step: expected a whole number of 1 to 9007199254740992, got 0"
    )
    with pytest.raises(CheckpointError) as caught:
        other.load_state_dict(state | {"exp_avg": np.full(50, np.nan, dtype=np.float32)})
    assert str(caught.value) == "checkpoint.adam.exp_avg: expected finite numbers, got others"
