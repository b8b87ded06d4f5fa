from __future__ import annotations

import re

import click
import cv2
import pytest

from dqn_port.cli.play import play
from dqn_port.runs.playing import episodes
from dqn_port.systems.lua_dqn.player import Player
from dqn_port.systems.lua_dqn.setup import setup_to_play
from tests.tools.running import TOY_A, TOY_B, make_snapshot, run


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return make_snapshot(tmp_path_factory.mktemp("play") / "toy.t7", TOY_B, best_seed=7)


def test_the_score_is_printed(snapshot, capsys):
    code, out, err = run(capsys, "play", snapshot)
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first == f"toyB: the last network of {snapshot}, ε 0.05, seed 1"
    steps, frames = map(
        int, re.fullmatch(r"score -?\d+, (\d+) steps, (\d+) frames", second).groups()
    )
    assert frames == 2 * steps


def test_a_gif_is_written_and_named(snapshot, capsys, tmp_path):
    path = tmp_path / "a.gif"
    code, out, err = run(capsys, "play", snapshot, "--gif", path, "--seed", 2)
    assert (code, err) == (0, "")
    score, pictures = out.splitlines()[1:]
    ok, animation = cv2.imreadanimation(str(path))
    assert ok
    n = len(animation.frames)
    assert pictures == f"{n} pictures: {path}"
    assert f" {n - 1} steps, " in score
    code, without, _ = run(capsys, "play", snapshot, "--seed", 2)
    assert without.splitlines() == out.splitlines()[:2]


@pytest.mark.parametrize("with_gif", [False, True])
def test_the_game_is_that_of_the_network_the_seed_and_epsilon(with_gif, snapshot, capsys, tmp_path):
    games = set()
    cases = [(True, 4, 0.05), (False, 4, 0.05), (True, 2, 0.05), (True, 4, 0.7)]
    for best, seed, epsilon in cases:
        ready, _ = setup_to_play(snapshot, best=best, seed=seed)
        game = next(episodes(Player(ready, epsilon=epsilon, random_start=False)))
        games.add((game.reward, game.steps))
        words = ["--best" if best else "--last", "--seed", seed, "--epsilon", epsilon]
        words += ["--gif", tmp_path / "a.gif"] if with_gif else []
        _, out, _ = run(capsys, "play", snapshot, *words)
        assert out.splitlines()[1] == (
            f"score {game.reward:g}, {game.steps} steps, {2 * game.steps} frames"
        )
    assert len(games) == len(cases)


def test_max_frames_cuts_the_game_and_the_first_line_says_what_plays(snapshot, capsys):
    words = ("--best", "--seed", 3, "--epsilon", 1, "--max-frames", 5)
    code, out, err = run(capsys, "play", snapshot, *words)
    assert (code, err) == (0, "")
    assert re.fullmatch(
        rf"toyB: the best network of {re.escape(str(snapshot))}, ε 1, seed 3\n"
        r"score -?\d+, 2 steps, 4 frames, cut at 5 frames\n",
        out,
    )


def test_without_an_evaluation_there_is_no_best_network(capsys, tmp_path):
    path = make_snapshot(tmp_path / "toy.t7", TOY_A)
    code, out, err = run(capsys, "play", path, "--best", "--max-frames", 8)
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == [
        f"toyA: the last network of {path}, ε 0.05, seed 1",
        "No best network was kept in training, so this is the last one.",
    ]


def test_the_picture_is_a_gif(capsys):
    assert run(capsys, "play", "none.t7", "--gif", "a.png") == (
        2,
        "",
        "dqn-port: error: --gif: expected the name of a file ending in .gif, got 'a.png'\n",
    )


def test_a_snapshot_that_is_not_there(capsys):
    assert run(capsys, "play", "none.t7") == (
        1,
        "",
        "dqn-port: error: none.t7: cannot be read: No such file or directory\n",
    )


def test_a_folder_that_is_not_there(snapshot, capsys, tmp_path):
    path = tmp_path / "none" / "a.gif"
    code, _, err = run(capsys, "play", snapshot, "--gif", path)
    assert (code, err) == (
        1,
        f"dqn-port: error: {path}: cannot be written: its folder does not exist; make it first\n",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--epsilon", "1.5"), "invalid value for '--epsilon': 1.5 is not in the range 0<=x<=1"),
        (("--max-frames", "-1"), "invalid value for '--max-frames': -1 is not in the range x>=0"),
        (("--seed", "x"), "invalid value for '--seed': 'x' is not a valid integer range"),
    ],
)
def test_words_that_cannot_be_used(words, message, snapshot, capsys):
    assert run(capsys, "play", snapshot, *words) == (
        2,
        "",
        f"dqn-port: error: {message}; see `dqn-port play --help`\n",
    )


def test_the_command_and_every_option_have_help():
    assert play.help
    assert all(p.help for p in play.params if isinstance(p, click.Option))
