"""CartPole as gym 0.17.2 had it; its traces are in systems/practical_rl."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from dqn_port.errors import CheckpointError
from dqn_port.games.cartpole import CartPole, gym_generator


def test_it_moves_as_gymnasiums_does_to_the_bit():
    ours, theirs = CartPole(), gymnasium.make("CartPole-v1").unwrapped
    state, _ = ours.reset(seed=7)
    theirs.reset(seed=0)
    theirs.state = state
    for action in (1, 1, 0, 1, 0, 0, 1):
        state, *_ = ours.step(action)
        theirs.step(action)
        assert np.array_equal(state, np.array(theirs.state))


def test_it_has_no_time_limit_and_pays_nothing_once_the_pole_is_down():
    env = CartPole()
    env.reset(seed=0)
    rewards, ends = [], []
    for _ in range(14):
        _, reward, terminated, truncated, _ = env.step(1)
        rewards.append(reward)
        ends.append((terminated, truncated))
    down = ends.index((True, False))
    assert rewards == [1.0] * (down + 1) + [0.0] * (13 - down)
    assert not any(truncated for _, truncated in ends)


def test_seeds_are_hashed_words():
    # SHA-512 of "0" begins 31bca02094eb7812.
    key = gym_generator(0).get_state(legacy=False)["state"]["key"]
    words = np.random.RandomState([0x20A0BC31, 0x1278EB94]).get_state(legacy=False)["state"]["key"]
    assert np.array_equal(key, words)


def test_the_picture_shows_cart_and_pole():
    env = CartPole()
    env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (200, 300, 3)
    assert picture.dtype == np.uint8
    assert tuple(picture[135, 140]) == (0, 0, 0)
    assert tuple(picture[100, 150]) == (202, 152, 101)
    assert tuple(picture[10, 10]) == (255, 255, 255)


def test_a_state_goes_on_alike_and_a_damaged_one_is_refused():
    env, other = CartPole(), CartPole()
    env.reset(seed=3)
    env.step(1)
    state = env.state_dict()
    other.load_state_dict(state)
    assert np.array_equal(env.step(0)[0], other.step(0)[0])
    assert np.array_equal(env.reset()[0], other.reset()[0])
    with pytest.raises(CheckpointError) as caught:
        other.load_state_dict(state | {"pos": 700})
    assert str(caught.value) == (
        "environment.CartPole.pos: expected a whole number of 0 to 624, got 700"
    )
