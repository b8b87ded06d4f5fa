"""The game wrapper, its quirks one by one."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.errors import ArgsError
from dqn_port.games.picture_games import open_game
from dqn_port.systems.labml_dqn import no_frameskip
from dqn_port.systems.labml_dqn.game import Game, Info
from dqn_port.systems.labml_dqn.no_frameskip import NoFrameskip
from dqn_port.systems.labml_dqn.picture import Shrinking, gray_of

NOOP, FIRE = 0, 1


class Listed:
    """A game whose n-th picture is gray n everywhere, counted from its resets on."""

    height = width = 168
    grays = np.arange(256, dtype=np.uint8)

    def __init__(self, lives, rewards=(), dones=()):
        self.frames, self._lives, self._rewards, self._dones = 0, lives, rewards, dones
        self.resets = 0

    def seed(self, seed):
        self.seeded = seed

    def reset(self):
        self.frames, self.resets = 0, self.resets + 1

    def step(self, action):
        self.frames += 1
        done = self.frames in self._dones
        return self._rewards[self.frames - 1] if self._rewards else 0.0, done

    def get_screen(self, out):
        out[:] = self.frames + 10 * self.resets

    def rgb(self):
        return np.zeros((168, 168, 3), dtype=np.uint8)

    def lives(self):
        return self._lives[min(self.frames, len(self._lives) - 1)]


def grays(obs):
    return [int(plane[0, 0]) for plane in obs]


def test_a_step_is_four_frames_and_its_picture_the_larger_of_the_last_two():
    game = Game(Listed([3], rewards=[1, 2, 4, 8]), 47)
    assert grays(game.reset()) == [10, 10, 10, 10]
    obs, reward, done, info = game.step(NOOP)
    assert grays(obs) == [10, 10, 10, 14]
    assert (reward, done, info) == (15.0, False, None)
    game.env._rewards = [0] * 8
    assert grays(game.step(NOOP).obs) == [10, 10, 14, 18]


def test_a_lost_life_ends_the_episode_at_once_and_begins_a_whole_new_game():
    game = Game(Listed([3, 3, 2], rewards=[1, -5, 100, 100]), 47)
    game.reset()
    obs, reward, done, info = game.step(NOOP)
    assert (reward, done, info) == (-4.0, True, Info(-4.0, 1))
    assert grays(obs) == [20, 20, 20, 20]
    assert game.env.frames == 0
    assert not game.ended_whole


def test_a_life_that_was_gained_and_is_lost_again_ends_nothing():
    game = Game(Listed([3, 4, 3, 3, 3]), 47)
    game.reset()
    assert not game.step(NOOP).done


def test_the_end_of_a_game_stops_no_frames_and_the_last_one_decides():
    taken_back = Game(Listed([1], rewards=[1] * 4, dones={2}), 47)
    taken_back.reset()
    step = taken_back.step(NOOP)
    assert (step.reward, step.done) == (4.0, False)
    last = Game(Listed([1], rewards=[1] * 4, dones={4}), 47)
    last.reset()
    step = last.step(NOOP)
    assert (step.reward, step.done, last.ended_whole) == (4.0, True, True)


def test_an_episode_of_whole_games_goes_on_over_lost_lives():
    game = Game(Listed([3, 2, 1, 1, 1]), 47, whole=True)
    game.reset()
    assert not game.step(NOOP).done


def test_a_step_returns_a_copy():
    game = Game(Listed([3]), 47)
    obs = game.reset()
    game.step(NOOP)
    assert grays(obs) == [10, 10, 10, 10]


def test_an_atari_game_begins_alike_with_any_seed_and_the_toy_does_not():
    def first(name, seed):
        return Game(NoFrameskip(open_game(name)), seed).reset().tobytes()

    assert first("breakout", 47) == first("breakout", 48)
    assert first("toyA", 47) != first("toyA", 48)


def test_actions_are_the_first_of_the_minimal_set():
    assert NoFrameskip(open_game("breakout"), n_actions=4).actions == (0, 1, 3, 4)
    assert NoFrameskip(open_game("pong"), n_actions=4).actions == (0, 1, 3, 4)
    assert NoFrameskip(open_game("pong")).actions == (0, 1, 3, 4, 11, 12)


def test_more_actions_than_the_game_has_are_refused():
    with pytest.raises(ArgsError) as caught:
        NoFrameskip(open_game("breakout"), n_actions=5)
    assert str(caught.value) == (
        "n_actions: expected at most 4, the game's own, got 5; set n_actions=game"
    )


@pytest.mark.parametrize("name", ["breakout", "pong"])
def test_nothing_moves_in_a_finished_game(name, monkeypatch):
    env = NoFrameskip(open_game(name))
    env.emulator.ale.setInt("max_num_frames_per_episode", 8)
    env.emulator.ale.loadROM(str(no_rom(name)))
    env.reset()
    for _ in range(12):
        env.step(FIRE)
    assert env.emulator.game_over()
    ram = env.emulator.ale.getRAM().tobytes()
    assert env.step(FIRE) == (0.0, True)
    assert env.emulator.ale.getRAM().tobytes() == ram
    # ale-py itself does the same.
    assert env.emulator.act(FIRE) == 0.0
    assert env.emulator.ale.getRAM().tobytes() == ram


def no_rom(name):
    from dqn_port.games.ale.roms import rom_path

    return rom_path(name)


def test_a_game_is_done_at_its_limit_of_frames(monkeypatch):
    monkeypatch.setattr(no_frameskip, "MAX_FRAMES", 3)
    env = NoFrameskip(open_game("toyA"))
    env.reset()
    assert [env.step(NOOP)[1] for _ in range(3)] == [False, False, True]


def test_the_limit_is_the_originals():
    assert no_frameskip.MAX_FRAMES == 400_000


def test_gray_by_hand():
    rgb = np.array([[200, 72, 72], [255, 255, 255], [0, 0, 0]], dtype=np.uint8)
    red = (9798 * 200 + 19235 * 72 + 3735 * 72 + 16384) >> 15
    assert gray_of(rgb).tolist() == [red, 255, 0]
    # 29,033 of 32,768 is rounded to 1.
    assert gray_of(np.array([1, 1, 0], dtype=np.uint8)) == 1


GRAYS = np.arange(256, dtype=np.uint8)


def test_shrinking_by_hand():
    # From 126 to 84 each pixel is one whole and half of the next, or the other way round.
    screen = np.tile(np.arange(126, dtype=np.uint8), (126, 1))
    small = Shrinking(126, 126, GRAYS).shrink(screen, screen)
    assert small[0, :4].tolist() == [0, 2, 3, 5]
    assert (small == small[0]).all()


def screens_of_games():
    """Pairs of screens as a step ends with, and two of noise."""
    for name in ("breakout", "seaquest"):
        env = NoFrameskip(open_game(name))
        env.reset()
        for frame in range(120):
            env.step(frame // 7 % len(env.actions))
            if frame % 10 >= 8:
                screen = np.empty((210, 160), dtype=np.uint8)
                env.get_screen(screen)
                yield env.grays, screen
    rng = np.random.default_rng(1)
    for _ in range(2):
        yield GRAYS, rng.integers(0, 256, (210, 160), dtype=np.uint8)


def test_the_kernel_and_numpy_make_the_same_bytes():
    found = list(screens_of_games())
    for (grays, first), (_, second) in zip(found[::2], found[1::2], strict=True):
        shrinking = Shrinking(210, 160, grays)
        assert shrinking._kernels is not None
        got = shrinking.shrink(first, second)
        want = np.maximum(shrinking._picture(first), shrinking._picture(second))
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(shrinking.shrink(first, first), shrinking._picture(first))
