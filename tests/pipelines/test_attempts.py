"""Attempts: one process at a time, each in a folder of its own name."""

from __future__ import annotations

from pathlib import Path

import pytest

from dqn_port.errors import DqnPortError, LockedError, RunFolderError
from dqn_port.events import Saved
from dqn_port.runs.lock import RunLock
from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.setup import load_options
from dqn_port.systems.lua_dqn.system import SYSTEM
from pipelines.attempts import (
    attempts_in,
    claim,
    finish,
    point_latest,
    position,
    put_aside,
    set_aside_in,
)
from tests.cli.running import write_toy


@pytest.fixture
def opt(tmp_path):
    return load_options(args_file=write_toy(tmp_path))


def begun(folder, opt, saves):
    """Train in a new attempt until it has saved so often; return attempt, run and its events."""
    attempt = claim(folder, opt.name)
    run = Run(SYSTEM, opt, attempt)
    events = run.train("cpu")
    while saves:
        if isinstance(next(events), Saved):
            run.save_checkpoint()
            saves -= 1
    return attempt, run, events


def test_an_attempt_is_taken_over_under_another_name(tmp_path):
    first = claim(tmp_path, "toy")
    (first / "toy").mkdir()
    (first / "toy" / "note").write_text("half")
    second = claim(tmp_path, "toy")
    assert second != first
    assert attempts_in(tmp_path) == [second]
    assert (second / "toy" / "note").read_text() == "half"


def test_the_attempt_that_came_farthest_is_taken_and_the_others_go(tmp_path, opt):
    late, _, events = begun(tmp_path, opt, 2)
    events.close()
    late = late.rename(tmp_path / "kept")
    early, _, events = begun(tmp_path, opt, 1)
    events.close()
    assert position(late, "toy") > position(early, "toy") > position(tmp_path, "toy") == -1
    late.rename(tmp_path / ".attempt-0")
    (tmp_path / ".attempt-f").mkdir()
    taken = claim(tmp_path, "toy")
    assert attempts_in(tmp_path) == [taken]
    assert position(taken, "toy") == 2


def test_who_only_slept_finds_its_folder_gone_and_stops(tmp_path, opt):
    """As on another machine, which the file server took for dead."""
    attempt, run, events = begun(tmp_path, opt, 1)
    taken = claim(tmp_path, "toy")
    before = {path: path.stat().st_mtime_ns for path in taken.rglob("*")}
    with pytest.raises(DqnPortError) as caught:
        list(events)
    assert f"{attempt}/toy" in str(caught.value)
    assert not attempt.exists()
    assert {path: path.stat().st_mtime_ns for path in taken.rglob("*")} == before
    # The other goes on where the first has saved.
    steps = [event.step for event in Run(SYSTEM, opt, taken).train("cpu")]
    assert steps[0] == 100
    assert (taken / "toy" / "run.json").exists()
    del run


def test_only_the_holder_of_the_lock_finishes(tmp_path):
    attempt = claim(tmp_path, "toy")
    (attempt / "toy").mkdir()
    with RunLock(tmp_path) as lock:
        (tmp_path / ".lock").unlink()
        with pytest.raises(LockedError):
            finish(attempt, tmp_path / "toy", lock)
    assert not (tmp_path / "toy").exists()
    with RunLock(tmp_path) as lock:
        finish(attempt, tmp_path / "toy", lock)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy"]


def test_what_stands_in_the_way_is_put_aside(tmp_path):
    for content in ("one", "two"):
        (tmp_path / "toy").mkdir()
        (tmp_path / "toy" / "note").write_text(content)
        assert put_aside(tmp_path / "toy") in set_aside_in(tmp_path)
    notes = {(path / "note").read_text() for path in set_aside_in(tmp_path)}
    assert notes == {"one", "two"}
    assert put_aside(tmp_path / "toy") is None


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError) as caught:
        claim(tmp_path / "file", "toy")
    assert str(caught.value) == (
        f"{tmp_path}/file: cannot be written: Not a directory; give another out"
    )


def test_the_link_to_the_latest(tmp_path):
    for name in ("one", "two", "two"):
        (tmp_path / name).mkdir(exist_ok=True)
        point_latest(tmp_path / name)
        assert (tmp_path / "latest").readlink() == Path(name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "one", "two"]
    (tmp_path / "latest").unlink()
    # What a person has put there stays.
    (tmp_path / "latest").mkdir()
    point_latest(tmp_path / "one")
    assert not (tmp_path / "latest").is_symlink()
