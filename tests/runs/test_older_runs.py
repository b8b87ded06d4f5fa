"""What an older version of ours left is read, gone on with to the bit, and reported."""

from __future__ import annotations

import tarfile

import pytest

from tests.cli.running import run
from tests.comparing import contents
from tests.golden_files import GOLDEN


@pytest.fixture
def older(tmp_path):
    """A folder with the finished run of 600 steps of Pong, and the same run stopped at 400."""
    for name in ("finished", "unfinished"):
        with tarfile.open(GOLDEN / "older" / f"{name}.tgz") as archive:
            archive.extractall(tmp_path / name, filter="data")
    return tmp_path


def test_a_stopped_run_goes_on_to_the_bit(capsys, older):
    here, there = older / "unfinished" / "t", older / "finished" / "t"
    result = run(capsys, "train", "--resume", here)
    assert result.code == 0
    assert result.out.startswith(f"{here} goes on from step 400.\n")
    got, expected = contents(here), contents(there)
    (first, second), (same, other) = got["history.csv"], expected["history.csv"]
    assert first == same
    # The sums of validation statistics have another order since.
    for name in ("v", "td"):
        assert float(second.pop(name)) == pytest.approx(float(other.pop(name)), rel=1e-12)
    assert second == other
    for name in ("agent", "model", "best_model", "reward_history", "episode_counts"):
        assert table(got, name) == table(expected, name), name


def table(found, name):
    return found["t.t7"][name]


def test_a_finished_run_is_read_checked_and_reported(capsys, older, tmp_path):
    folder = older / "finished" / "t"
    before = contents(folder)
    commands = [
        ("train", "--resume", folder),
        ("check", folder),
        ("history", "show", folder),
        ("history", "export", folder, "-o", tmp_path / "t.h5"),
        ("report", folder, "-o", tmp_path / "t.html"),
        ("evaluate", folder, "--episodes", "1", "--max-frames", "400"),
        ("train", "--args", folder / "args.json", "--out", folder.parent),
    ]
    said = {}
    for words in commands:
        result = run(capsys, *words)
        assert (result.code, result.err) == (0, ""), words
        said[words[:2]] = result.out
    assert said["train", "--resume"].startswith(f"{folder} is finished: nothing to do.\n")
    assert said["history", "export"].startswith(
        "1 run, 2 evaluations in training, 2 episodes after it: "
    )
    assert contents(folder) == before
