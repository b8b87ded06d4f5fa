"""Commands on a run of a custom game: what they print, what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.cli.running import run
from tests.systems.hvass16.building import SMALL


@pytest.fixture
def folder(capsys, tmp_path):
    args = tmp_path / "own.json"
    args.write_text(
        json.dumps(
            SMALL
            | {"system": "hvass16", "env": "tests.systems.hvass16.building:Drawn", "episodes": 3}
        )
    )
    assert run(capsys, "train", "--args", args, "--trust", "--out", tmp_path).code == 0
    return tmp_path / "own"


def test_a_custom_game_is_recorded_and_its_network_starts_another_run(capsys, folder):
    assert json.loads((folder / "run.json").read_text())["episodes"] == 3
    record = folder.parent / "record"
    words = ("record", folder, "-o", record, "--episodes", "1", "--trust", "--seeds", "1")
    assert run(capsys, *words).code == 0
    network = folder / "own.safetensors"
    before = (folder / "log_reward.txt").read_text()
    words = ("train", "--network", folder, "--trust", "--out", folder.parent, "--name", "more")
    result = run(capsys, *words, "--set", "episodes=5")
    assert result.code == 0
    assert result.err == (
        f"dqn-port: starts from the network of {network}; the replay memory is empty "
        "(--resume RUN --set episodes=… trains a run longer)\n"
    )
    lines = (folder.parent / "more" / "log_reward.txt").read_text()
    assert lines.startswith(before)
    assert [line.split("\t")[0] for line in lines.splitlines()] == ["1", "2", "3", "5"]
    assert np.isfinite([float(line.split("\t")[2]) for line in lines.splitlines()]).all()
    result = run(capsys, "export-weights", folder, "-o", "weights.npz", "--trust")
    assert (result.code, result.error) == (
        2,
        "-o weights.npz: expected FILE.pt, or FILE.safetensors for a small snapshot, got .npz",
    )


def test_words_with_a_network_alone_are_read_by_its_system(capsys, folder):
    words = ("train", "--network", folder, "--trust", "--out", folder.parent, "--name", "words")
    assert run(capsys, *words, "--", "--training", "--episodes", "1").code == 0
    there = json.loads((folder.parent / "words" / "args.json").read_text())
    # The network counts the episode that it had begun.
    assert (there["system"], there["episodes"]) == ("hvass16", 3 + 1 + 1)
    assert there["filters"] == SMALL["filters"]


def test_the_same_words_again_play_so_many_episodes_more(capsys, tmp_path):
    """Also where no seed was given: the run there has drawn one."""
    args = tmp_path / "toy.json"
    args.write_text(json.dumps(SMALL | {"system": "hvass16", "env": "toyA"} | {"seed": None}))
    words = ("train", "--args", args, "--out", tmp_path, "--", "--training")
    assert run(capsys, *words, "--episodes", "2").code == 0
    folder = tmp_path / "toy"
    seed = json.loads((folder / "args.json").read_text())["seed"]
    again = run(capsys, *words, "--episodes", "2")
    assert again.code == 0
    assert again.err == f"dqn-port: by the run in {folder}: seed={seed}, episodes=4\n"
    assert json.loads((folder / "args.json").read_text())["episodes"] == 4
    once = ("train", "--args", args, "--out", tmp_path, "--name", "once", "--seed", str(seed))
    assert run(capsys, *once, "--", "--training", "--episodes", "4").code == 0
    for name in ("log_reward.txt", "history-reward.csv"):
        assert (folder / name).read_bytes() == (tmp_path / "once" / name).read_bytes()
    assert len((folder / "log_reward.txt").read_text().splitlines()) == 4


def test_a_seed_that_was_drawn_is_kept_by_the_same_command_and_replaced_by_overwrite(
    capsys, tmp_path
):
    args = tmp_path / "toy.json"
    args.write_text(
        json.dumps(SMALL | {"system": "hvass16", "env": "toyA", "episodes": 1, "seed": None})
    )
    words = ("train", "--args", args, "--out", tmp_path)
    seeds = []
    for more in ((), (), ("--overwrite",)):
        assert run(capsys, *words, *more).code == 0
        seeds.append(json.loads((tmp_path / "toy" / "args.json").read_text())["seed"])
    assert seeds[0] == seeds[1] != seeds[2]
