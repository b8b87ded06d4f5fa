"""The networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from dqn_port.systems.practical_rl.dqn_agent import DQNAgent, conv2d_size_out, initialise

SHAPES = {"dense": (4,), "homework": (4, 64, 64), "nature": (4, 84, 84)}


def made(architecture, *, n_actions=4, seed=0, **words):
    agent = DQNAgent(SHAPES[architecture], n_actions, architecture=architecture, **words)
    initialise(agent, seed)
    return agent


def n_parameters(agent):
    return sum(parameter.numel() for parameter in agent.parameters())


def test_sizes_of_convolutions():
    assert [conv2d_size_out(64, 3, 2), conv2d_size_out(31, 3, 2), conv2d_size_out(15, 3, 2)] == [
        31, 15, 7,
    ]  # fmt: skip


def test_numbers_of_parameters():
    assert n_parameters(made("homework", dueling=True)) == 1_631_157
    assert n_parameters(made("dense", n_actions=2)) == 4 * 128 + 128 + 128 * 128 + 128 + 2 * 129
    assert n_parameters(made("nature")) == 1_686_180


def test_first_weights_are_those_after_manual_seed():
    with torch.random.fork_rng():
        torch.manual_seed(7)
        theirs = nn.Sequential(
            nn.Linear(4, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2)
        )
        conv = nn.Conv2d(4, 16, 3, stride=2)
    ours = made("dense", n_actions=2, seed=7)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        conv = nn.Conv2d(4, 16, 3, stride=2)
    assert torch.equal(made("homework", seed=7).body[0].weight, conv.weight)
    assert torch.equal(made("homework", seed=7).body[0].bias, conv.bias)


def test_nothing_is_drawn_from_the_global_generator():
    before = torch.get_rng_state()
    made("homework")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("architecture", SHAPES)
def test_dueling_values_have_the_mean_of_v(architecture):
    agent = made(architecture, dueling=True)
    states = torch.rand(3, *SHAPES[architecture])
    values = agent(states)
    assert values.shape == (3, 4)
    assert torch.allclose(values.mean(dim=1, keepdim=True), agent.v(agent.body(states)), atol=1e-6)


def test_bytes_are_scaled_in_the_network():
    agent = made("nature", of_bytes=True)
    states = np.full((1, 4, 84, 84), 255, dtype=np.uint8)
    expected = agent.q(agent.body[1:](torch.ones(1, 4, 84, 84))).detach().numpy()
    assert np.allclose(agent.get_qvalues(states), expected, atol=1e-6)


def test_gradients_of_both_heads_reach_the_body_scaled():
    agent = made("nature", dueling=True)
    states = torch.rand(2, 4, 84, 84)
    agent(states).sum().backward()
    scaled = agent.body[0].weight.grad.clone()
    agent.zero_grad()
    agent._scale_gradient = False
    agent(states).sum().backward()
    assert torch.allclose(scaled * math.sqrt(2), agent.body[0].weight.grad, atol=1e-6)
    assert not torch.allclose(scaled, agent.body[0].weight.grad)


def test_actions_are_drawn_as_numpys_choice_draws_them():
    agent = DQNAgent((4,), 3, architecture="dense", epsilon=0.3)
    ours, theirs = np.random.RandomState(5), np.random.RandomState(5)
    q = np.random.RandomState(0).rand(6, 3).astype(np.float32)
    for _ in range(50):
        random_actions = theirs.choice(3, size=6)
        explore = theirs.choice([0, 1], 6, p=[0.7, 0.3])
        expected = np.where(explore, random_actions, q.argmax(axis=-1))
        assert np.array_equal(agent.sample_actions(q, ours), expected)


def test_both_draws_are_made_whatever_epsilon_is():
    q = np.zeros((1, 3), dtype=np.float32)
    after = []
    for epsilon in (0.0, 1.0):
        generator = np.random.RandomState(2)
        DQNAgent((4,), 3, architecture="dense", epsilon=epsilon).sample_actions(q, generator)
        after.append(generator.random_sample())
    assert after[0] == after[1]
