from __future__ import annotations

import itertools
import os

import cv2
import numpy as np
import pytest

from dqn_port.errors import RunFolderError
from dqn_port.systems.lua_dqn.evaluation import Evaluation
from dqn_port.systems.lua_dqn.setup import setup_to_play
from dqn_port.tools import play
from dqn_port.tools.pictures import enlarge
from dqn_port.tools.play import picture_delay, play_game, record_game
from tests.tools.running import TOY_A, TOY_B, make_snapshot

TOY_C = (*TOY_B[:1], "env=toyC", *TOY_B[2:])


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("snapshots")
    games = {"toyA": TOY_A, "toyB": TOY_B, "toyC": TOY_C}
    return {
        env: make_snapshot(folder / f"{env}.t7", assignments, best_seed=7)
        for env, assignments in games.items()
    }


def ready_to_play(path, **more):
    return setup_to_play(path, assignments=["gpu=-1", "threads=1"], **more)[0]


def decoded(path):
    ok, animation = cv2.imreadanimation(str(path))
    assert ok
    return np.stack([f[..., 2::-1] for f in animation.frames]), list(np.ravel(animation.durations))


# toyC gives rewards for null frames, too: they do not count.
@pytest.mark.parametrize("env", ["toyA", "toyB", "toyC"])
@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_the_game_is_the_first_one_of_an_evaluation(env, epsilon, snapshots):
    ready = ready_to_play(snapshots[env], seed=3)
    evaluation = Evaluation(ready.env, ready.agent, epsilon=epsilon)
    first = next(evaluation.play(steps=10_000))
    played = play_game(ready_to_play(snapshots[env], seed=3), epsilon=epsilon)
    assert (played.score, played.steps, played.cut) == (first.reward, first.steps, False)
    assert played.frames == played.steps * ready.opt.actrep


def test_the_reward_of_the_first_frame_does_not_count(snapshots, monkeypatch):
    expected = play_game(ready_to_play(snapshots["toyA"]), epsilon=0.05)
    ready = ready_to_play(snapshots["toyA"])
    new_game = ready.env.new_game
    monkeypatch.setattr(ready.env, "new_game", lambda: (new_game()[0], 100.0, False))
    assert play_game(ready, epsilon=0.05) == expected


def test_lost_lives_do_not_end_the_game(snapshots):
    ready = ready_to_play(snapshots["toyA"])
    lives = []
    play_game(ready, epsilon=0.05, show=lambda screen: lives.append(ready.env.lives))
    assert lives[0] == 3
    assert ready.env.emulator.game_over()


def test_nothing_is_stored_or_learnt(snapshots):
    ready = ready_to_play(snapshots["toyB"])
    before = ready.agent.network.w.detach().clone()
    play_game(ready, epsilon=0.5)
    assert ready.agent.num_steps == 0
    assert ready.agent.transitions.num_entries == 0
    assert (ready.agent.network.w == before).all()


@pytest.mark.parametrize(("max_frames", "steps"), [(1, 1), (8, 2), (11, 2), (12, 3)])
def test_max_frames_ends_the_game_before(max_frames, steps, snapshots):
    played = play_game(ready_to_play(snapshots["toyA"]), epsilon=0.05, max_frames=max_frames)
    assert (played.steps, played.frames, played.cut) == (steps, 4 * steps, True)


def test_a_game_that_ends_in_time_is_not_cut(snapshots):
    whole = play_game(ready_to_play(snapshots["toyA"]), epsilon=0.05)
    again = play_game(ready_to_play(snapshots["toyA"]), epsilon=0.05, max_frames=whole.frames)
    assert again == whole
    assert not whole.cut


@pytest.mark.parametrize("env", ["toyA", "toyB"])
def test_the_gif_holds_every_screen_with_its_colours(env, snapshots, tmp_path):
    ready = ready_to_play(snapshots[env])
    screens = []
    watched = play_game(ready, epsilon=0.05, show=lambda screen: screens.append(screen.rgb_bytes()))
    path = tmp_path / "game.gif"
    played = record_game(ready_to_play(snapshots[env]), path, epsilon=0.05)
    assert played == watched
    got, durations = decoded(path)
    assert len(got) == played.steps + 1
    np.testing.assert_array_equal(got, [enlarge(screen, 150) for screen in screens])
    assert set(durations) == {picture_delay(ready.opt.actrep)}
    assert [p.name for p in tmp_path.iterdir()] == ["game.gif"]


def test_the_first_picture_is_that_of_new_game(snapshots, tmp_path):
    path = tmp_path / "game.gif"
    record_game(ready_to_play(snapshots["toyA"], seed=5), path, epsilon=0.05, max_frames=4)
    screen, _, _ = ready_to_play(snapshots["toyA"], seed=5).env.new_game()
    np.testing.assert_array_equal(decoded(path)[0][0], screen.rgb_bytes())


def test_an_atari_game_keeps_its_size_and_colours(tmp_path):
    assignments = (
        "framework=alewrap",
        "env=breakout",
        "agent=NeuralQLearner",
        "actrep=4",
        'pool_frms={"type": "max", "size": 2}',
        "agent_params.hist_len=4",
        "agent_params.preproc=net_downsample_2x_full_y",
        "agent_params.network=net_small",
    )
    snapshot = make_snapshot(tmp_path / "breakout.t7", assignments)
    shown = []
    play_game(
        ready_to_play(snapshot),
        epsilon=0.05,
        max_frames=200,
        show=lambda screen: shown.append(screen.rgb_bytes()),
    )
    record_game(ready_to_play(snapshot), tmp_path / "a.gif", epsilon=0.05, max_frames=200)
    got, durations = decoded(tmp_path / "a.gif")
    np.testing.assert_array_equal(got, shown)
    assert got.shape == (51, 210, 160, 3)
    assert set(durations) == {70}
    # The palette's red of the paddle and the ball.
    assert (got == (0xC8, 0x48, 0x48)).all(axis=-1).any()


@pytest.mark.parametrize(("actrep", "delay"), [(1, 20), (2, 30), (3, 50), (4, 70), (6, 100)])
def test_pictures_are_shown_as_long_as_their_frames_last(actrep, delay):
    assert picture_delay(actrep) == delay


def test_the_same_seed_gives_the_same_bytes_and_best_is_another_network(snapshots, tmp_path):
    cases = {
        "a": {"seed": 1},
        "b": {"seed": 1},
        "c": {"seed": 2},
        "d": {"seed": 1, "best": True},
    }
    files = {}
    for name, more in cases.items():
        path = tmp_path / f"{name}.gif"
        record_game(ready_to_play(snapshots["toyB"], **more), path, epsilon=0.05)
        files[name] = path.read_bytes()
    assert files["a"] == files["b"]
    for one, other in itertools.combinations("acd", 2):
        assert files[one] != files[other]


def test_a_full_disk_is_one_line_and_leaves_what_stood_there(snapshots, tmp_path, monkeypatch):
    path = tmp_path / "game.gif"
    path.write_bytes(b"before")

    def full_disk(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(RunFolderError) as error:
        record_game(ready_to_play(snapshots["toyB"]), path, epsilon=0.05)
    assert str(error.value) == (
        f"{path}: cannot be written: No space left on device; what stood there is unharmed"
    )
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["game.gif"]


def test_a_folder_that_is_not_there_is_found_before_the_game(snapshots, tmp_path, monkeypatch):
    monkeypatch.setattr(play, "play_game", lambda *_, **__: pytest.fail("played"))
    path = tmp_path / "none" / "game.gif"
    with pytest.raises(RunFolderError) as error:
        record_game(ready_to_play(snapshots["toyB"]), path, epsilon=0.05)
    assert str(error.value) == (
        f"{path}: cannot be written: its folder does not exist; make it first"
    )
