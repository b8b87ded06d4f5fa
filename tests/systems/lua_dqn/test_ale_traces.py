"""Pooled screens, rewards and lives of real games against alewrap and xitari."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.games.ale.emulator import AleEmulator, xitari_reset
from tests.verify.shipped import GAMES, assert_same


@pytest.mark.parametrize("group", GAMES)
def test_games_and_resets_are_the_originals(group):
    assert_same(group)


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
