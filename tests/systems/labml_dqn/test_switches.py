"""Double, dueling, prioritised, n-step, norm and loss, each by itself; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dqn_port.errors import DivergedError
from dqn_port.systems.labml_dqn.choice import sample_action
from dqn_port.systems.labml_dqn.model import Model, empty_model
from dqn_port.systems.labml_dqn.q_func_loss import q_func_loss
from tests.systems.labml_dqn.building import training

Q = [[1.0, 2.0], [3.0, 5.0]]
DOUBLE = [[1.0, 0.0], [0.0, 1.0]]
TARGET = [[10.0, 20.0], [30.0, 40.0]]


def loss(double_q=DOUBLE, done=(0, 0), discount=0.5, weights=(1, 1), **changes):
    q = torch.tensor(Q, requires_grad=True)
    found = q_func_loss(
        q,
        torch.tensor([0, 1]),
        torch.tensor(double_q),
        torch.tensor(TARGET),
        torch.tensor(done, dtype=torch.float32),
        torch.tensor([-4.5, 2.0]),
        torch.tensor(weights, dtype=torch.float32),
        discount=discount,
        **changes,
    )
    found.loss.backward()
    return found, q.grad.tolist()


def test_the_loss_by_hand():
    found, gradient = loss()
    # y = -4.5 + 10 / 2, 2 + 40 / 2; e = 0.5, -17.
    assert found.q_update.tolist() == [0.5, 22.0]
    assert found.td_error.tolist() == [0.5, -17.0]
    assert found.loss.item() == (0.5**2 / 2 + 16.5) / 2
    assert gradient == [[0.25, 0], [0, -0.5]]


def test_one_network_chooses_and_the_other_values():
    assert loss(double_q=TARGET)[0].q_update.tolist() == [5.5, 22.0]


def test_a_game_that_is_done_has_no_next_value_and_weights_weigh():
    found, gradient = loss(done=(1, 0), weights=(0.5, 0.25))
    assert found.q_update.tolist() == [-4.5, 22.0]
    assert gradient == [[0.25, 0], [0, -0.125]]


def test_square_is_half_of_the_square_everywhere():
    found, gradient = loss(square=True)
    assert found.loss.item() == (0.125 + 17**2 / 2) / 2
    assert gradient == [[0.25, 0], [0, -8.5]]


def test_a_discount_may_be_one_for_each():
    assert loss(discount=torch.tensor([0.25, 0.0]))[0].q_update.tolist() == [-2.0, 2.0]


def test_dueling_takes_the_mean_advantage_off():
    model = empty_model(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.state_value[2].bias.fill_(7)
        model.action_value[2].bias.copy_(torch.tensor([1.0, 4.0]))
    assert model(torch.zeros(1, 4, 84, 84)).tolist() == [[5.5, 8.5]]
    alone = empty_model(2, dueling=False)
    alone.load_state_dict({k: v for k, v in model.state_dict().items() if "state_value" not in k})
    assert alone(torch.zeros(1, 4, 84, 84)).tolist() == [[1, 4]]


def test_nothing_is_drawn_from_the_global_generator():
    before = torch.get_rng_state()
    one = empty_model(4)
    one.draw(torch.Generator().manual_seed(1))
    assert torch.get_rng_state().equal(before)
    torch.manual_seed(1)
    for mine, yours in zip(one.parameters(), Model(4).parameters(), strict=True):
        assert mine.equal(yours)


def learnt(**changes):
    """Return a training after its first minibatch, and that."""
    one = training(**changes)
    found = []
    train = one.train
    one.train = lambda beta: found.append(train(beta))
    while not found:
        one.tick()
    return one, found[0]


def test_without_double_the_target_network_chooses():
    _, trained = learnt(double=False)
    assert trained.double_q is trained.target_q


def test_without_priorities_all_are_drawn_alike_with_weights_of_1():
    one, trained = learnt(prioritised=False)
    assert trained.samples.weights.tolist() == [1] * 4
    assert set(one.replay_buffer.trees.sum[12:].tolist()) == {1.0}


def test_n_step_returns_reach_the_loss():
    _, trained = learnt(n_step=3, gamma=0.5)
    assert set(trained.samples.discount.tolist()) <= {0.5, 0.25, 0.125}
    assert len(set(trained.samples.discount.tolist())) > 1


def test_priorities_are_written_before_the_step_that_they_cause():
    one, trained = learnt()
    td_error = trained.loss.td_error.numpy()
    priorities = np.abs(td_error) + np.float32(1e-6)
    last = {
        int(slot): float(p) for slot, p in zip(trained.samples.indexes, priorities, strict=True)
    }
    for slot, priority in last.items():
        assert one.replay_buffer.trees.sum[12 + slot] == priority**0.6


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_case_6_priorities_that_are_no_numbers_are_refused_and_not_written(bad):
    one = training()
    while one.epoch == 0:
        one.tick()
    leaves, weights = one.replay_buffer.trees.sum.copy(), one.model.weights()
    one.replay_buffer.reward[:] = bad
    with pytest.raises(DivergedError) as caught:
        one.tick()
    assert str(caught.value) == (
        f"update 2, minibatch 1: expected finite priorities above 0, got {bad} to {bad}; lower "
        "learning_rate, or set priority_epsilon above 0"
    )
    np.testing.assert_array_equal(one.replay_buffer.trees.sum, leaves)
    for name, array in one.model.weights().items():
        np.testing.assert_array_equal(array, weights[name])


def test_case_6_a_priority_of_0_is_refused():
    one = training(priority_epsilon=0, gamma=0)
    while not one.replay_buffer.is_full():
        one.tick()
    one.replay_buffer.reward[:] = 0
    with torch.no_grad():
        for parameter in one.model.parameters():
            parameter.zero_()
    while one.worker_step < one.worker_steps:
        one.tick()
    with pytest.raises(DivergedError, match=r"^update 2, minibatch 0: .* got 0\.0 to 0\.0; "):
        one.tick()


def test_case_6_priorities_whose_power_no_tree_can_hold_are_refused():
    one = training(alpha=1000)
    while not one.replay_buffer.is_full() or one.worker_step < one.worker_steps:
        one.tick()
    leaves = one.replay_buffer.trees.sum.copy()
    with pytest.raises(DivergedError) as caught:
        one.tick()
    assert str(caught.value) == (
        "update 2, minibatch 0: expected finite priorities to the power alpha above 0, got 0.0 to "
        "inf; lower alpha"
    )
    np.testing.assert_array_equal(one.replay_buffer.trees.sum, leaves)


def test_adams_betas_may_be_0():
    one, _ = learnt(adam_beta1=0, adam_beta2=0)
    assert one.trained == 1


def test_the_network_is_not_asked_where_every_action_is_random():
    def never():
        raise AssertionError

    one, other = (torch.Generator().manual_seed(1) for _ in range(2))
    alone = sample_action(never, 8, 4, 1.0, one)
    q = torch.zeros(8, 4)
    asked = sample_action(lambda: q, 8, 4, 0.0, other)
    assert alone.tolist() != asked.tolist() == [0] * 8
    assert one.get_state().equal(other.get_state())


def test_ties_go_to_the_first_and_epsilon_is_compared_in_float32():
    q = torch.tensor([[1.0, 3.0, 3.0]])
    assert sample_action(lambda: q, 1, 3, 0.0, torch.Generator().manual_seed(1)).tolist() == [1]
    generator = torch.Generator().manual_seed(1)
    torch.randint(3, (1,), generator=generator)
    x = torch.rand(1, generator=generator).item()
    # The next double is the same number in float32, so x is not below it.
    beyond = float(np.nextafter(x, 1))
    again = torch.Generator().manual_seed(1)
    assert sample_action(lambda: q, 1, 3, beyond, again).tolist() == [1]


def test_training_begins_with_the_update_that_fills_the_last_slot_and_copies_after_it():
    one = training(updates=6, update_target_model=2, eval_updates=100)
    trained, copied = [], []
    while not one.done:
        update = one.update
        one.tick()
        if one.update > update:
            trained.append(one.trained)
            copied.append(all(
                a.equal(b) for a, b in
                zip(one.model.parameters(), one.target_model.parameters(), strict=True)
            ))  # fmt: skip
    # 4 transitions an update, 12 slots.
    assert trained == [0, 0, 2, 4, 6, 8]
    assert copied == [True, True, True, False, True, False]
