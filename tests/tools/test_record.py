"""The record of an evaluation, as it is made."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import json
import os
import sys

import numpy as np
import pytest
from PIL import Image, features

from dqn_port.errors import MissingLibraryError, RunFolderError, SnapshotError
from dqn_port.runs.diagnosis import DIAGNOSIS
from dqn_port.runs.evaluations import EVALUATION, read_evaluation
from dqn_port.runs.playing import episodes
from dqn_port.systems.lua_dqn import player
from dqn_port.systems.lua_dqn.player import Player, picture_of
from dqn_port.systems.lua_dqn.setup import setup_to_play
from dqn_port.systems.lua_dqn.system import LuaDqn
from dqn_port.tools import clips
from dqn_port.tools.clips import Film
from dqn_port.tools.record import record_evaluation
from tests.tools.running import TOY_A, TOY_B, make_snapshot, run


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("snapshots")
    return {
        "toyA": make_snapshot(folder / "toyA.t7", TOY_A, best_seed=7),
        "toyB": make_snapshot(folder / "toyB.t7", TOY_B, best_seed=7),
        "random starts": make_snapshot(
            folder / "starts.t7", (*TOY_B, "random_starts=5"), best_seed=7
        ),
        "no best": make_snapshot(folder / "alone.t7", TOY_B),
    }


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def pictures_of(content):
    """Return the pictures of a WebP with how long each is shown, in milliseconds."""
    animation = Image.open(io.BytesIO(content))
    found = []
    for i in range(getattr(animation, "n_frames", 1)):
        animation.seek(i)
        animation.load()
        found.append((np.asarray(animation.convert("RGB")), animation.info.get("duration")))
    return found


def watch(snapshot, *, index, best=True, seed=1, epsilon=0.05):
    """Return the screens and states of an evaluation's episode, played without a record."""
    ready = setup_to_play(snapshot, best=best, seed=seed, assignments=["gpu=-1", "threads=1"])[0]
    playing = Player(ready, epsilon=epsilon)
    screens, states, rewards = [[]], [[]], [[]]
    perceive, step = ready.agent.perceive, ready.env.step

    def perceived(reward, screen, *more):
        screens[-1].append(picture_of(screen))
        action = perceive(reward, screen, *more)
        states[-1].append(ready.agent.transitions.get_recent())
        return action

    def stepped(action):
        at = step(action)
        rewards[-1].append(at[1])
        return at

    ready.agent.perceive, ready.env.step = perceived, stepped
    for _ in itertools.islice(episodes(playing), index + 1):
        for kept in (screens, states, rewards):
            kept.append([])
    return screens[index], states[index], rewards[index]


def test_the_scores_are_those_of_evaluate(capsys, snapshots, tmp_path):
    made = record_evaluation(
        snapshots["random starts"],
        tmp_path / "e",
        episodes=3,
        seeds=(4, 1),
        epsilon=0.2,
        max_frames=120,
    )
    assert [(e.network, e.seed) for e in made.episodes] == [
        (network, seed) for network in ("last", "best") for seed in (4, 1) for _ in range(3)
    ]
    for network in ("last", "best"):
        for seed in (4, 1):
            words = ["--episodes", 3, "--seed", seed, "--epsilon", 0.2, "--max-frames", 120]
            path = tmp_path / "scores.json"
            code, _, _ = run(
                capsys,
                "evaluate",
                snapshots["random starts"],
                f"--{network}",
                *words,
                "--json",
                path,
            )
            assert code == 0
            expected = json.loads(path.read_text())["episodes"]
            got = [e for e in made.episodes if (e.network, e.seed) == (network, seed)]
            assert [(e.reward, e.steps, e.cut, e.frames) for e in got] == [
                (e["reward"], e["steps"], e["cut"], e["frames"]) for e in expected
            ]
    assert any(e.cut for e in made.episodes)
    assert not all(e.cut for e in made.episodes)


def test_what_is_read_is_what_was_recorded(snapshots, tmp_path):
    path = snapshots["toyA"]
    made = record_evaluation(path, tmp_path / "e", episodes=2, seeds=(1,))
    assert made == read_evaluation(tmp_path / "e")
    assert (made.game, made.rom_md5, made.frames_per_step, made.random_starts) == (
        "toyA",
        None,
        4,
        0,
    )
    assert (made.epsilon, made.seeds, made.max_frames) == (0.05, (1,), 18_000)
    assert made.snapshot == "toyA.t7"
    assert made.snapshot_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert made.versions.keys() >= {"python", "torch", "numpy", "dqn-port"}
    assert sorted(files(tmp_path / "e")) == [
        "clip.webp", DIAGNOSIS, EVALUATION, "screen.png", "seen.png",
    ]  # fmt: skip
    assert [p.name for p in tmp_path.iterdir()] == ["e"]


def test_an_atari_game_tells_its_rom(tmp_path):
    assignments = (
        "framework=alewrap",
        "env=breakout",
        "agent=NeuralQLearner",
        "actrep=4",
        "random_starts=30",
        "agent_params.hist_len=4",
        "agent_params.preproc=net_downsample_2x_full_y",
        "agent_params.network=net_small",
    )
    snapshot = make_snapshot(tmp_path / "breakout.t7", assignments)
    made = record_evaluation(snapshot, tmp_path / "e", episodes=1, max_frames=80)
    assert made.rom_md5 == "f34f08e5eb96e500e851a80be3277a56"
    assert made.random_starts == 30
    assert made.clip is not None
    assert (made.clip.video.width, made.clip.video.height) == (160, 210)
    assert (made.clip.pictures, made.clip.seconds) == (20, round(80 / 60, 3))


def test_the_same_words_give_the_same_bytes(snapshots, tmp_path):
    words = {"episodes": 2, "seeds": (3,)}
    one = record_evaluation(snapshots["toyB"], tmp_path / "one", **words)
    other = record_evaluation(snapshots["toyB"], tmp_path / "other", **words)
    assert files(tmp_path / "one") == files(tmp_path / "other")
    assert dataclasses.replace(other, folder=one.folder) == one


@pytest.mark.parametrize("game", ["toyA", "toyB"])
def test_the_clip_is_the_best_networks_highest_episode_without_loss(game, snapshots, tmp_path):
    made = record_evaluation(snapshots[game], tmp_path / "e", episodes=5, epsilon=0.5)
    assert made.clip is not None
    best = [e.reward for e in made.of("best")]
    assert len(set(best)) > 1
    index = best.index(max(best))
    assert made.clip.episode == 5 + index
    screens, _, _ = watch(snapshots[game], index=index, epsilon=0.5)
    assert made.clip.whole
    assert made.clip.pictures == len(screens) == made.of("best")[index].steps
    shown = pictures_of(made.clip.video.content)
    # Pictures that are the same again are one, shown longer.
    seconds, at = 0, 0
    for picture, duration in shown:
        np.testing.assert_array_equal(picture, screens[at])
        seconds += duration
        at = round(seconds * 60 / 1000 / made.frames_per_step)
    assert at == len(screens)
    assert seconds == round(made.clip.seconds * 1000)


@pytest.mark.parametrize(("game", "side", "frames"), [("toyA", 84, 4), ("toyB", 10, 1)])
def test_what_is_seen_is_the_state_before_the_first_point(game, side, frames, snapshots, tmp_path):
    made = record_evaluation(snapshots[game], tmp_path / "e", episodes=1)
    screens, states, rewards = watch(snapshots[game], index=0)
    first = next(i for i, reward in enumerate(rewards) if reward)
    assert first >= 3
    assert made.seen is not None
    assert (made.seen.step, made.seen.frames, made.seen.episode) == (first - 3, frames, 1)
    screen = Image.open(io.BytesIO(made.seen.screen.content))
    np.testing.assert_array_equal(np.asarray(screen), screens[first - 3])
    strip = np.asarray(Image.open(io.BytesIO(made.seen.strip.content)))
    assert strip.shape == (side, frames * side)
    for i, frame in enumerate(np.split(strip, frames, axis=1)):
        np.testing.assert_array_equal(frame.reshape(-1), states[first - 3][i])


def test_without_a_clip_nothing_is_filmed(snapshots, tmp_path, monkeypatch):
    filmed = record_evaluation(snapshots["toyB"], tmp_path / "filmed", episodes=2)
    monkeypatch.setattr(player, "picture_of", lambda _: pytest.fail("filmed"))
    made = record_evaluation(snapshots["toyB"], tmp_path / "e", episodes=2, clip=False)
    assert (made.clip, made.seen) == (None, None)
    assert made.episodes == filmed.episodes
    assert list(files(tmp_path / "e")) == [EVALUATION]


def test_a_snapshot_without_a_best_network_has_its_last_one_played(snapshots, tmp_path):
    made = record_evaluation(snapshots["no best"], tmp_path / "e", episodes=1)
    assert [e.network for e in made.episodes] == ["last"]
    assert made.clip is not None
    assert made.clip.episode == 0
    with pytest.raises(SnapshotError) as error:
        record_evaluation(snapshots["no best"], tmp_path / "f", networks=("best",))
    assert str(error.value) == (
        f"{snapshots['no best']}: expected a best network, got none: no evaluation was made in "
        "training; record the last one"
    )
    assert not (tmp_path / "f").exists()


def test_after_every_episode_it_is_told(snapshots, tmp_path):
    shown, told = [], []
    made = record_evaluation(
        snapshots["toyB"],
        tmp_path / "e",
        episodes=2,
        seeds=(1, 2),
        clip=False,
        show=lambda *at: shown.append(at),
        tell=told.append,
    )
    assert shown == [(i, 8) for i in range(1, 9)]
    assert told == list(made.episodes)


def test_a_long_episode_is_shown_from_its_beginning(snapshots, tmp_path, monkeypatch):
    whole = record_evaluation(snapshots["toyB"], tmp_path / "whole", episodes=1)
    monkeypatch.setattr(clips, "MAX_SECONDS", 0.5)
    made = record_evaluation(snapshots["toyB"], tmp_path / "e", episodes=1)
    assert whole.clip is not None
    assert made.clip is not None
    assert whole.clip.whole
    assert not made.clip.whole
    # actrep 2: thirty pictures a second.
    assert (made.clip.pictures, made.clip.seconds) == (15, 0.5)
    first = pictures_of(made.clip.video.content)[0][0]
    np.testing.assert_array_equal(first, pictures_of(whole.clip.video.content)[0][0])


def noise(n, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (n, 40, 30, 3), dtype=np.uint8)


def test_a_clip_too_large_is_cut_until_it_fits():
    film, screens = Film(4), noise(30)
    for screen in screens:
        film.add(screen)
    content, n = film.webp(10**9)
    assert n == len(film) == 30
    limit = len(content) // 3
    content, n = film.webp(limit)
    assert 5 < n < 11
    assert len(content) <= limit
    assert not film.shows_all(n)
    shown = [picture for picture, _ in pictures_of(content)]
    np.testing.assert_array_equal(shown, screens[:n])
    assert film.webp(1)[1] == 1


@pytest.mark.parametrize(
    ("actrep", "kept", "durations"),
    [(1, 4, [33, 34, 33, 33]), (2, 7, [33, 34, 33]), (4, 7, [67, 66, 67]), (6, 7, [100, 100])],
)
def test_pictures_are_shown_in_the_games_own_time(actrep, kept, durations):
    film = Film(actrep)
    for screen in noise(7):
        film.add(screen)
    assert len(film) == kept
    content, n = film.webp(10**9)
    assert [d for _, d in pictures_of(content)][: len(durations)] == durations
    assert film.shows_all(n)


def test_a_clip_of_one_picture_can_be_read(snapshots, tmp_path):
    made = record_evaluation(snapshots["toyB"], tmp_path / "e", episodes=1, max_frames=1)
    assert made.clip is not None
    assert (made.clip.pictures, made.clip.whole, made.clip.video.width) == (1, True, 10)


def test_what_stands_there_is_kept_unless_it_may_be_replaced(snapshots, tmp_path):
    folder = tmp_path / "e"
    first = record_evaluation(snapshots["toyB"], folder, episodes=1)
    with pytest.raises(RunFolderError) as error:
        record_evaluation(snapshots["toyB"], folder, episodes=1, seeds=(2,))
    assert str(error.value) == (
        f"{folder}: holds an evaluation already; give another folder, or replace it"
    )
    assert read_evaluation(folder) == first
    (folder / "mine.txt").write_text("mine")
    second = record_evaluation(snapshots["toyB"], folder, episodes=1, clip=False, replace=True)
    assert read_evaluation(folder) == second
    assert list(files(folder)) == [EVALUATION]
    assert [p.name for p in tmp_path.iterdir()] == ["e"]


def test_a_folder_of_something_else_is_never_replaced(snapshots, tmp_path):
    folder = tmp_path / "e"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    for replace in (False, True):
        with pytest.raises(RunFolderError) as error:
            record_evaluation(snapshots["toyB"], folder, replace=replace)
        assert str(error.value) == (
            f"{folder}: expected an evaluation or nothing, got something else"
        )
    assert files(folder) == {"mine.txt": b"mine"}


def test_a_place_that_is_not_there_is_found_before_it_plays(snapshots, tmp_path, monkeypatch):
    monkeypatch.setattr(LuaDqn, "open_player", lambda *_, **__: pytest.fail("played"))
    folder = tmp_path / "none" / "e"
    with pytest.raises(RunFolderError) as error:
        record_evaluation(snapshots["toyB"], folder)
    assert str(error.value) == (
        f"{folder}: cannot be written: its folder does not exist; make it first"
    )


@pytest.mark.parametrize(
    ("lacks", "fault"),
    [
        (
            "the module",
            "clips need Pillow (import of PIL halted; None in sys.modules): pip install pillow, "
            "or record without a clip",
        ),
        (
            "WebP",
            "clips need a Pillow that writes WebP: pip install --force-reinstall pillow, or "
            "record without a clip",
        ),
    ],
)
def test_what_clips_need_is_missed_before_it_plays(lacks, fault, snapshots, tmp_path, monkeypatch):
    if lacks == "WebP":
        monkeypatch.setattr(features, "check", lambda name: name != "webp")
    else:
        monkeypatch.setitem(sys.modules, "PIL", None)
    with monkeypatch.context() as only_here:
        only_here.setattr(LuaDqn, "open_player", lambda *_, **__: pytest.fail("played"))
        with pytest.raises(MissingLibraryError) as error:
            record_evaluation(snapshots["toyB"], tmp_path / "e")
    assert str(error.value) == fault
    assert record_evaluation(snapshots["toyB"], tmp_path / "e", episodes=1, clip=False).episodes


def test_a_full_disk_is_one_line_and_leaves_what_stood_there(snapshots, tmp_path, monkeypatch):
    folder = tmp_path / "e"
    record_evaluation(snapshots["toyB"], folder, episodes=1)
    before = files(folder)

    def full_disk(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(RunFolderError) as error:
        record_evaluation(snapshots["toyB"], folder, episodes=1, replace=True)
    assert str(error.value) == (
        f"{folder}: cannot be written: No space left on device; what was there is unchanged"
    )
    assert files(folder) == before
    assert [p.name for p in tmp_path.iterdir()] == ["e"]


def test_a_stop_in_the_middle_leaves_nothing(snapshots, tmp_path):
    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record_evaluation(snapshots["toyB"], tmp_path / "e", episodes=2, show=stop)
    assert list(tmp_path.iterdir()) == []
