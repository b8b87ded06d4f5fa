"""The network and its bursts: numbers by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dqn_port.errors import DivergedError
from dqn_port.systems.hvass16.neural_network import (
    Layers,
    NeuralNetwork,
    same_padding,
)
from dqn_port.systems.hvass16.optimization import Optimization
from dqn_port.systems.hvass16.replay_memory import ReplayMemory

SMALL = Layers(filters=(2,), strides=(2,), dense=(3,))


def network(layers=SMALL, shape=(4, 4, 2), actions=2, **more):
    made = NeuralNetwork(actions, shape, layers=layers, **more)
    made.initialise(np.random.RandomState(1))
    return made


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(105, 2, (1, 1)), (80, 2, (0, 1)), (53, 2, (1, 1)), (40, 2, (0, 1)), (27, 1, (1, 1))],
)
def test_the_odd_zero_is_at_the_end(size, stride, padding):
    assert same_padding(size, stride) == padding


def test_the_real_size():
    meta = NeuralNetwork(4, (105, 80, 2), device="meta")
    assert sum(p.numel() for p in meta.parameters()) == 38_566_804
    shapes = {name: tuple(p.shape) for name, p in meta.named_parameters()}
    assert shapes["layer_conv1/weights"] == (3, 3, 2, 16)
    assert shapes["layer_fc1/weights"] == (27 * 20 * 64, 1024)


def test_a_state_goes_in_undivided_and_is_flattened_by_row_column_channel():
    net = network(Layers(filters=(2,), strides=(1,), kernel_size=1, dense=()), (2, 2, 2), 1)
    with torch.no_grad():
        net.get_parameter("layer_conv1/weights")[:] = torch.eye(2)
        net.get_parameter("layer_conv1/bias").zero_()
        net.get_parameter("layer_fc_out/weights")[:, 0] = torch.tensor([10.0**k for k in range(8)])
        net.get_parameter("layer_fc_out/bias").fill_(0.5)
    state = np.array([0, 1, 1, 0, 0, 0, 3, 0], dtype=np.uint8).reshape(2, 2, 2)
    assert net.get_q_values(state).tolist() == [3000110.5]


def test_first_weights_are_cut_at_two_deviations_and_biases_are_zero():
    net = network(Layers(dense=(64, 32)), (21, 16, 2))
    weights = net.get_parameter("layer_fc1/weights").detach().numpy()
    assert 0.0399 < np.abs(weights).max() <= 0.04
    assert weights.std() == pytest.approx(0.0176, rel=0.01)
    assert not net.get_parameter("layer_fc1/bias").any()


def test_rmsprop_starts_from_one():
    """ms = 1 + (g² − 1) · 0.1; w −= lr · g / √(ms + ε): two steps of one weight, by hand."""
    net = network()
    w = net.get_parameter("layer_fc_out/bias")
    with torch.no_grad():
        w.zero_()
        net.get_parameter("layer_fc_out/weights").zero_()
    states, targets = np.zeros((4, 4, 4, 2), np.uint8), np.tile([3.0, 0.0], (4, 1))
    assert net.update(states, targets, 0.1) == 9.0
    g = 2 * (0 - 3.0)
    ms = 1 + (g * g - 1) * 0.1
    first = -0.1 * g / math.sqrt(ms + 1e-10)
    assert w.tolist() == [pytest.approx(first, rel=1e-6), 0.0]
    net.update(states, targets, 0.1)
    g = 2 * (first - 3.0)
    ms += (g * g - ms) * 0.1
    assert w[0].item() == pytest.approx(first - 0.1 * g / math.sqrt(ms + 1e-10), rel=1e-5)
    assert net.mean_square["layer_fc_out/bias"][1] == pytest.approx(0.81)


def test_the_loss_is_summed_over_actions_and_halved_by_none():
    net = network()
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
    targets = np.array([[1.0, 2.0], [0.0, 3.0]])
    assert net.loss(np.zeros((2, 4, 4, 2), np.uint8), targets).item() == (1 + 4 + 9) / 2


class Losses:
    def __init__(self, *losses):
        self.losses = iter(losses)

    def update(self, states, targets, learning_rate):
        return next(self.losses)


def burst(num_used=32, as_original=False, **more):
    memory = ReplayMemory(64, 2, np.random.RandomState(1), state_shape=(1, 1, 2))
    memory.num_used = num_used
    memory.estimation_errors[::2] = 1.0
    numbers = {"learning_rate": 1.0, "loss_limit": 0.02, "max_epochs": 2.0} | more
    return Optimization(memory, batch_size=8, as_original=as_original, **numbers)


def test_the_mean_loss_counts_zeros():
    """Quirk: it is over 100 from the start, so that this burst ends at a mean of 1.0."""
    made = burst()
    network = Losses(*[0.25] * 8)
    means = []
    while not made.done:
        made.update(network)
        means.append(made.loss_mean)
    assert (made.min_iterations, made.max_iterations) == (4, 8)
    # After six updates: more than the least, and 0.015 < 0.02.
    assert means == pytest.approx([0.0025 * n for n in range(1, 7)])


@pytest.mark.parametrize(
    ("epochs", "least", "updates"), [(0.1, 1.0, 0), (0.5, 1.0, 2), (1.0, 3.0, 4), (3.0, 1.0, 6)]
)
def test_how_long_a_burst_is(epochs, least, updates):
    made = burst(max_epochs=epochs, min_epochs=least)
    network = Losses(*[0.1] * 20)
    while not made.done:
        made.update(network)
    assert made.iterations == updates


def test_numbers_that_are_none_stop_a_burst_or_as_the_original_do_not():
    made = burst()
    with pytest.raises(DivergedError) as caught:
        made.update(Losses(math.nan))
    assert str(caught.value) == (
        "loss of update 1 of the burst: expected a number, got nan; lower learning_rate, or "
        "set as_original=true"
    )
    made, network = burst(as_original=True), Losses(*[math.nan] * 8)
    while not made.done:
        made.update(network)
    assert made.iterations == 8
