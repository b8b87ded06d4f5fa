"""The replay buffer by hand, and eight faults that users of others met, each by its number."""

from __future__ import annotations

import collections
import random

import numpy as np
import pytest

from dqn_port.systems.labml_dqn import trees as trees_module
from dqn_port.systems.labml_dqn.bench import stand_in
from dqn_port.systems.labml_dqn.replay_buffer import EmptyReplayError, ReplayBuffer
from dqn_port.systems.labml_dqn.storage import Frames, Stacks
from dqn_port.systems.labml_dqn.trees import Trees, raised

BLANK = np.zeros((4, 2, 2), dtype=np.uint8)


def buffer(capacity, n=0, *, alpha=1.0, seed=1, storage=None, **changes):
    storage = storage or Stacks(capacity, 2, 2)
    replay = ReplayBuffer(capacity, alpha, storage, random.Random(seed), **changes)
    for i in range(n):
        replay.add(BLANK, i % 4, float(i), BLANK, False)
    return replay


def write(replay, priorities, slots=None):
    slots = range(len(priorities)) if slots is None else slots
    replay.update_priorities(np.array(slots), np.array(priorities, dtype=np.float32))


def every_find(trees):
    """Return the slots in order of the running sum, where every leaf is 1."""
    return trees.find(np.arange(trees.root) + 0.5).tolist()


def test_trees_by_hand():
    trees = Trees(4)
    trees.set(np.array([0, 1, 2, 3]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert trees.sum.tolist() == [0, 10, 3, 7, 1, 2, 3, 4]
    assert trees.min.tolist()[1:] == [1, 1, 3, 1, 2, 3, 4]
    # A boundary is of the slot to its right.
    assert trees.find(np.array([0.0, 0.9, 1.0, 3.0, 9.9])).tolist() == [0, 0, 1, 2, 3]


@pytest.fixture(params=["kernels", "NumPy"])
def by(request, monkeypatch):
    """Run with the kernels in C, and without."""
    if request.param == "NumPy":
        monkeypatch.setattr(trees_module, "kernels", lambda: None)
    else:
        assert trees_module.kernels() is not None


def find_one(trees, prefix):
    """Find a slot as the original does, step by step."""
    node = 1
    while node < trees.n:
        left = trees.sum[2 * node]
        node *= 2
        if not left > prefix:
            prefix, node = prefix - left, node + 1
    return node - trees.n


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 2, 3, 6, 7, 64, 1000])
def test_many_leaves_at_once_are_one_after_the_other_to_the_bit(n, dtype, by):
    rng = np.random.default_rng(n)
    one, many = Trees(n, dtype), Trees(n, dtype)
    for _ in range(20):
        slots, leaves = rng.integers(0, n, 32), rng.random(32).astype(dtype)
        many.set(slots, leaves)
        for slot, leaf in zip(slots.tolist(), leaves, strict=True):
            one.set_one(slot, leaf)
        assert one.sum[1:].tobytes() == many.sum[1:].tobytes()
        assert one.min[1:].tobytes() == many.min[1:].tobytes()
        prefixes = rng.random(32).astype(dtype) * many.root
        prefixes[:3] = 0, many.root, np.nan
        assert many.find(prefixes).tolist() == [find_one(one, p) for p in prefixes]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_odd_leaves_at_once_are_one_after_the_other_to_the_bit(dtype, by):
    one, many = Trees(6, dtype), Trees(6, dtype)
    slots = np.array([3, 1, 3, 5, 0, 1])
    leaves = np.array([np.nan, np.inf, 2, np.nan, 0, -0.0], dtype=dtype)
    many.set(slots, leaves)
    with np.errstate(all="ignore"):
        for slot, leaf in zip(slots.tolist(), leaves, strict=True):
            one.set_one(slot, leaf)
    assert one.sum[1:].tobytes() == many.sum[1:].tobytes()
    assert one.min[1:].tobytes() == many.min[1:].tobytes()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("exponent", [0.6, 0.5, 1.0, 0.0, 2.0, -0.4, -1.0])
def test_powers_are_those_of_one_at_a_time_to_the_bit(exponent, dtype, by):
    x = np.random.default_rng(1).random(4000).astype(dtype) * 3
    x[:5] = 0, np.nan, np.inf, 1e-30, 1e30
    with np.errstate(all="ignore"):
        one_at_a_time = np.array([value**exponent for value in x], dtype=dtype)
    assert raised(x, exponent).tobytes() == one_at_a_time.tobytes()


def test_a_replay_draws_and_weighs_as_one_of_lists(by):
    rng = np.random.default_rng(1)
    replay, lists = buffer(100, alpha=0.6, seed=5), stand_in.ReplayBuffer(100, 0.6)
    random.seed(5)
    for held in (60, 90):
        while replay.added < held:
            replay.add(BLANK, 0, 0.0, BLANK, False)
            lists._set(lists.next_idx, lists.max_priority**0.6)
            lists.next_idx += 1
        lists.size = held
        for _ in range(20):
            indexes, weights = replay.draw(32, 0.4)
            of_lists = lists.sample(32, 0.4)
            assert indexes.tolist() == of_lists["indexes"].tolist()
            assert weights.tobytes() == of_lists["weights"].tobytes()
            priorities = rng.random(32, dtype=np.float32) * 2
            replay.update_priorities(indexes, priorities)
            lists.update_priorities(indexes, priorities)
            assert replay.trees.sum[1:].tolist() == lists.sum[1:]
            assert replay.trees.min[1:].tolist() == lists.min[1:]


@pytest.mark.parametrize("slots", [[4], [-1], [0, 1]])
def test_leaves_that_the_trees_have_not_are_refused(slots, by):
    with pytest.raises(IndexError, match=r"^expected a slot below 4 for each of 1 leaves$"):
        Trees(4).set(np.array(slots), np.array([1.0]))


# 1. Float drift.


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_case_1_a_million_updates_do_not_drift(dtype):
    rng = np.random.default_rng(1)
    trees = Trees(256, dtype)
    for _ in range(1000):
        trees.set(rng.integers(0, 200, 1000), (rng.random(1000) ** 8 + 1e-6).astype(dtype))
    again = Trees(256, dtype)
    again.set(np.arange(256), trees.sum[256:])
    assert trees.root == again.root
    assert trees.root == pytest.approx(float(trees.sum[256:].astype(float).sum()), rel=1e-6)
    below = np.nextafter(trees.root, dtype(0))
    draws = np.append(rng.random(10_000).astype(dtype) * below, below)
    # Slots from 200 on are not filled, and no draw lands there.
    assert trees.find(draws.astype(dtype)).max() < 200


def test_case_1_the_sum_itself_gives_the_last_slot_filled_or_not():
    assert buffer(8, 3).trees.find(np.array([3.0])).tolist() == [7]
    # The largest number that is drawn stays below it.
    assert buffer(8, 3).trees.find(np.array([(1 - 2**-53) * 3.0])).tolist() == [2]


# 2. Capacity no power of two.


@pytest.mark.parametrize(
    ("n", "order"),
    [
        (1, [0]),
        (3, [1, 2, 0]),
        (6, [2, 3, 4, 5, 0, 1]),
        (1000, [*range(24, 1000), *range(24)]),
    ],
)
def test_case_2_any_capacity_is_proportional_in_the_originals_order(n, order):
    trees = Trees(n)
    trees.set(np.arange(n), np.ones(n))
    assert every_find(trees) == order
    trees.set(np.arange(n), np.arange(1.0, n + 1))
    total = n * (n + 1) // 2
    counts = collections.Counter(trees.find(np.arange(total) + 0.5).tolist())
    assert counts == {slot: slot + 1 for slot in range(n)}


# 3. Off by one at the ends.


def test_case_3_every_filled_slot_is_drawn_and_no_other():
    for capacity, n in [(8, 1), (8, 5), (8, 8), (8, 13), (1, 1), (1, 4), (5, 3)]:
        replay = buffer(capacity, n)
        drawn = set(replay.sample(400, 0.4).indexes.tolist())
        assert drawn == set(range(min(n, capacity))), (capacity, n)


def test_case_3_a_wrapped_ring_holds_the_newest():
    replay = buffer(4, 6)
    assert replay.reward.tolist() == [4, 5, 2, 3]
    assert (replay.next_idx, replay.size, replay.is_full()) == (2, 4, True)


# 4. The priority of new transitions.


def test_case_4_new_transitions_have_the_largest_priority_there_ever_was():
    replay = buffer(4, 4, alpha=0.5)
    write(replay, [0.25, 0.25, 0.25, 0.25])
    replay.add(BLANK, 0, 0, BLANK, False)
    # What it starts from, 1, is larger than all that were written.
    assert replay.trees.sum[4:].tolist() == [1, 0.5, 0.5, 0.5]
    write(replay, [9.0], [1])
    for _ in range(2):
        replay.add(BLANK, 0, 0, BLANK, False)
    # The outlier itself is overwritten, and stays the largest; 9 is not raised to α twice.
    assert replay.max_priority == 9
    assert replay.trees.sum[4:].tolist() == [1, 3, 3, 0.5]


# 5. Which maximum norms the weights.


def drawn(norm, beta):
    replay = buffer(4, 4, norm=norm)
    write(replay, [1, 2, 4, 8])
    replay._generator = Numbers([0.99, 0.3, 0.3])
    samples = replay.sample(3, beta)
    assert samples.indexes.tolist() == [3, 2, 2]
    return samples.weights.tolist()


class Numbers:
    def __init__(self, numbers):
        self._numbers = iter(numbers)

    def random(self):
        return next(self._numbers)


def test_case_5_weights_by_hand():
    # (p / 15 · 4)^-β, over that of 1 (the buffer's rarest) or 4 (the batch's).
    assert drawn("buffer", 1.0) == [0.125, 0.25, 0.25]
    assert drawn("batch", 1.0) == [0.5, 1.0, 1.0]
    assert drawn("buffer", 0.0) == drawn("batch", 0.0) == [1, 1, 1]


def test_case_5_weights_are_at_most_1():
    replay = buffer(16, 16)
    write(replay, np.random.default_rng(2).random(16) + 1e-3)
    weights = replay.sample(100, 0.7).weights
    assert 0 < weights.min() < weights.max() <= 1


# 6. What becomes the priority: see also test_switches.py.


def test_case_6_of_two_of_one_slot_the_last_stays():
    replay = buffer(4, 4)
    write(replay, [2, 3], [1, 1])
    assert replay.trees.sum[4:].tolist() == [1, 3, 1, 1]
    assert replay.max_priority == 3


def test_case_6_one_nan_draws_the_last_slot_for_ever_and_the_maximum_stays():
    replay = buffer(8, 8)
    write(replay, [np.nan], [2])
    samples = replay.sample(5, 0.4)
    assert samples.indexes.tolist() == [7] * 5
    assert np.isnan(samples.weights).all()
    assert replay.max_priority == 1


# 7. Several games and the ends of episodes.


def test_case_7_n_step_returns_cross_no_game_no_end_and_no_seam():
    lengths, gamma, n = (1, 2, 5), 0.5, 3
    replay = buffer(8, storage=Frames(8, 3, 2, 2), n_step=n, gamma=gamma, n_games=3)
    steps = [[], [], []]
    """By game: (number, reward, done)."""
    frame = np.zeros((4, 2, 2), dtype=np.uint8)
    for number in range(31):
        game, step = number % 3, number // 3
        done = step % lengths[game] == lengths[game] - 1
        reward = float(number**2 % 17)
        replay.add(frame, 0, reward, frame, done)
        steps[game].append((number, reward, done))
        held = range(max(0, replay.added - 8), replay.added)
        numbers = np.array(held)
        last, total, discount = replay._returns(numbers)
        for at, i in enumerate(held):
            own = steps[i % 3][i // 3 :][:n]
            ended = [k for k, (_, _, done) in enumerate(own) if done]
            own = own[: ended[0] + 1] if ended else own
            assert last[at] == own[-1][0]
            assert total[at] == sum(gamma**k * r for k, (_, r, _) in enumerate(own))
            assert discount[at] == gamma ** len(own)


def test_case_7_frames_give_the_stacks_that_stacks_give():
    rng = np.random.default_rng(3)
    for capacity in (8, 9, 30):
        whole, frames = Stacks(capacity, 2, 2), Frames(capacity, 3, 2, 2)
        done = np.zeros(capacity, dtype=bool)
        now = [np.repeat(rng.integers(0, 256, (1, 2, 2), dtype=np.uint8), 4, 0) for _ in range(3)]
        for number in range(100):
            game, ends = number % 3, bool(rng.random() < 0.2)
            new = rng.integers(0, 256, (1, 2, 2), dtype=np.uint8)
            following = np.repeat(new, 4, 0) if ends else np.concatenate((now[game][1:], new))
            for storage in (whole, frames):
                storage.add(number, now[game], following, done=ends)
            done[number % capacity], now[game] = ends, following
            numbers = np.arange(max(0, number + 1 - capacity), number + 1)
            ended = done[numbers % capacity]
            np.testing.assert_array_equal(whole.obs(numbers), frames.obs(numbers))
            np.testing.assert_array_equal(
                whole.next_obs(numbers, ended), frames.next_obs(numbers, ended)
            )


def test_frames_take_an_eighth_of_the_memory():
    def size(storage):
        return sum(a.nbytes for ring in storage.rings(0).values() for a in ring.arrays.values())

    assert size(Stacks(4096, 84, 84)) / size(Frames(4096, 8, 84, 84)) > 7.9


# 8. Going on: see test_resume.py.


def walked(leaves, p):
    """Return the slot of a running sum, found one node after the other in Python's floats."""
    n = len(leaves)
    tree = [0.0] * n + leaves
    for node in range(n - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]
    node = 1
    while node < n:
        node *= 2
        if not tree[node] > p:
            p -= tree[node]
            node += 1
    return node - n


@pytest.mark.parametrize("n", [6, 8])
def test_case_8_draws_and_weights_are_those_of_pythons_own_floats(n):
    replay = buffer(n, n, alpha=0.6, seed=5)
    priorities = np.array([0.5, 0.1, 2, 0.25, 1e-6, 1, 3, 0.7][:n], dtype=np.float32)
    write(replay, priorities)
    leaves = [float(p) ** 0.6 for p in priorities]
    root, generator = float(replay.trees.root), random.Random(5)
    slots = [walked(leaves, generator.random() * root) for _ in range(100)]
    samples = replay.sample(100, 0.5)
    assert samples.indexes.tolist() == slots
    rarest = (min(leaves) / root * n) ** -0.5
    weights = [np.float32((leaves[slot] / root * n) ** -0.5 / rarest) for slot in slots]
    assert samples.weights.tolist() == [float(weight) for weight in weights]


def test_trees_in_float32_draw_in_float32_once_a_priority_was_written():
    replay = buffer(8, 8, dtype=np.float32, alpha=0.6)
    assert not replay.updated
    write(replay, [0.3])
    assert replay.updated
    assert replay.trees.root.dtype == np.float32
    assert replay.trees.sum[8] == np.float32(0.3) ** np.float32(0.6)


def test_nothing_can_be_drawn_of_nothing():
    with pytest.raises(EmptyReplayError) as caught:
        buffer(8).sample(1, 0.4)
    assert str(caught.value) == "replay: expected a transition to draw, got none added yet"


def test_rings_and_state_hold_all():
    replay = buffer(4, 6, storage=Frames(4, 2, 2, 2))
    rings = replay.rings()
    assert {name: (ring.added, ring.held) for name, ring in rings.items()} == {
        "transitions": (6, 4), "ages": (6, 4), "frames": (8, 8),
    }  # fmt: skip
    assert rings["frames"].arrays["frame"].shape == (12, 2, 2)
    write(replay, [2])
    other = buffer(4, storage=Frames(4, 2, 2, 2))
    other.load_state_dict(replay.state_dict())
    assert other.updated
    assert other.trees.sum.tolist() == replay.trees.sum.tolist()
    assert other.trees.min.tolist() == replay.trees.min.tolist()
