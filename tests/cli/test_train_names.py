"""What a run is called, flags that belong together, and what is told of words, on real games."""

from __future__ import annotations

import json

import pytest

from tests.cli.running import run, write_toy
from tests.test_legacy_args import LEGACY_ARGS

PONG = LEGACY_ARGS / "pong_quick.json"


def test_best_without_a_snapshot_means_nothing_and_is_refused(capsys, tmp_path):
    result = run(capsys, "train", "--args", write_toy(tmp_path), "--best", "--out", tmp_path)
    assert result.code == 2
    assert result.error == ("--best: expected --network FILE with it, the snapshot to take it from")


def test_a_game_given_elsewhere_than_in_the_file_has_a_run_of_its_own(capsys, tmp_path):
    path = write_toy(tmp_path)
    words = ["train", "--args", path, "--quiet", "--out", tmp_path, "--set", "steps=50"]
    assert run(capsys, *words).code == 0
    assert run(capsys, *words, "--", "-env", "toyC").code == 0
    assert (tmp_path / "toy" / "toy.t7").exists()
    assert (tmp_path / "toy_toyC" / "toy_toyC.t7").exists()


def test_flags_for_what_is_set_most(capsys, tmp_path):
    words = ["train", "--args", PONG, "--out", tmp_path, "--quiet", "--threads", "1"]
    flags = ["--env", "breakout", "--seed", "3", "--steps", "20", "--name", "mine"]
    result = run(capsys, *words, *flags, "--set", "seed=3", "--", "-seed", "9", "-steps", "10")
    assert (result.code, result.err) == (0, "")
    opt = json.loads((tmp_path / "mine" / "args.json").read_text())
    assert [opt[key] for key in ("env", "seed", "steps", "name")] == ["breakout", 3, 20, "mine"]


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (
            ["--steps", "20", "--set", "steps=30"],
            "--steps, --set steps: expected one of them, got --steps 20 and --set steps=30",
        ),
        (
            ["--env", "ALE/SpaceInvaders-v5"],
            "env: no game is named 'ALE/SpaceInvaders-v5'; did you mean 'space_invaders'?; "
            "`dqn-port roms` lists them",
        ),
        (["--steps", "0"], "--set: steps: expected at least 1, got 0"),
    ],
)
def test_flags_that_cannot_be_used(capsys, tmp_path, flags, fault):
    result = run(capsys, "train", "--args", PONG, "--out", tmp_path / "out", *flags)
    assert (result.code, result.out, result.error) == (2, "", fault)
    assert not (tmp_path / "out").exists()


def test_the_papers_arguments_train_without_a_warning_and_show_the_odd_one(capsys, tmp_path):
    """Its ep_endt=replay_memory is nil in Lua, and the default is what was meant."""
    paper = LEGACY_ARGS / "pong.json"
    small = ["--set", "agent_params.replay_memory=1000", "--set", "agent_params.learn_start=600"]
    words = ["train", "--args", paper, "--out", tmp_path, "--quiet", "--steps", "5"]
    trained = run(capsys, *words, "--device", "cpu", *small)
    assert (trained.code, trained.err) == (0, "")
    shown = run(capsys, "args", "show", paper, *small)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines()[-1] == (
        f"{paper}: agent_params.ep_endt: the bare name replay_memory is nil in Lua, so ep_endt is "
        "absent and takes its default"
    )


# The original's line behind --, where the shell has taken the quotes away.

NO_QUOTES = (
    "agent_params.{0}: the bare name {1} is nil in Lua, so {0} is absent and takes its "
    "default; a text needs quotes that the shell keeps: '{0}=\"{1}\"'"
)


def test_a_line_without_its_quotes_is_told_where_it_is_refused(capsys, tmp_path):
    params = "lr=0.00025,network=convnet_atari3,preproc=net_downsample_2x_full_y"
    words = ["-framework", "alewrap", "-env", "pong", "-agent", "NeuralQLearner", "-agent_params"]
    result = run(capsys, "train", "--out", tmp_path / "out", "--", *words, params)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines() == [
        "dqn-port: Lua words: " + NO_QUOTES.format("network", "convnet_atari3"),
        "dqn-port: Lua words: " + NO_QUOTES.format("preproc", "net_downsample_2x_full_y"),
        "dqn-port: error: agent_params.preproc: expected a name such as net_downsample_2x_full_y, "
        "got nothing; give it in an argument file (--args) or with --set "
        "agent_params.preproc=net_downsample_2x_full_y",
    ]
    assert not (tmp_path / "out").exists()


def test_a_pooling_without_its_quotes_is_told_where_it_is_taken(capsys, tmp_path):
    words = ["train", "--args", PONG, "--out", tmp_path, "--quiet", "--steps", "5"]
    result = run(capsys, *words, "--", "-pool_frms", "type=max,size=2")
    assert (result.code, result.out) == (0, "")
    assert result.err == (
        "dqn-port: Lua words: "
        + NO_QUOTES.format("type", "max").replace("agent_params", "pool_frms")
        + "\n"
    )


@pytest.mark.parametrize(
    "words", [["train", "--args"], ["pipeline", "run", "--args"], ["args", "show"]]
)
def test_the_originals_script_is_told_what_to_do_with(capsys, tmp_path, words):
    script = tmp_path / "run_gpu"
    script.write_text("#!/bin/bash\nlr=0.00025\n./train -agent_params lr=$lr\n")
    result = run(capsys, *words, script)
    assert (result.code, result.out) == (2, "")
    assert result.error == (
        f"{script}: expected JSON, got a shell script, which is not run here; put `echo` before "
        "its last command, run it, and paste what it prints: "
        "`dqn-port args convert --words '…' NEW.json`"
    )
