from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import run, write_toy

ROOT = Path(__file__).parents[2]


def test_a_part_is_shown_and_written(capsys, tmp_path):
    args = write_toy(tmp_path)
    out = tmp_path / "train.json"
    result = run(
        capsys, "bench", "train", "--args", args, "--set", "seed=3", "--threads", "1",
        "--steps", "8", "--repeats", "2", "--profile", "--json", out,
    )  # fmt: skip
    assert (result.code, result.err) == (0, "")
    table = json.loads(out.read_text())
    assert set(table) == {
        "machine", "versions", "part", "what", "threads", "cores", "steps", "repeats",
        "busy_processes", "arguments", "figures", "profile",
    }  # fmt: skip
    assert set(table["machine"]) == {
        "cpu", "family", "flags", "cores", "usable_cores", "memory_gb", "gpu", "load", "system",
    }  # fmt: skip
    assert set(table["versions"]) == {"python", "dqn-port", "torch", "numpy", "ale-py"}
    assert table["arguments"]["seed"] == 3
    assert (table["part"], table["threads"], table["steps"], table["repeats"]) == (
        "train", 1, 8, 2,
    )  # fmt: skip
    assert len(table["figures"]["train"]["values"]) == 2
    assert set(table["profile"]) == {"steps", "seconds", "plain_seconds", "stages"}
    first, _, _, header, row = result.out.splitlines()[:5]
    assert first.startswith("toyB: whole loop: training after learning starts; threads 1, cores ")
    assert first.endswith(", 8 steps a repeat")
    assert header.split() == ["median", "unit", "min–max", "repeats"]
    assert row.startswith("training after learning starts  ")
    assert "where the time goes" in result.out


def test_busy_processes_are_told_of(capsys, tmp_path):
    result = run(
        capsys, "bench", "preproc", "--args", write_toy(tmp_path), "--steps", "4", "--repeats",
        "1", "--beside", "2",
    )  # fmt: skip
    assert result.out.splitlines()[0].endswith(", 4 steps a repeat, beside 2 busy processes")


def test_an_unknown_part(capsys, tmp_path):
    result = run(capsys, "bench", "updat", "--args", write_toy(tmp_path))
    assert (result.code, result.error) == (
        2,
        "PART: expected one of train, test, random, env, preproc, act, update, replay, memory, "
        "growth, got 'updat'; did you mean 'update'?",
    )


def test_a_folder_that_is_not_there_is_told_before_anything_is_measured(capsys, tmp_path):
    path = tmp_path / "none" / "out.json"
    result = run(capsys, "bench", "train", "--args", write_toy(tmp_path), "--json", path)
    assert (result.code, result.error) == (
        1, f"--json {path}: its folder does not exist; make it first",
    )  # fmt: skip


def make_bench(*words):
    """Run what ``make bench`` runs."""
    return subprocess.run(
        [sys.executable, "-m", "dqn_port.systems.lua_dqn.bench", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def test_the_whole_bench_writes_its_sections(tmp_path):
    out = tmp_path / "bench.json"
    done = make_bench(
        "--quick", "--only", "growth", "--args", write_toy(tmp_path), "--json", out
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    table = json.loads(out.read_text())
    assert set(table) == {"machine", "versions", "length", "parts", "seconds"}
    assert [part["part"] for part in table["parts"]] == ["growth"]
    lines = done.stdout.splitlines()
    assert lines[0] == "machine"
    assert "steps a second as the replay fills, 1 thread" in lines


def test_without_the_other_environment_it_ends_with_a_line(tmp_path):
    python = tmp_path / "python"
    done = make_bench(
        "--quick", "--only", "loops", "--threads", 1, "--args", write_toy(tmp_path),
        "--python", python,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: {python}: does not exist; run `make bench` to make the environment of "
        "Stable-Baselines3, or --only parts, which needs none\n"
    )


def pins(path):
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return dict(line.split("==") for line in lines if line)


def test_both_environments_have_the_same_versions():
    ours, theirs = (
        pins(ROOT / "requirements.lock"),
        pins(ROOT / "dqn_port/systems/lua_dqn/bench/peers.lock"),
    )
    theirs["opencv-python"] = theirs.pop("opencv-python-headless")
    assert theirs.pop("stable-baselines3") == "2.9.2"
    for name, version in theirs.items():
        assert ours[name] == version, name


@pytest.mark.parametrize("words", [("--threads", "0"), ("--steps", "3"), ("--repeats", "0")])
def test_numbers_without_sense_are_refused(capsys, tmp_path, words):
    result = run(capsys, "bench", "train", "--args", write_toy(tmp_path), *words)
    assert result.code == 2
    assert result.error.startswith(f"invalid value for '{words[0]}'")
