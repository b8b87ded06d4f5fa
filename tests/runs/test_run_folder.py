"""A run's folder that holds other things, too, and what is left alone there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dqn_port.errors import RunFolderError
from dqn_port.runs.run import Run
from dqn_port.runs.run_folder import ARGS, HISTORY
from dqn_port.systems.lua_dqn.system import SYSTEM
from tests.runs.test_run import files, refused, train
from tests.systems.lua_dqn.test_setup import toy_options


def test_a_foreign_folder_or_file_is_left_alone(tmp_path):
    opt = toy_options(name="t")
    expected = (
        f"{tmp_path}/t: expected a run's folder or nothing, got something else; give another "
        "--out or --set name=…"
    )
    (tmp_path / "t").write_text("mine")
    for overwrite in (False, True):
        assert refused(Run(SYSTEM, opt, tmp_path).standing, overwrite=overwrite) == expected
    (tmp_path / "t").unlink()
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "mine.txt").write_text("mine")
    for overwrite in (False, True):
        assert refused(Run(SYSTEM, opt, tmp_path).standing, overwrite=overwrite) == expected
    assert files(tmp_path) == ["t/mine.txt"]


def test_no_run_begins_among_a_pipelines_results_but_one_that_is_there_goes_on(tmp_path):
    folder = tmp_path / "t"
    (folder / "0123456789" / "t").mkdir(parents=True)
    (folder / "0123456789" / "t" / "t.t7").write_text("its own")
    (folder / "latest").symlink_to("0123456789")
    (folder / ".latest.1a2b3c4d").symlink_to("0123456789")
    run = Run(SYSTEM, toy_options(name="t"), tmp_path)
    for overwrite in (False, True):
        assert refused(run.standing, overwrite=overwrite) == (
            f"{tmp_path}/t: holds the results of a pipeline; give the run another name, such as "
            "--set name=t_train, or another --out"
        )
    # An older version left both.
    run.begin()
    run.begin()
    assert (folder / "latest").readlink() == Path("0123456789")
    assert (folder / ".latest.1a2b3c4d").is_symlink()
    assert (folder / "0123456789" / "t" / "t.t7").read_text() == "its own"
    assert run.standing() == "unfinished"
    (folder / ARGS).unlink()
    (folder / "0123456789").rename(folder / "012345678")
    with pytest.raises(RunFolderError, match="got something else"):
        run.standing()


@pytest.mark.parametrize("content", ["", "{", "\udcff"])
def test_an_args_json_that_cannot_be_read(tmp_path, content):
    opt = toy_options(name="t")
    (tmp_path / "t").mkdir()
    path = tmp_path / "t" / ARGS
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    text = refused(Run(SYSTEM, opt, tmp_path).standing)
    assert text.startswith(f"{path}: cannot be read: ")
    assert text.endswith("; --overwrite replaces the run")
    assert Run(SYSTEM, opt, tmp_path).standing(overwrite=True) == "new"


def test_what_is_not_the_runs_survives_its_replacement(tmp_path):
    train(tmp_path, save_versions=80, saveNetworkParams=True)
    folder = tmp_path / "t"
    foreign = {
        "notes.txt", "t_best_so_far.t7", "t-backup.t7", "toy.t7", "t.t7.bak", "t", "t_x.params.t7",
        "download.part", ".t.part", "plots/t.t7",
    }  # fmt: skip
    (folder / "plots").mkdir()
    for name in foreign:
        (folder / name).write_text(name)
    (folder / "tensorboard").mkdir()
    (folder / "tensorboard" / "events").touch()
    run = Run(SYSTEM, toy_options(name="t", seed=2), tmp_path)
    assert run.standing(overwrite=True) == "new"
    run.begin()
    assert set(files(folder)) == foreign | {ARGS, HISTORY}
    for name in foreign:
        assert (folder / name).read_text() == name
    # A run that stops here is known again, foreign files or not.
    assert run.standing() == "unfinished"


def test_a_name_with_signs_of_patterns_removes_only_its_own(tmp_path):
    folder = tmp_path / "a+[b]"
    Run(SYSTEM, toy_options(name="a+[b]"), tmp_path).begin()
    for name in ("a+[b].t7", "aab.t7", "ab.t7"):
        (folder / name).touch()
    Run(SYSTEM, toy_options(name="a+[b]"), tmp_path).begin()
    assert files(folder) == ["aab.t7", "ab.t7", ARGS, HISTORY]


# Faults.


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    run = Run(SYSTEM, toy_options(name="t"), tmp_path / "file")
    assert run.standing() == "new"
    assert refused(list, run.train("cpu")) == (
        f"{tmp_path}/file/t: cannot be written: Not a directory; give another --out"
    )
    run = Run(SYSTEM, toy_options(name="t"), tmp_path / ("x" * 300))
    assert refused(run.standing) == (
        f"{tmp_path}/{'x' * 300}/t: cannot be read: File name too long; give another --out"
    )
