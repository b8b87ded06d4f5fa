"""Environments with all their wrappers, left and gone on with."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.errors import CheckpointError
from dqn_port.systems.practical_rl.make_env import make_env, put_back, state_of
from tests.systems.practical_rl.running import options, plain


@pytest.mark.parametrize(
    ("environment", "n_steps", "every"),
    [("toyA", 80, 1), ("BreakoutNoFrameskip-v4", 40, 9), ("gymnasium:ALE/Breakout-v5", 60, 20)],
)
def test_every_part_is_where_it_was(environment, n_steps, every):
    opt, actions = options(environment), np.random.RandomState(1)
    env, done, games = make_env(opt), True, 0
    for i in range(n_steps):
        other = None
        if i % every == 0 and i:
            other = make_env(opt)
            assert put_back(other, plain(state_of(env)))
        action = int(actions.randint(4))
        results = []
        for played in [env] if other is None else [env, other]:
            if done:
                seen, reward, ended = played.reset(seed=3)[0], 0.0, (False, False)
            else:
                seen, reward, *ended = played.step(action)[:4]
            results.append((seen, reward, ended))
        games += done
        done = any(results[0][2])
        if other is not None:
            assert np.array_equal(results[0][0], results[1][0]), i
            assert results[0][1:] == results[1][1:], i
            assert str(state_of(other)) == str(state_of(env)), i
    assert games > (3 if environment == "toyA" else 0)


def test_a_part_that_is_missing_is_named():
    env = make_env(options("toyA"))
    state = state_of(env)
    del state["MaxAndSkipEnv"]
    with pytest.raises(CheckpointError) as caught:
        put_back(env, state)
    assert str(caught.value) == "environment.MaxAndSkipEnv: expected a value, got nothing"


DAMAGES = {
    "RawGame": ("frames", -2, "environment.RawGame.frames: expected a whole number of -1 to"),
    "GameRecord": ("crc", "x", "environment.GameRecord.crc: expected a whole number of 0 to"),
    "EpisodicLifeEnv": ("lives", None, "environment.EpisodicLifeEnv.lives: expected a whole"),
    "FrameBuffer": (
        "framebuffer",
        np.zeros(3),
        "environment.FrameBuffer.framebuffer: expected float32 [4, 64, 64], got float64 [3]",
    ),
    "MaxAndSkipEnv": (
        "obs_buffer",
        np.zeros(3),
        "environment.MaxAndSkipEnv.obs_buffer: expected uint8 [2, 210, 160, 3], got float64 [3]",
    ),
}


@pytest.mark.parametrize("part", DAMAGES)
def test_a_damaged_part_is_refused_in_a_line(part):
    env = make_env(options("toyA"))
    env.reset()
    state = plain(state_of(env))
    field, value, message = DAMAGES[part]
    state[part][field] = value
    with pytest.raises(CheckpointError) as caught:
        put_back(env, state)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
