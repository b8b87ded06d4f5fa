"""The memory's sweep, sampling, statistics, leftovers and edge cases."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.errors import ReplayError
from dqn_port.systems.hvass16.replay_memory import ReplayMemory


def memory(size, actions=3, *, as_original=False, seed=1, **more):
    return ReplayMemory(
        size, actions, np.random.RandomState(seed), state_shape=(1, 1, 2),
        as_original=as_original, **more,
    )  # fmt: skip


def add(m, q, action, reward, *, end_life=False, end_episode=False):
    m.add(np.zeros((1, 1, 2), np.uint8), np.array(q), action, reward, end_life, end_episode)


def test_the_sweep_of_four_states_by_hand():
    m = memory(6, 2, discount_factor=0.5)
    add(m, [1.0, 2.0], 0, 0.5)
    add(m, [4.0, 0.0], 1, 1.0)
    add(m, [3.0, 8.0], 0, -1.0, end_life=True)
    add(m, [6.0, 7.0], 1, 1.0, end_episode=True)
    m.update_all_q_values()
    # k = 3, the newest, stays; k = 2 ends a life: −1; k = 1: 1 + 0.5 · 8; k = 0: 0.5 + 0.5 · 5.
    np.testing.assert_array_equal(m.q_values[:4], [[3.0, 2.0], [4.0, 5.0], [-1.0, 8.0], [6.0, 7.0]])
    np.testing.assert_array_equal(m.estimation_errors, [2.0, 5.0, 4.0, 0.0, 0.0, 0.0])
    np.testing.assert_array_equal(m.q_values_old[1], [4.0, 0.0])


def double_loop(m):
    """The original's own loop."""
    q, errors = m.q_values.copy(), m.estimation_errors.copy()
    for k in reversed(range(m.num_used - 1)):
        v = m.rewards[k]
        if not (m.end_life[k] or m.end_episode[k]):
            v = m.rewards[k] + m.discount_factor * np.max(q[k + 1])
        errors[k] = abs(v - q[k, m.actions[k]])
        q[k, m.actions[k]] = v
    return q, errors


@pytest.mark.parametrize("actions", [1, 4, 18])
@pytest.mark.parametrize("nan", [False, True])
def test_the_sweep_is_the_double_loop_to_the_bit(actions, nan):
    m, rng = memory(700, actions), np.random.RandomState(2)
    m.num_used = 650
    m.q_values[:] = rng.standard_normal((700, actions))
    m.actions[:] = rng.randint(0, actions, 700)
    m.rewards[:] = rng.randint(-1, 2, 700)
    m.end_life[:], m.end_episode[:] = rng.rand(700) < 0.02, rng.rand(700) < 0.01
    if nan:
        m.q_values[[40, 300, 649], [0, actions - 1, 0]] = np.nan
    q, errors = double_loop(m)
    m.update_all_q_values()
    assert m.q_values.tobytes() == q.tobytes()
    np.testing.assert_array_equal(m.estimation_errors, errors)


@pytest.mark.parametrize("n", [0, 1])
def test_a_sweep_of_nothing_changes_nothing(n):
    m = memory(5)
    for _ in range(n):
        add(m, [1.0, 2.0, 3.0], 1, 1.0)
    m.update_all_q_values()
    np.testing.assert_array_equal(m.q_values, m.q_values_old)
    assert not m.estimation_errors.any()


def test_leftovers_are_read():
    """Quirk: after a reset the rows stay, and statistics and the newest error read them."""
    m = memory(4, 2)
    for reward in (1.0, 1.0, -1.0, 1.0):
        add(m, [0.0, 0.5], 0, reward, end_life=True)
    assert m.is_full()
    add(m, [9.0, 9.0], 0, 1.0)
    assert m.q_values.max() == 0.5, "what comes to a full memory is dropped"
    m.update_all_q_values()
    np.testing.assert_array_equal(m.estimation_errors, [1.0, 1.0, 1.0, 0.0])
    m.reset()
    add(m, [0.25, 0.0], 0, 0.0)
    add(m, [0.0, 0.0], 1, 0.0)
    m.update_all_q_values()
    # The second row is now the newest: its error is that of the filling before.
    np.testing.assert_array_equal(m.estimation_errors, [0.25, 1.0, 1.0, 0.0])
    m.prepare_sampling_prob(4)
    assert m.idx_err_hi.tolist() == [0, 1]
    told = m.statistics()
    assert told["after"] == (-1.0, 0.0, 0.5)
    assert told["before"] == (-1.0, 0.03125, 0.5)
    # Errors are counted without the last slot of the capacity, all else in the whole arrays.
    assert (told["large"], told["end_life"], told["reward"], told["num_used"]) == (3, 2, 2, 2)
    m.estimation_errors[3] = 5.0
    assert m.statistics()["large"] == 3


def test_rewards_are_clipped_and_not_their_signs():
    m = memory(3)
    for reward in (4.0, 0.25, -7.0):
        add(m, [0.0] * 3, 0, reward)
    np.testing.assert_array_equal(m.rewards, [1.0, 0.25, -1.0])


ORIGINAL = "replay memory: the original stops here with {}; as_original=false takes what there is"
LARGER = "ValueError: Cannot take a larger sample than population when 'replace=False'"
EDGES = {
    # large errors → (as the original, what is drawn by default: small, large)
    "none": ([], "ValueError: a must be non-empty: 4 to draw of 0 large errors", 8, 0),
    "one": ([20], "TypeError: len() of unsized object: exactly one large error", 7, 1),
    "three": ([1, 2, 3], f"{LARGER}: 4 to draw of 3 large errors", 5, 3),
    "four": ([1, 2, 3, 44], None, 4, 4),
    "all": (list(range(50)), "ValueError: a must be non-empty: 0 to draw of 0 small errors", 0, 8),
    "all but the first": (
        list(range(1, 50)), "ValueError: a must be greater than 0: one small error, at 0", 1, 7),
}  # fmt: skip


def draw(m):
    m.prepare_sampling_prob(8)
    return m.random_indices()


@pytest.mark.parametrize("edge", EDGES)
def test_edges(edge):
    large, reason, n_lo, n_hi = EDGES[edge]
    for as_original in (True, False):
        m = memory(50, as_original=as_original)
        m.num_used = 50
        m.estimation_errors[large] = 0.5
        if as_original and reason:
            with pytest.raises(ReplayError) as caught:
                draw(m)
            assert str(caught.value) == ORIGINAL.format(reason)
            continue
        drawn = draw(m)
        assert (m.num_samples_err_lo, m.num_samples_err_hi) == (n_lo, n_hi)
        assert len(set(drawn.tolist())) == 8
        assert set(drawn[n_lo:].tolist()) <= set(large)
        assert not set(drawn[:n_lo].tolist()) & set(large)


def test_one_small_error_is_drawn_itself_and_as_the_original_another():
    for as_original in (True, False):
        m = memory(50, as_original=as_original)
        m.num_used = 50
        m.estimation_errors[:] = 0.5
        m.estimation_errors[30] = 0.0
        m.prepare_sampling_prob(8)
        small = {int(m.random_indices()[0]) for _ in range(40)}
        assert small == {30} if not as_original else small < set(range(30))


def test_a_memory_smaller_than_a_batch_gives_what_it_has():
    m = memory(10)
    m.num_used = 5
    m.estimation_errors[:3] = 1.0
    m.prepare_sampling_prob(8)
    assert sorted(m.random_indices().tolist()) == [0, 1, 2, 3, 4]


def test_nothing_to_learn_from():
    with pytest.raises(ReplayError) as caught:
        memory(10).prepare_sampling_prob(8)
    assert str(caught.value) == "replay memory: expected states to learn from, got none"
