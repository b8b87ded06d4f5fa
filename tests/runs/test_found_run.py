"""What RUN means, wherever it stands in the words of a command."""

from __future__ import annotations

import json
import os

import pytest

from dqn_port.errors import RunFolderError
from dqn_port.runs.found_run import FoundRun, find_run, names_run

HASH = "0123456789"


def make_run(folder, *, name=None):
    folder.mkdir(parents=True)
    (folder / "args.json").write_text(json.dumps({"name": name or folder.name}))
    return folder


@pytest.fixture
def pipeline(tmp_path):
    """(NAME, its run's folder), as a pipeline leaves them."""
    run = make_run(tmp_path / "pong" / HASH / "pong")
    (run.parent / "evaluation-1").mkdir()
    (tmp_path / "pong" / "latest").symlink_to(HASH)
    return tmp_path / "pong", run


def refusal(path):
    with pytest.raises(RunFolderError) as caught:
        find_run(path)
    return str(caught.value)


def test_a_folder_its_arguments_and_its_snapshots(tmp_path):
    folder = make_run(tmp_path / "a")
    assert find_run(folder) == find_run(folder / "args.json") == FoundRun(folder=folder)
    for name in ("a.t7", "a_12.t7", "a.params.t7"):
        (folder / name).touch()
        os.utime(folder / name, (len(name), len(name)))
        assert find_run(folder / name) == FoundRun(folder=folder, snapshot=folder / name)
        assert names_run(folder / name)
    assert find_run(folder / "a.t7").pick_snapshot() == folder / "a.t7"
    assert find_run(folder).pick_snapshot() == folder / "a_12.t7"


def test_a_file_of_another_name_is_not_of_the_run(tmp_path):
    folder = make_run(tmp_path / "a")
    for name in ("agent.t7", "a", "a.t7.bak", "history.csv"):
        (folder / name).touch()
        assert not names_run(folder / name)
        assert refusal(folder / name) == (
            f"{folder / name}: expected a run's folder, its args.json or its snapshot, got "
            "another file"
        )
    # The arguments alone tell which snapshot is the run's.
    (folder / "args.json").write_text("[" * 100_000)
    (folder / "a.t7").touch()
    assert not names_run(folder / "a.t7")


def test_a_pipelines_folders_stand_for_its_run(pipeline):
    name, run = pipeline
    for path in (name, name / HASH, run, run / "args.json"):
        assert find_run(path) == FoundRun(folder=run)
    through_the_link = find_run(name / "latest").folder
    assert through_the_link == name / "latest" / "pong"
    assert through_the_link.resolve() == run.resolve()


def test_a_name_without_its_link_leads_to_the_runs(pipeline):
    name, run = pipeline
    (name / "latest").unlink()
    (name / "latest").symlink_to("gone")
    hint = f"got none with args.json; name one of those in it, such as {run}"
    assert refusal(name) == f"{name}: expected a run's folder, {hint}"
    (name / "latest").unlink()
    assert refusal(name) == f"{name}: expected a run's folder, {hint}"
    assert refusal(name.parent) == f"{name.parent}: expected a run's folder, {hint}"
    assert refusal(run.parent / "evaluation-1") == (
        f"{run.parent}/evaluation-1: expected a run's folder, got none with args.json"
    )


def test_a_folder_of_runs_names_one(tmp_path):
    for name in "ba":
        make_run(tmp_path / name)
    assert refusal(tmp_path) == (
        f"{tmp_path}: expected a run's folder, got none with args.json; name one of those in it, "
        f"such as {tmp_path}/a"
    )


def test_a_training_that_goes_on_is_named(tmp_path):
    run = make_run(tmp_path / "pong" / HASH / ".attempt-0a" / "pong")
    (tmp_path / "pong" / "latest").symlink_to(HASH)
    for path in (tmp_path / "pong", tmp_path / "pong" / HASH):
        assert refusal(path) == (
            f"{path}: expected a run's folder, got none with args.json; its training has not "
            f"ended, and stands in {run}"
        )


def test_where_both_stand_the_plain_run_is_meant(pipeline):
    name, _ = pipeline
    (name / "args.json").write_text('{"name": "pong"}')
    (name / "pong.t7").touch()
    assert find_run(name) == FoundRun(
        folder=name,
        notes=(
            f"{name}: holds a run and a pipeline's results; the run is taken; for the others, "
            f"name a folder in it, such as {name}/latest",
        ),
    )
    # These can mean nothing else.
    assert find_run(name / "pong.t7") == FoundRun(folder=name, snapshot=name / "pong.t7")
    assert find_run(name / "args.json") == FoundRun(folder=name)


def test_what_is_not_there(tmp_path):
    path = tmp_path / "a"
    assert refusal(path) == f"{path}: expected a run's folder, got nothing there"
    assert not names_run(path)
    path = tmp_path / ("a" * 300)
    assert refusal(path) == f"{path}: cannot be read: File name too long"
    assert not names_run(path)
