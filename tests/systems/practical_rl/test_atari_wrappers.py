"""The wrappers' quirks, beside what the traces hold."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from dqn_port.errors import CheckpointError, UsageError
from dqn_port.systems.practical_rl import preprocess_atari_obs
from dqn_port.systems.practical_rl.atari_wrappers import (
    ClipRewardEnv,
    EpisodicLifeEnv,
    FireResetEnv,
    MaxAndSkipEnv,
)
from dqn_port.systems.practical_rl.preprocess_atari_obs import Gray64, Screens, preprocess
from dqn_port.systems.practical_rl.raw_game import GameRecord, RawGame


class Counting(gymnasium.Env):
    """Frames of one value, 1, 2, 3 …; three lives, lost and over when told to."""

    def __init__(self, *, lose=(), over=99, names=("NOOP", "FIRE", "RIGHT"), falling=False):
        self.action_space = gymnasium.spaces.Discrete(len(names))
        self.observation_space = gymnasium.spaces.Box(0, 255, (2,), np.uint8)
        self.ale, self.names, self.lose, self.over = self, names, lose, over
        self.falling, self.actions, self.resets = falling, [], 0

    def get_action_meanings(self):
        return list(self.names)

    def lives(self):
        return 0 if self.t >= self.over else 3 - sum(self.t >= at for at in self.lose)

    def seen(self):
        return np.full(2, 100 - self.t if self.falling else self.t, dtype=np.uint8)

    def reset(self, **_):
        self.t = 0
        self.resets += 1
        return self.seen(), {}

    def step(self, action):
        self.t += 1
        self.actions.append(action)
        return self.seen(), -2.5, self.t >= self.over, False, {}


def test_a_skip_shows_the_maximum_of_its_last_two_frames_and_sums_rewards():
    env = MaxAndSkipEnv(Counting(falling=True))
    env.reset()
    seen, reward, terminated, _, _ = env.step(0)
    assert (seen[0], reward, terminated) == (97, -10.0, False)


def test_a_game_that_ends_in_mid_skip_shows_older_frames():
    env = MaxAndSkipEnv(Counting(over=6))
    env.reset()
    env.step(0)
    seen, reward, terminated, _, _ = env.step(0)
    # Frames 5 and 6 were played; 3 and 4 are shown.
    assert (seen[0], reward, terminated) == (4, -5.0, True)


def test_a_lost_life_does_not_end_the_skip_and_the_game_goes_on():
    game = Counting(lose=(2,))
    env = EpisodicLifeEnv(MaxAndSkipEnv(game))
    env.reset()
    _, _, terminated, _, _ = env.step(2)
    assert (terminated, game.t, env.was_real_done) == (True, 4, False)
    env.reset()
    assert (game.t, game.resets, game.actions[-4:]) == (8, 1, [0] * 4)


def test_a_reset_that_nobody_needed_plays_on():
    game = Counting()
    env = EpisodicLifeEnv(game)
    env.reset()
    env.step(2)
    env.reset()
    assert (game.t, game.resets) == (2, 1)


def test_a_no_op_that_ends_the_game_goes_unnoticed():
    game = Counting(lose=(1,), over=2)
    life = EpisodicLifeEnv(game)
    life.reset()
    assert life.step(0)[2]
    life.reset()
    assert (game.t, game.resets, life.was_real_done) == (2, 1, False)


def test_fire_and_action_two_begin_an_episode_and_their_rewards_are_lost():
    game = Counting()
    env = FireResetEnv(game)
    seen, _ = env.reset()
    assert (seen[0], game.actions, game.resets) == (2, [1, 2], 1)


def test_where_action_two_ends_the_game_its_picture_is_shown_all_the_same():
    game = Counting(over=2)
    seen, _ = FireResetEnv(game).reset()
    assert (seen[0], game.t, game.resets) == (2, 0, 2)


@pytest.mark.parametrize("names", [("NOOP", "RIGHT", "LEFT"), ("NOOP", "FIRE")])
def test_fire_is_refused_where_there_is_none(names):
    with pytest.raises(UsageError) as caught:
        FireResetEnv(Counting(names=names))
    assert str(caught.value) == (
        "fire_reset: expected a game with three actions or more, the second FIRE, got "
        f"{', '.join(names)}; set fire_reset=false"
    )


def test_a_reward_is_learnt_as_its_sign():
    env = ClipRewardEnv(Counting())
    env.reset()
    assert env.step(0)[1] == -1.0


def test_a_seed_changes_nothing_of_a_raw_game():
    frames = []
    for seed in (0, 5):
        game = RawGame("breakout")
        game.reset(seed=seed)
        frames.append(np.stack([game.step(i % 4)[0] for i in range(30)]))
    assert np.array_equal(*frames)


def test_a_time_limit_counts_raw_frames_since_the_real_reset_and_truncates():
    game = RawGame("toyA", max_frames=6)
    env = EpisodicLifeEnv(MaxAndSkipEnv(game))
    env.reset()
    assert env.step(0)[2:4] == (False, False)
    assert env.step(0)[2:4] == (False, True)
    assert env.was_real_done


def test_a_finished_game_may_be_stepped_on_and_does_not_move():
    game = RawGame("toyA")
    env = GameRecord(game)
    env.reset()
    while not env.step(0)[2]:
        pass
    earned, seen = env.earned, env.step(3)[0]
    assert len(env.games) == 1
    assert env.games[0].earned == env.earned == earned
    assert np.array_equal(env.step(0)[0], seen)


def test_pong_has_its_six_actions():
    assert RawGame("pong").get_action_meanings() == [
        "NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE",
    ]  # fmt: skip


def test_a_picture_is_the_mean_of_areas_much_of_it_red():
    rgb = np.zeros((210, 160, 3), dtype=np.uint8)
    rgb[32:192, 8:152] = (255, 0, 0)
    assert np.array_equal(preprocess(rgb), np.full((1, 64, 64), 0.8, dtype=np.float32))
    rgb[:] = 0
    rgb[34, 10] = (0, 255, 0)
    small = preprocess(rgb)[0]
    # Row 34 lies half in row 0 and half in row 1; column 10 a quarter in column 0.
    one = 0.1 / (2.5 * 2.25)
    expected = [[one * 0.5 * 0.25, one * 0.5 * 0.75], [one * 0.5 * 0.25, one * 0.5 * 0.75]]
    assert np.allclose(small[:2, :2], expected, rtol=1e-6)
    assert small.sum() == pytest.approx(one, rel=1e-6)


def test_areas_are_those_of_the_whole_numbers_of_the_definition():
    rgb = np.random.RandomState(0).randint(0, 256, (210, 160, 3)).astype(np.uint8)
    gray = rgb[32:192, 8:152].astype(np.int64) @ np.array([8, 1, 1])

    def areas(source):
        low = np.arange(64)[:, None] * source
        cells = np.arange(source) * 64
        overlap = np.minimum(cells + 64, low + source) - np.maximum(cells, low)
        return np.maximum(overlap, 0)

    sums = areas(160) @ gray @ areas(144).T
    expected = (sums / (10 * 255 * 160 * 144)).astype(np.float32)
    assert np.array_equal(preprocess(rgb)[0], expected)


def test_two_screens_give_what_the_maximum_of_their_pictures_gives(monkeypatch):
    game = RawGame("breakout")
    shown = np.random.RandomState(0).randint(0, 128, (2, 210, 160)).astype(np.uint8) * 2
    shown[:, 60:90] = shown[:, 60:61]
    shown[1, 70] ^= 2
    screens = Screens(game.palette)
    for seen in (shown, shown[0]):
        expected = preprocess(game.painted(seen))
        assert np.array_equal(screens.preprocess(seen), expected)
        with monkeypatch.context() as without:
            without.setattr(preprocess_atari_obs, "kernels", lambda: None)
            assert np.array_equal(screens.preprocess(seen), expected)


def test_a_checkpoint_holds_pictures_and_refuses_colours_that_the_game_has_not():
    env = MaxAndSkipEnv(RawGame("breakout"))
    assert not env.state_dict()["obs_buffer"].any()
    env.reset()
    seen = env.step(1)[0]
    state = env.state_dict()
    other = MaxAndSkipEnv(RawGame("breakout"))
    other.load_state_dict(state)
    assert np.array_equal(other.state_dict()["obs_buffer"], state["obs_buffer"])
    assert np.array_equal(state["obs_buffer"][1], env.unwrapped.painted(seen[1]))
    with pytest.raises(CheckpointError) as caught:
        other.load_state_dict({"obs_buffer": state["obs_buffer"] | 1})
    assert str(caught.value) == (
        "environment.MaxAndSkipEnv.obs_buffer: expected the game's colours, got others"
    )


def test_pictures_of_any_size_become_gray():
    game = Counting()
    game.observation_space = gymnasium.spaces.Box(0, 255, (96, 128, 3), np.uint8)
    shown = Gray64(game).observation(np.full((96, 128, 3), 51, dtype=np.uint8))
    assert (shown.shape, shown.dtype) == ((1, 64, 64), np.float32)
    assert np.allclose(shown, 0.2)
