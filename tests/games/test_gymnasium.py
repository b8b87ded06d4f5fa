"""Any environment of gymnasium by its id."""

from __future__ import annotations

import sys
import types

import gymnasium
import numpy as np
import pytest

from dqn_port.errors import CheckpointError, MissingLibraryError, UsageError
from dqn_port.games.gymnasium.making import frames_of, make, meanings, told
from dqn_port.games.gymnasium.replayed import ReplayedEnv, replays_exactly


class Noisy(gymnasium.Env):
    """An environment that no seed rules."""

    def __init__(self):
        self.action_space = gymnasium.spaces.Discrete(2)
        self.observation_space = gymnasium.spaces.Box(0, 1, (2,), np.float32)
        self._noise = np.random.default_rng()

    def reset(self, **_):
        return self._noise.random(2, dtype=np.float32), {}

    def step(self, action):
        return self._noise.random(2, dtype=np.float32), 1.0, False, False, {}


def test_what_is_played_is_told_in_a_line():
    assert told(make("CartPole-v1"), "CartPole-v1") == (
        "CartPole-v1: 1 frame a step, no sticky actions, actions 0, 1, observation float32 [4], "
        "ends after 500 steps"
    )
    assert told(make("ALE/Breakout-v5"), "ALE/Breakout-v5") == (
        "ALE/Breakout-v5: 4 frames a step, sticky actions 0.25, actions NOOP, FIRE, RIGHT, LEFT, "
        "observation uint8 [210, 160, 3], ends after 108,000 frames"
    )


def test_frames_that_are_drawn_are_told_as_a_range():
    env = make("CartPole-v1")
    env.unwrapped._frameskip = (2, 5)
    assert list(frames_of(env)) == [2, 3, 4]
    assert told(env, "x", 2).startswith("x: 4 to 8 frames a step, ")


FAULTS = {
    "Pendulum-v1": (
        "environment Pendulum-v1: expected actions 0 to n − 1, got Box(-2.0, 2.0, (1,), float32); "
        "a DQN values every action, so take an environment with discrete ones"
    ),
    "FrozenLake-v1": (
        "environment FrozenLake-v1: expected observations that are a vector or a picture "
        "[height, width, channels], got Discrete(16)"
    ),
    "a:b:Game-v0": "environment a:b:Game-v0: expected an id or module:id, got two colons or more",
    "my_module:Game-v0": (
        "environment my_module:Game-v0: it imports the module 'my_module', which may do anything; "
        "add --trust if you trust it"
    ),
}


@pytest.mark.parametrize("id", FAULTS)
def test_what_no_dqn_can_play_is_refused_in_a_line(id):
    with pytest.raises(UsageError) as caught:
        make(id)
    assert str(caught.value) == FAULTS[id]


def test_an_unknown_id_is_refused_with_the_nearest():
    with pytest.raises(UsageError) as caught:
        make("CartPol-v1")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("environment CartPol-v1: ")
    assert message.endswith("oesn't exist. Did you mean: `CartPole`?")
    with pytest.raises(UsageError, match=r"[^?]; did you mean 'CartPole-v1'\?$"):
        make("CartPole-v9")


def test_an_empty_vector_is_refused():
    env = Noisy()
    env.observation_space = gymnasium.spaces.Box(0, 1, (0,), np.float32)
    gymnasium.register("Empty-v0", lambda: env)
    try:
        with pytest.raises(UsageError, match=r"or a picture .*, got Box\(.*\(0,\), float32\)$"):
            make("Empty-v0")
    finally:
        del gymnasium.registry["Empty-v0"]


def test_a_missing_library_of_an_environment_is_named():
    def lacking(**_):
        raise gymnasium.error.DependencyNotInstalled("box2d is not installed, run pip\nmore")

    gymnasium.register("Lacking-v0", lacking)
    try:
        with pytest.raises(MissingLibraryError) as caught:
            make("Lacking-v0")
    finally:
        del gymnasium.registry["Lacking-v0"]
    assert str(caught.value) == (
        "environment Lacking-v0: a library it needs is not installed: "
        "box2d is not installed, run pip"
    )


def test_a_strangers_module_is_imported_once_it_is_trusted(monkeypatch):
    module = types.ModuleType("strangers")
    monkeypatch.setitem(sys.modules, "strangers", module)
    gymnasium.register("Stranger-v0", Noisy)
    try:
        env = make("strangers:Stranger-v0", trust=True)
    finally:
        del gymnasium.registry["Stranger-v0"]
    assert meanings(env) == ["0", "1"]


@pytest.mark.parametrize("id", ["CartPole-v1", "ALE/Breakout-v5"])
def test_a_state_is_the_actions_since_the_reset(id):
    env, actions = ReplayedEnv(make(id)), np.random.RandomState(0)
    env.reset(seed=5)
    for _ in range(30):
        if any(env.step(int(actions.randint(2)))[2:4]):
            env.reset()
    state = env.state_dict()
    other = ReplayedEnv(make(id))
    other.load_state_dict(state)
    for _ in range(20):
        one, two = env.step(1), other.step(1)
        assert np.array_equal(one[0], two[0])
        assert one[1:4] == two[1:4]
        if one[2] or one[3]:
            assert np.array_equal(env.reset()[0], other.reset()[0])


def test_a_damaged_state_is_refused():
    env = ReplayedEnv(make("CartPole-v1"))
    env.reset(seed=5)
    for action in (0, 1, 1):
        env.step(action)
    state, actions = env.state_dict(), np.array([0, 2, 1])
    with pytest.raises(CheckpointError) as caught:
        env.load_state_dict(state | {"actions": actions})
    assert str(caught.value) == (
        "environment.ReplayedEnv.actions: expected int64 in one dimension, of 0 to 1, got int64 [3]"
    )
    with pytest.raises(CheckpointError, match=r"^environment: expected 3 actions replayed to"):
        env.load_state_dict(state | {"actions": np.array([0, 0, 0])})


def test_an_environment_that_plays_otherwise_every_time_is_known_by_trying():
    assert replays_exactly(lambda: make("CartPole-v1"))
    assert not replays_exactly(Noisy)
    env = ReplayedEnv(Noisy(), exact=False)
    env.reset(seed=1)
    other = ReplayedEnv(Noisy(), exact=False)
    other.load_state_dict(env.state_dict())
    assert other.begins_anew
