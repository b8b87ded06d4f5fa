"""An environment of one's own without a state is played again, and checked by hash."""

from __future__ import annotations

import itertools
import sys
import types

import numpy as np
import pytest

from dqn_port.arguments.trust import trusting
from dqn_port.errors import CheckpointError
from dqn_port.systems.hvass16.replayed_environment import ReplayedEnvironment
from tests.systems.hvass16.building import (
    fill_rings,
    frozen,
    options,
    rings_of,
    same,
    told,
    training,
)


class Drawn:
    """A game of drawn frames, rewards and lengths, that keeps no state."""

    action_names = ("WAIT", "WIN")

    def __init__(self, seed):
        self.random = np.random.RandomState(seed)

    def frame(self):
        return self.random.randint(0, 256, (30, 20, 3)).astype(np.uint8)

    def reset(self):
        return self.frame()

    def step(self, action):
        return self.frame(), action - self.random.rand(), self.random.rand() < 0.2

    def lives(self):
        return 1


class Unsteady(Drawn):
    """Another one every time."""

    made = itertools.count()

    def __init__(self, seed):
        super().__init__(seed + next(self.made))


@pytest.fixture
def opt(monkeypatch):
    module = types.ModuleType("own_game")
    module.Drawn = Drawn
    monkeypatch.setitem(sys.modules, "own_game", module)
    with trusting(True):
        yield options(env="own_game:Drawn", episodes=6)


def test_a_training_goes_on_exactly(opt):
    made = training(opt)
    for _ in range(30):
        state, rows = frozen(made.state_dict()), rings_of(made)
        other = training(opt)
        fill_rings(other, rows)
        other.load_state_dict(state)
        assert same(frozen(other.state_dict()), state)
        assert told(made.tick()) == told(other.tick())
    assert len(made.agent.episode_rewards) > 2
    assert 0 < len(state["environment"]["actions"]) < 30


def test_games_differ_and_a_seed_decides():
    def firsts(seed):
        env = ReplayedEnvironment(Drawn, seed)
        return [env.reset().tobytes() for _ in range(3)]

    assert firsts(1) == firsts(1) != firsts(2)
    assert len(set(firsts(1))) == 3


def test_a_game_that_is_not_the_same_every_time_is_refused():
    env = ReplayedEnvironment(Unsteady, 1)
    env.reset()
    env.step(1)
    state = env.state_dict()
    other = ReplayedEnvironment(Unsteady, 1)
    with pytest.raises(CheckpointError) as caught:
        other.load_state_dict(state)
    got = other.state_dict()["sha256"]
    assert str(caught.value) == (
        f"environment: expected 1 actions replayed to end at sha256 '{state['sha256'][:12]}', "
        f"got '{got[:12]}'; it is not deterministic: give it state_dict and load_state_dict"
    )


@pytest.mark.parametrize("actions", [np.array([2]), np.array([0.0]), [0]])
def test_damaged_actions_are_refused(actions):
    env = ReplayedEnvironment(Drawn, 1)
    with pytest.raises(CheckpointError, match="int64 in one dimension, of 0 to 1"):
        env.load_state_dict({"resets": 1, "actions": actions, "sha256": ""})
