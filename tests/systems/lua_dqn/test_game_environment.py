"""The quirks of alewrap's GameEnvironment, on a game small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.errors import ArgsError
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.frameworks import AleFramework, ToyFramework
from dqn_port.systems.lua_dqn.game_screen import GameScreen, PooledScreen
from tests.golden_files import arrays, meta
from tests.systems.lua_dqn.environment_building import make_game, make_toy


def lose_a_life(env):
    """Play null actions in training until a life is lost."""
    for _ in range(2000):
        if env.step(0, training=True)[2]:
            return
    raise AssertionError("no life was lost")


def play_to_game_over(env):
    while not env.emulator.game_over():
        env.step(0)


def test_the_constructor_plays_one_null_frame():
    env = make_toy()
    assert (env.frames, env.emulator.frame, env.resets) == (1, 1, 0)


@pytest.mark.parametrize(("game", "reset", "frames"), [
    ("qbert", "xitari", 2), ("qbert", "ale", 1), ("breakout", "xitari", 1),
])  # fmt: skip
def test_in_qbert_the_null_frame_that_the_original_undoes_stays_in_the_first_game(
    game, reset, frames
):
    env = make_game(AleFramework, game, env_params={"reset": reset})
    assert (env.frames, env.emulator.ale.getEpisodeFrameNumber()) == (1, frames)
    env._terminal = True
    env.emulator.reset_game()
    env.new_game()
    assert env.emulator.ale.getEpisodeFrameNumber() == 1


def test_a_step_repeats_the_action_and_sums_the_rewards():
    once, four = make_toy("toyA"), make_toy("toyA", actrep=4)
    rewards = []
    while not four.emulator.game_over():
        _, reward, terminal = four.step(3)
        single = []
        while len(single) < 4 and not once.emulator.game_over():
            single.append(once.step(3))
        rewards.append(reward)
        assert (reward, terminal) == (sum(state[1] for state in single), single[-1][2])
        np.testing.assert_array_equal(four.get_state()[0].rgb(), single[-1][0].rgb())
    assert any(rewards)


def test_in_training_a_lost_life_is_terminal_and_ends_the_step():
    env = make_toy(actrep=50)
    lives = env.lives
    _, _, terminal = env.step(0, training=True)
    assert terminal
    assert env.lives == lives - 1
    assert not env.emulator.game_over()
    assert env.frames < 1 + 50


def test_in_evaluation_a_lost_life_is_not_terminal():
    env = make_toy(actrep=50)
    lives = env.lives
    assert not env.step(0)[2]
    assert env.lives < lives


def test_the_step_after_a_game_over_resets_without_acting():
    env = make_toy()
    play_to_game_over(env)
    frames = env.frames
    _, reward, terminal = env.step(3)
    assert (reward, terminal, env.frames, env.resets) == (0.0, False, frames, 1)
    assert env.lives == 3


def test_new_game_after_a_lost_life_goes_on_with_the_same_game_and_draws_nothing():
    generator = Generator(1)
    env = make_toy(generator=generator)
    lose_a_life(env)
    frames, lives = env.frames, env.lives
    env.new_game()
    assert generator.n_draws == 0
    assert (env.frames, env.lives, env.resets) == (frames + 1, lives, 0)


def test_new_game_in_the_middle_plays_at_random_to_the_end_one_draw_a_frame():
    generator = Generator(1)
    env = make_toy(actrep=4, generator=generator)
    frames = env.frames
    env.new_game()
    assert generator.n_draws == env.frames - frames > 0
    assert env.resets == 1


def test_new_game_clears_the_screen():
    env = make_toy(pool_size=3)
    env.step(3)
    env.step(3)
    env.new_game()
    assert len(env.get_state()[0].frames) == 1


def test_a_random_start_draws_once_and_plays_that_many_null_frames():
    generator = Generator(5)
    k = Generator(5).random(8)
    env = make_toy(random_starts=8, generator=generator)
    play_to_game_over(env)
    env.step(0)
    env._terminal = True
    before = env.frames
    env.next_random_game()
    assert env.last_random_start == k
    assert generator.n_draws == 1
    # One null frame of new_game, k - 1, and the one that makes the state.
    assert env.frames - before == 1 + k


def test_without_random_starts_the_next_random_game_is_a_new_game_without_a_draw():
    generator = Generator(1)
    env = make_toy(generator=generator)
    lose_a_life(env)
    env.next_random_game()
    assert generator.n_draws == 0
    assert env.last_random_start is None


def test_an_unknown_toy_is_refused_in_one_line():
    with pytest.raises(ArgsError) as caught:
        ToyFramework.check("toyD", "", {})
    assert str(caught.value) == (
        "env: expected one of toyA, toyB, toyC, got 'toyD'; did you mean 'toyC'?"
    )


@pytest.mark.parametrize("group", ["loop_A_s1", "loop_B_s1", "loop_C_s1"])
def test_the_toy_emulator_is_the_traces_frame_by_frame(group):
    columns = meta(group)["emu_columns"]
    rows = arrays(group)["emu"].reshape(-1, len(columns))
    emulator = make_toy(meta(group)["argv"]["8"]).emulator
    emulator.__init__(**emulator_arguments(meta(group)["argv"]["8"]))
    for i, row in enumerate(rows):
        expected = dict(zip(columns, row.tolist(), strict=True))
        reward = 0.0
        if emulator.game_over():
            emulator.reset_game()
        else:
            reward = emulator.act(expected["action"])
        names = ("frame", "ngames", "px", "bx", "by", "dx", "dy", "waiting", "hits", "ticks")
        got = {name: getattr(emulator, name) for name in names}
        got |= {"action": expected["action"], "reward": reward, "lives": emulator.lives()}
        assert got == expected, f"row {i}"


def emulator_arguments(env):
    from dqn_port.games.toy import GAMES

    return GAMES[env] | {"null_rewards": env == "toyC"}


PALETTE = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)


@pytest.mark.parametrize("pool_type", ["max", "mean", "min"])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_luminance_by_tables_is_that_of_the_pooled_colours(pool_type, n):
    frames = np.random.default_rng(n).integers(0, 256, (n, 30, 20), dtype=np.uint8)
    screen = PooledScreen(frames, PALETTE, pool_type)
    colours = PALETTE[frames].astype(np.float32) / np.float32(255)
    pooled = {
        "max": colours.max(axis=0),
        "min": colours.min(axis=0),
        "mean": (colours.astype(np.float64).sum(axis=0) / n).astype(np.float32),
    }[pool_type]
    np.testing.assert_array_equal(screen.rgb(), pooled.transpose(2, 0, 1))
    r, g, b = pooled.astype(np.float64).transpose(2, 0, 1)
    y = (0.299 * r + 0.587 * g + 0.114 * b).astype(np.float32)
    np.testing.assert_array_equal(screen.luminance(), y)


def test_frames_overwrite_in_ring_order_and_a_grabbed_screen_stays_as_it_was():
    ring = GameScreen(PALETTE, 2, 2, pool_type="max", pool_size=2)
    for i in range(3):
        ring.next_frame()[:] = i
    grabbed = ring.grab()
    assert sorted(grabbed.frames[:, 0, 0].tolist()) == [1, 2]
    ring.next_frame()[:] = 9
    assert sorted(grabbed.frames[:, 0, 0].tolist()) == [1, 2]


def test_a_pool_that_does_not_exist_is_refused_in_one_line():
    with pytest.raises(ArgsError) as caught:
        GameScreen(PALETTE, 2, 2, pool_type="median", pool_size=2)
    assert str(caught.value) == "pool_frms.type: expected one of max, mean, min, got 'median'"
    with pytest.raises(ArgsError) as caught:
        GameScreen(PALETTE, 2, 2, pool_type="max", pool_size=0)
    assert str(caught.value) == "pool_frms.size: expected at least 1 frame, got 0"
