"""The game as gym gave it: names, frames of a step, limits, an environment of one's own."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from dqn_port.arguments.trust import trusting
from dqn_port.errors import ArgsError, UsageError
from dqn_port.systems.hvass16.environment import AtariEnvironment, Game, game_of
from tests.systems.hvass16.building import options, run, training


@pytest.mark.parametrize(
    ("env", "game"),
    [
        ("Breakout-v0", Game("breakout", 0.25, 10_000)),
        ("Breakout-v3", Game("breakout", 0.0, 100_000)),
        ("MsPacman-v4", Game("ms_pacman", 0.0, 100_000)),
        ("space_invaders", Game("space_invaders", 0.25, 10_000)),
        ("toyA", Game("toyA", 0.0, None)),
        ("mine:Game", Game("mine:Game", 0.0, None)),
    ],
)
def test_names(env, game):
    assert game_of(env) == game


@pytest.mark.parametrize("env", ["Breakout-v1", "NoSuchGame-v0", "Break out"])
def test_no_names(env):
    with pytest.raises(ArgsError) as caught:
        options(env=env)
    assert str(caught.value) == (
        "env: expected a name such as Breakout-v0, Breakout-v3, breakout, toyA or "
        f"module:object, got '{env}'"
    )


def test_pong_has_gyms_six_actions():
    names = AtariEnvironment("pong", seed=(1,)).action_names
    assert names == ("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE")


def frames_of(steps, **more):
    env = AtariEnvironment("toyA", seed=(1,), **more)
    env.reset()
    taken = []
    for _ in range(steps):
        before, shown = env.frames, []
        frame, _, done = env.step(1, shown)
        taken.append(env.frames - before)
        assert len(shown) == taken[-1]
        np.testing.assert_array_equal(shown[-1], frame)
        if done:
            env.reset()
    return taken


def test_frames_of_a_step():
    drawn = frames_of(60)
    assert {2, 3, 4} <= set(drawn) <= {1, 2, 3, 4}
    assert drawn == frames_of(60)
    assert frames_of(7, in_turn=True) == [2, 3, 4, 2, 3, 4, 2]
    assert set(frames_of(5, frame_skip=(3,))) == {3}


def test_a_step_is_not_cut_short():
    """Quirk: an Atari game's last step has all its frames, toyA's ends with the game."""
    for game, cut in (("toyA", True), ("breakout", False)):
        env = AtariEnvironment(game, seed=(1,), frame_skip=(4,))
        env.reset()
        done, frames = False, []
        while not done:
            before = env.frames
            _, _, done = env.step(1)
            frames.append(env.frames - before)
        assert (frames[-1] < 4) == cut
        assert set(frames[:-1]) == {4}
        assert env.emulator.game_over()


def test_the_limit_is_an_end():
    """Quirk: the steps' limit ends the game, and so the values, as its own end does."""
    env = AtariEnvironment("toyA", seed=(1,), max_steps=3)
    env.reset()
    assert [env.step(0)[2] for _ in range(3)] == [False, False, True]
    assert not env.emulator.game_over()
    made = training(options(max_steps=3, episodes=1))
    made.tick(), made.tick(), made.tick()
    assert made.memory.end_episode[:3].tolist() == [False, False, True]


def test_sticky_actions_change_the_game():
    def play(sticky):
        env = AtariEnvironment("breakout", seed=(1,), sticky=sticky)
        env.reset()
        return [env.step(i % 4)[0].tobytes() for i in range(60)]

    assert play(0.25) == play(0.25) != play(0.0)


class Own:
    """A game of two frames and two actions."""

    action_names = ("WAIT", "WIN")

    def __init__(self, seed):
        self.seed, self.n = seed, 0

    def reset(self):
        self.n = 0
        return np.full((30, 20, 3), 10, np.uint8)

    def step(self, action):
        self.n += 1
        return np.full((30, 20, 3), 10 + self.n, np.uint8), float(action), self.n == 6

    def lives(self):
        return 1

    def state_dict(self):
        return {"n": self.n}

    def load_state_dict(self, state):
        self.n = state["n"]


def test_an_environment_of_ones_own(monkeypatch):
    module = types.ModuleType("own_game")
    module.Own = Own
    monkeypatch.setitem(sys.modules, "own_game", module)
    with trusting(True):
        made = training(options(env="own_game:Own", episodes=3, eval_freq=5, eval_episodes=1))
        run(made)
    assert made.agent.count_episodes == 4
    assert set(made.agent.episode_rewards) <= set(range(7))
    assert made.networks()["last"]["layer_fc_out/bias"].shape == (2,)
    with trusting(True), pytest.raises(UsageError) as caught:
        training(options(env="own_game:Other"))
    assert str(caught.value) == (
        "env: cannot import 'own_game:Other': module 'own_game' has no attribute 'Other'"
    )
