"""Pooled screens, rewards and lives of real games against alewrap and xitari."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from dqn_port.frameworks.alewrap.emulator import AleEmulator, AleFramework, xitari_reset
from dqn_port.torch7.generator import Generator
from tests.frameworks.building import make_game
from tests.golden_files import arrays, meta


@pytest.mark.parametrize("game", ["pong", "breakout", "space_invaders", "montezuma_revenge"])
def test_every_row_of_the_trace_is_the_originals(game):
    trace = arrays(f"ale_{game}")
    generator = Generator(1)
    generator.random()
    env = make_game(AleFramework, game, actrep=4, random_starts=30, generator=generator)
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


def reset_of(game, reset):
    emulator = AleEmulator(game, reset=reset)
    screen = np.zeros((210, 160), dtype=np.uint8)
    emulator.get_screen(screen)
    return emulator, screen


def test_a_reset_stands_where_xitari_stood_and_reset_ale_where_ale_py_does():
    expected = xitari_reset("demon_attack")
    emulator, screen = reset_of("demon_attack", "xitari")
    np.testing.assert_array_equal(emulator.ale.getRAM(), expected.ram)
    np.testing.assert_array_equal(screen, expected.screen)
    assert emulator.lives() == 4
    plain, plain_screen = reset_of("demon_attack", "ale")
    assert plain.lives() == 1
    assert (plain.ale.getRAM() != expected.ram).sum() == 39
    assert (plain_screen != screen).sum() == 242


def test_the_screen_and_lives_of_a_reset_last_until_the_first_frame():
    emulator, screen = reset_of("demon_attack", "xitari")
    emulator.act(0)
    after, lives = np.zeros_like(screen), emulator.lives()
    emulator.get_screen(after)
    np.testing.assert_array_equal(after, emulator.ale.getScreen())
    assert lives == emulator.ale.lives()


def test_a_game_that_xitari_did_not_have_starts_as_in_ale_py():
    assert xitari_reset("tetris") is None
    _, screen = reset_of("tetris", "xitari")
    assert screen.any()
