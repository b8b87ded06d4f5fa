"""Pooled screens, rewards and lives of real games against alewrap and xitari."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from dqn_port.frameworks.alewrap.emulator import AleFramework
from dqn_port.torch7.generator import Generator
from tests.golden_files import arrays, meta


@pytest.mark.parametrize("game", ["pong", "breakout"])
def test_every_row_of_the_trace_is_the_originals(game):
    trace = arrays(f"ale_{game}")
    generator = Generator(1)
    generator.random()
    env = AleFramework.make(
        env=game,
        game_path="",
        env_params={},
        pool_type="max",
        pool_size=2,
        actrep=4,
        random_starts=30,
        generator=generator,
    )
    assert list(env.actions) == meta(f"ale_{game}")["actions"]
    h, state = 12345, env.get_state()
    for i in range(2001):
        action, k = 0, -1
        if i > 0:
            h = (h * 25173 + 13849) % 65536
            if state[2]:
                state = env.next_random_game()
                k = env.last_random_start
            else:
                action = 1 + (h // 256) % len(env.actions)
                state = env.step(env.actions[action - 1], training=True)
        screen, reward, terminal = state
        got = (reward, terminal, env.lives, action, k, env.frames + 1, env.resets)
        names = ("reward", "terminal", "lives", "action", "k", "frames", "resets")
        assert got == tuple(trace[name][i] for name in names), f"row {i}"
        pixels = screen.rgb_bytes().transpose(2, 0, 1).tobytes()
        assert hashlib.sha256(pixels).digest() == trace["sha256"][i].tobytes(), f"row {i}"
        if i in meta(f"ale_{game}")["shots"]:
            shot = trace[f"screen_{i}"].reshape(3, 210, 160)
            np.testing.assert_array_equal(np.frombuffer(pixels, np.uint8), shot.reshape(-1))
