from __future__ import annotations

import itertools
import os

import cv2
import numpy as np
import pytest

from dqn_port.errors import RunFolderError
from dqn_port.runs.playing import episodes
from dqn_port.systems.lua_dqn.player import Player
from dqn_port.systems.lua_dqn.setup import setup_to_play
from dqn_port.tools.pictures import enlarge
from dqn_port.tools.play import picture_delay, record_game
from tests.tools.running import TOY_A, TOY_B, make_snapshot


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("snapshots")
    games = {"toyA": TOY_A, "toyB": TOY_B}
    return {
        env: make_snapshot(folder / f"{env}.t7", assignments, best_seed=7)
        for env, assignments in games.items()
    }


def player_of(path, max_frames=0, **more):
    ready, _ = setup_to_play(path, assignments=["gpu=-1", "threads=1"], **more)
    return Player(ready, epsilon=0.05, max_frames=max_frames, random_start=False)


def screens_of(player):
    """Return the next episode and its screens, played without a GIF."""
    screens = []
    episode = next(episodes(player, watch=lambda step: screens.extend(step.shown)))
    return episode, screens


def decoded(path):
    ok, animation = cv2.imreadanimation(str(path))
    assert ok
    return np.stack([f[..., 2::-1] for f in animation.frames]), list(np.ravel(animation.durations))


@pytest.mark.parametrize("env", ["toyA", "toyB"])
def test_the_gif_holds_every_screen_with_its_colours(env, snapshots, tmp_path):
    watched, screens = screens_of(player_of(snapshots[env]))
    path, player = tmp_path / "game.gif", player_of(snapshots[env])
    played = record_game(player, path)
    assert played == watched
    got, durations = decoded(path)
    assert len(got) == played.steps + 1
    np.testing.assert_array_equal(got, [enlarge(screen, 150) for screen in screens])
    assert set(durations) == {picture_delay(player.frames_per_step)}
    assert [p.name for p in tmp_path.iterdir()] == ["game.gif"]


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
    _, shown = screens_of(player_of(snapshot, 200))
    record_game(player_of(snapshot, 200), tmp_path / "a.gif")
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
        record_game(player_of(snapshots["toyB"], **more), path)
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
        record_game(player_of(snapshots["toyB"]), path)
    assert str(error.value) == (
        f"{path}: cannot be written: No space left on device; what was there is unchanged"
    )
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["game.gif"]


def test_a_folder_that_is_not_there_is_found_before_the_game(snapshots, tmp_path, monkeypatch):
    monkeypatch.setattr(Player, "step", lambda *_, **__: pytest.fail("played"))
    path = tmp_path / "none" / "game.gif"
    with pytest.raises(RunFolderError) as error:
        record_game(player_of(snapshots["toyB"]), path)
    assert str(error.value) == (
        f"{path}: cannot be written: its folder does not exist; make it first"
    )
