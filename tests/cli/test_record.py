"""``dqn-port record``."""

from __future__ import annotations

import json

import pytest

from dqn_port.runs.evaluations import EVALUATION, read_evaluation
from dqn_port.torch7.t7 import load, save
from tests.cli.running import run, write_toy


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from dqn_port.runs.run import Run
    from dqn_port.systems.lua_dqn.setup import load_options
    from dqn_port.systems.lua_dqn.system import SYSTEM

    folder = tmp_path_factory.mktemp("record")
    opt = load_options(args_file=write_toy(folder, name="t", actrep=2))
    for _ in Run(SYSTEM, opt, folder).train("cpu"):
        pass
    return folder / "t"


def test_a_runs_folder_is_recorded_and_told(capsys, trained, tmp_path):
    folder = tmp_path / "evaluation-1"
    words = ["--episodes", "2", "--seeds", "3-4", "--max-frames", "120"]
    result = run(capsys, "record", trained, "-o", folder, *words)
    assert (result.code, result.err) == (0, "")
    record = read_evaluation(folder)
    assert (record.seeds, record.max_frames, record.epsilon) == ((3, 4), 120, 0.05)
    lines = result.out.splitlines()
    assert lines[0] == "network   seed  episode      score    steps    frames"
    assert [line.split() for line in lines[1:9]] == [
        [e.network, str(e.seed), str(i % 2 + 1), f"{e.reward:g}", str(e.steps), str(e.frames)]
        + (["cut", "at", "120", "frames"] if e.cut else [])
        for i, e in enumerate(record.episodes)
    ]
    assert any(e.cut for e in record.episodes)
    assert lines[9] == ""
    for line, network in zip(lines[10:12], ("last", "best"), strict=True):
        rewards = [e.reward for e in record.of(network)]
        assert line.startswith(f"{network}: mean {sum(rewards) / 4:.2f} ± ")
        assert line.endswith(f" (standard deviation), max {max(rewards):g}, 4 episodes")
    assert record.clip is not None
    assert lines[12:] == [f"clip: {record.clip.seconds:.0f} s, a whole episode", f"{folder}"]


def test_a_snapshot_is_recorded_as_its_run_is(capsys, trained, tmp_path):
    words = ["--episodes", "1", "--network", "last", "--no-clip", "--epsilon", "0.5"]
    one, other = tmp_path / "one", tmp_path / "other"
    first = run(capsys, "record", trained, "-o", one, *words)
    second = run(capsys, "record", trained / "t.t7", "-o", other, *words)
    assert (first.code, second.code) == (0, 0)
    assert (one / EVALUATION).read_bytes() == (other / EVALUATION).read_bytes()
    assert [path.name for path in one.iterdir()] == [EVALUATION]
    assert [e["network"] for e in json.loads((one / EVALUATION).read_text())["episodes"]] == [
        "last"
    ]
    assert "clip" not in first.out


def test_overwrite_replaces(capsys, trained, tmp_path):
    words = ["record", trained, "-o", tmp_path / "e", "--episodes", "1", "--no-clip"]
    assert run(capsys, *words).code == 0
    again = run(capsys, *words, "--seeds", "2")
    assert again.code == 1
    assert again.error == (
        f"{tmp_path / 'e'}: holds an evaluation already; give another folder, or replace it"
    )
    assert run(capsys, *words, "--seeds", "2", "--overwrite").code == 0
    assert read_evaluation(tmp_path / "e").seeds == (2,)


def test_a_snapshot_without_a_best_network(capsys, trained, tmp_path):
    table = load(trained / "t.t7")
    del table["best_model"]
    save(tmp_path / "a.t7", table)
    words = ["record", tmp_path / "a.t7", "--episodes", "1", "--no-clip", "-o"]
    result = run(capsys, *words, tmp_path / "e")
    assert result.code == 0
    assert "No best network was kept in training.\n" in result.out
    result = run(capsys, *words, tmp_path / "f", "--network", "best")
    assert result.code == 1
    assert result.error == (
        f"{tmp_path / 'a.t7'}: expected a best network, got none: no evaluation was made in "
        "training; record the last one"
    )


@pytest.mark.parametrize(
    "seeds", ["", "a", "1,1", "1-3,2", "3-1", "1-100000", "1.5", "4294967296", "-1"]
)
def test_seeds_that_are_none(capsys, trained, tmp_path, seeds):
    result = run(capsys, "record", trained, "-o", tmp_path / "e", "--seeds", seeds)
    assert result.code == 2
    assert result.error == (
        f"--seeds: expected different whole numbers below 2^32, such as 1,2,3 or 1-3, got '{seeds}'"
    )
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_run(capsys, tmp_path):
    result = run(capsys, "record", tmp_path, "-o", tmp_path / "e")
    assert result.code == 1
    assert result.error == (f"{tmp_path}: expected a run's folder, got none with args.json")
    path = tmp_path / "a.t7"
    result = run(capsys, "record", path, "-o", tmp_path / "e")
    assert (result.code, result.error) == (1, f"{path}: cannot be read: No such file or directory")
