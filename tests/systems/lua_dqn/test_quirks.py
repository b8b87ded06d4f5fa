"""The agent's arithmetic by hand, and its quirks one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dqn_port.errors import DivergedError
from dqn_port.systems.lua_dqn.networks.layers import Linear, Rectifier, Reshape, SpatialConvolution
from dqn_port.systems.lua_dqn.networks.sequential import Sequential
from dqn_port.systems.lua_dqn.rmsprop import CentredRmsprop
from dqn_port.systems.lua_dqn.schedule import anneal_epsilon, anneal_lr
from dqn_port.systems.lua_dqn.slots import Minibatch
from tests.systems.lua_dqn.agent_building import make_agent

SCREEN = np.zeros((3, 210, 160), dtype=np.float32)


def random_screen(i):
    return np.random.default_rng(i).random((3, 210, 160), dtype=np.float32)


def test_one_step_of_centred_rmsprop_by_hand():
    w, dw = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 0.0])
    optimiser = CentredRmsprop(w)
    optimiser.step(w, dw, 0.1)
    g, g2 = 0.05 * 0.5, 0.05 * 0.25
    assert w.tolist() == pytest.approx([1.0 + 0.1 * 0.5 / (g2 - g * g + 0.01) ** 0.5, -2.0])
    assert optimiser.g.tolist() == pytest.approx([g, 0.0])
    assert optimiser.g2.tolist() == pytest.approx([g2, 0.0])


def test_anneals_by_hand():
    epsilon = {"start": 1.0, "end": 0.1, "endt": 100}
    assert [anneal_epsilon(t, **epsilon) for t in (0, 50, 100, 1000)] == [1.0, 0.55, 0.1, 0.1]
    lr = {"start": 0.01, "end": 0.001, "endt": 90}
    assert [anneal_lr(t, **lr) for t in (0, 45, 90, 1000)] == pytest.approx(
        [0.01, 0.0055, 0.001, 0.001]
    )


def test_the_rectifiers_gradient_is_0_at_0_and_gradients_are_summed_over_the_batch():
    network = Sequential([Reshape((2,)), Linear(2, 2), Rectifier(), Linear(2, 1)])
    with torch.no_grad():
        # Hidden units: x0, and 0 · x; output: their sum.
        network.w.copy_(torch.tensor([1.0, 0, 0, 0, 0, 0, 1, 1, 0]))
    s = torch.tensor([[2.0, 0.0], [3.0, 0.0]])
    assert network.forward_for_update(s).reshape(-1).tolist() == [2.0, 3.0]
    network.backward(torch.tensor([[1.0], [10.0]]))
    # First weight: 1·2 + 10·3; the second unit is at 0, so nothing flows into it.
    assert network.dw.tolist() == [32.0, 0, 0, 0, 11, 0, 32, 0, 11]


def test_only_the_first_convolution_is_padded():
    agent = make_agent({}, n_actions=4, network="convnet_atari3")
    convolutions = [x for x in agent.network.layers if isinstance(x, SpatialConvolution)]
    assert [(c.pad_w, c.pad_h) for c in convolutions] == [(1, 1), (0, 0), (0, 0)]
    assert agent.network.flattened_size() == 64 * 7 * 7
    assert agent.network.w.numel() == 1_686_180


def test_a_terminal_returns_none_draws_nothing_and_is_remembered_as_the_first_action():
    agent = make_agent({"learn_start": 100}, n_actions=4, network="net_small")
    agent.perceive(0, SCREEN, False)
    draws = agent.generator.n_draws
    assert agent.perceive(0, SCREEN, True) is None
    assert (agent.generator.n_draws, agent.last_action, agent.last_terminal) == (draws, 0, True)


def test_the_transition_into_a_new_game_is_stored_with_its_terminal_flag():
    agent = make_agent({"learn_start": 100}, n_actions=4, network="net_small")
    for terminal in (False, True, False):
        agent.perceive(1, SCREEN, terminal)
    assert agent.transitions.num_entries == 2
    assert agent.transitions.t[:2].tolist() == [0, 1]


def test_a_greedy_choice_draws_even_without_a_tie():
    agent = make_agent({"learn_start": 100}, n_actions=4, network="net_small")
    draws = agent.generator.n_draws
    agent.perceive(0, random_screen(1), False, True, 0.0)
    assert agent.greedy
    assert agent.generator.n_draws == draws + 2


def test_ties_are_broken_by_a_draw_among_the_best():
    agent = make_agent({"learn_start": 100}, n_actions=4, network="net_small")
    agent.network.w.zero_()
    with torch.no_grad():
        agent.network.w[-4:] = torch.tensor([0.0, 1.0, 0.0, 1.0])
    chosen = {agent.perceive(0, SCREEN, False, True, 0.0) for _ in range(50)}
    assert chosen == {1, 3}


def test_testing_stores_and_learns_nothing_but_is_remembered():
    agent = make_agent({"learn_start": 100}, n_actions=4, network="net_small")
    agent.perceive(0, random_screen(1), False)
    agent.perceive(0, random_screen(2), False, True, 0.05)
    assert (agent.num_steps, agent.transitions.num_entries, agent.ep) == (1, 0, 0.05)
    tested = agent.last_state
    agent.perceive(3, random_screen(3), False)
    np.testing.assert_array_equal(agent.transitions.s[0], tested)
    assert agent.transitions.r[0] == 3


def test_the_target_is_copied_while_testing_as_long_as_the_remainder_is_one():
    agent = make_agent({"learn_start": 100, "target_q": 5}, n_actions=4, network="net_small")
    agent.perceive(0, SCREEN, False)
    assert agent.num_steps % 5 == 1
    with torch.no_grad():
        agent.network.w.add_(1)
    agent.perceive(0, SCREEN, False, True, 0.05)
    assert torch.equal(agent.target_network.w, agent.network.w)


def test_a_target_q_of_0_makes_a_target_that_is_never_copied():
    agent = make_agent({"learn_start": 100, "target_q": 0}, n_actions=4, network="net_small")
    with torch.no_grad():
        agent.network.w.add_(1)
    for _ in range(3):
        agent.perceive(0, SCREEN, False)
    assert agent.target_network is not None
    assert not torch.equal(agent.target_network.w, agent.network.w)


def test_r_max_rises_in_evaluation_too():
    agent = make_agent({"learn_start": 100, "rescale_r": 0}, n_actions=4, network="net_small")
    agent.perceive(7, SCREEN, False, True, 0.05)
    assert agent.r_max == 7


def test_a_clip_delta_of_0_zeroes_every_delta():
    agent = make_agent({"clip_delta": 0}, n_actions=4, network="net_small")
    n = 28224
    batch = Minibatch(
        torch.zeros(2, n, dtype=torch.uint8),
        torch.tensor([0, 1]),
        torch.tensor([1.0, 1.0]),
        torch.zeros(2, n, dtype=torch.uint8),
        torch.zeros(2, dtype=torch.uint8),
    )
    _, delta, _ = agent.get_q_update(batch, keep=False)
    assert delta.tolist() == [0.0, 0.0]


def test_values_that_are_not_finite_stop_with_one_line():
    agent = make_agent({"learn_start": 100}, n_actions=4, network="net_small")
    with torch.no_grad():
        agent.network.w.fill_(float("nan"))
    with pytest.raises(DivergedError) as caught:
        agent.perceive(0, SCREEN, False, True, 0.0)
    assert str(caught.value) == (
        "network: expected finite action values, got [nan, nan, nan, nan] at step 0; lower lr"
    )


def test_one_value_that_is_not_finite_is_enough_to_stop():
    agent = make_agent({"learn_start": 100}, n_actions=4, network="net_small")
    with torch.no_grad():
        agent.network.w[-1] = float("nan")
    with pytest.raises(DivergedError, match=r"nan\] at step 0"):
        agent.perceive(0, SCREEN, False, True, 0.0)


def test_printing_the_agent_shows_its_fields_and_its_network():
    text = repr(make_agent({"lr": 0.125}, n_actions=4, network="net_small"))
    assert "  lr: 0.125\n" in text
    assert "  n_actions: 4\n" in text
    assert "(2): nn.SpatialConvolution(4 -> 4, 8x8, 4,4, 1,1)" in text
