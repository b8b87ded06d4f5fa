"""An environment of one's own without a state is played again, and checked by hash."""

from __future__ import annotations

import itertools
import sys
import types

import numpy as np
import pytest

from dqn_port.arguments.trust import trusting
from dqn_port.errors import CheckpointError, UsageError
from dqn_port.events import Started
from dqn_port.systems.hvass16.replayed_environment import ReplayedEnvironment
from dqn_port.systems.hvass16.system import SYSTEM
from tests.systems.hvass16.building import (
    Drawn,
    fill_rings,
    frozen,
    options,
    rings_of,
    same,
    told,
    training,
)


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


def test_a_game_that_is_not_the_same_every_time_begins_anew_in_a_run_that_goes_on(monkeypatch):
    module = types.ModuleType("own_game")
    module.Unsteady = Unsteady
    monkeypatch.setitem(sys.modules, "own_game", module)
    with trusting(True):
        opt = options(env="own_game:Unsteady", episodes=6)
        made, other = training(opt), training(opt)
        while len(made.agent.episode_rewards) < 2 or made.agent.end_episode:
            made.tick()
        fill_rings(other, rings_of(made))
        other.load_state_dict(frozen(made.state_dict()))
    lines = list(SYSTEM.lines(Started(other.step, other, resumed=True), opt))
    assert lines == [
        "The environment is not deterministic, so its game begins anew; with state_dict and "
        "load_state_dict it would go on."
    ]
    before = other.agent.count_episodes
    while other.agent.count_episodes == before:
        other.tick()
    assert other.agent.episode_rewards == made.agent.episode_rewards
    assert list(SYSTEM.lines(Started(other.step, other, resumed=True), opt)) == []


@pytest.mark.parametrize(
    ("frame", "got"),
    [(np.zeros((9, 9), np.uint8), "uint8 [9, 9]"), ((np.zeros((9, 9, 3)), {}), "a tuple")],
)
def test_a_first_frame_that_is_none_is_told(monkeypatch, frame, got):
    monkeypatch.setattr(Drawn, "reset", lambda self: frame)
    monkeypatch.setattr("dqn_port.external._places", {"tests": "game.py:3"})
    with pytest.raises(UsageError) as caught:
        ReplayedEnvironment(Drawn, 1).reset()
    assert str(caught.value) == (
        f"env: expected reset() to return uint8 [height, width, 3], got {got} (game.py:3)"
    )


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (3, "expected what makes an environment, got 3"),
        (lambda seed: seed, "expected an environment with action_names, reset, step, lives, got a "
                            "int without action_names, reset, step, lives"),
    ],
)  # fmt: skip
def test_what_is_no_environment_is_told(opt, made, expected):
    sys.modules["own_game"].Drawn = made
    with pytest.raises(UsageError) as caught:
        training(opt)
    where = f" ({__file__}:{made.__code__.co_firstlineno})" if callable(made) else ""
    assert str(caught.value) == f"env=own_game:Drawn: {expected}{where}"


@pytest.mark.parametrize("actions", [np.array([2]), np.array([0.0]), [0]])
def test_damaged_actions_are_refused(actions):
    env = ReplayedEnvironment(Drawn, 1)
    with pytest.raises(CheckpointError, match="int64 in one dimension, of 0 to 1"):
        env.load_state_dict({"resets": 1, "actions": actions, "sha256": ""})
