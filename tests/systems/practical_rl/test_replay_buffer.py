"""Transitions by their frames."""

from __future__ import annotations

import random

import numpy as np
import pytest

from dqn_port.systems.practical_rl.replay_buffer import ReplayBuffer


def states(buffer, n, *, every):
    """Add n transitions of two frames a state, with a reset after every so many; return them."""
    made, value = [], 0

    def frame():
        nonlocal value
        value += 1
        return np.full((1, 2, 2), value, dtype=np.float32)

    seen = np.concatenate([frame(), np.zeros((1, 2, 2), dtype=np.float32)])
    s = buffer.begin(seen)
    for i in range(n):
        seen = np.concatenate([frame(), s.seen[:1]])
        s2 = buffer.go_on(seen)
        buffer.add(s, i % 3, float(i), s2, (i % every == every - 1, False))
        made.append((s.seen, s2.seen))
        s = s2
        if i % every == every - 1:
            s = buffer.begin(np.concatenate([frame(), np.zeros((1, 2, 2), dtype=np.float32)]))
    return made


@pytest.mark.parametrize("every", [1, 2, 5, 1000])
def test_states_come_back_to_the_byte_and_every_frame_is_kept_once(every):
    buffer = ReplayBuffer(20, shape=(2, 2, 2), dtype=np.dtype(np.float32), n_frames=2)
    made = states(buffer, 107, every=every)
    kept = np.arange(87, 107)
    batch = buffer.at(kept % 20)
    assert np.array_equal(batch.s, np.stack([made[i][0] for i in kept]))
    assert np.array_equal(batch.s2, np.stack([made[i][1] for i in kept]))
    assert batch.r.tolist() == kept.tolist()
    held = buffer.rings()["frames"].held
    assert held <= 20 + 3 + (20 // every + 1 if every < 1000 else 0)


def test_places_of_frames_are_taken_again():
    buffer = ReplayBuffer(20, shape=(2, 2, 2), dtype=np.dtype(np.float32), n_frames=2)
    states(buffer, 500, every=10)
    ring = buffer.rings()["frames"]
    numbers = np.arange(ring.added - ring.held, ring.added)
    # Some 20 and 2 resets' frames are alive; no more than their number was ever touched.
    assert ring.slots(numbers).max() < 28
    assert len(set(ring.slots(numbers).tolist())) == ring.held


def test_a_stale_first_state_outlives_its_frames():
    buffer = ReplayBuffer(4, shape=(3,), dtype=np.dtype(np.float64))
    first = buffer.stale(buffer.begin(np.array([1.0, 2.0, 3.0])))
    s = first
    for i in range(9):
        s2 = buffer.go_on(np.full(3, float(i)))
        buffer.add(first if i % 4 == 0 else s, 0, 0.0, s2, (False, False))
        s = s2
    assert buffer.at(np.array([8 % 4])).s.tolist() == [[1.0, 2.0, 3.0]]
    assert buffer.at(np.array([7 % 4])).s.tolist() == [[6.0, 6.0, 6.0]]


def test_done_is_terminated_or_truncated():
    buffer = ReplayBuffer(4, shape=(1,), dtype=np.dtype(np.float64))
    s = buffer.begin(np.zeros(1))
    for ended in ((False, False), (True, False), (False, True)):
        buffer.add(s, 0, 0.0, buffer.go_on(np.zeros(1)), ended)
    batch = buffer.at(np.arange(3))
    assert batch.terminated.tolist() == [False, True, False]
    assert batch.truncated.tolist() == [False, False, True]
    assert batch.done.tolist() == [False, True, True]


def test_nothing_can_be_drawn_of_nothing():
    buffer = ReplayBuffer(4, shape=(1,), dtype=np.dtype(np.float64))
    with pytest.raises(ValueError, match="empty range"):
        buffer.sample(1, random.Random(0))
