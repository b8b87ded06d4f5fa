"""The exported file: what stands in it, for whom, and that the same runs give the same bytes."""

from __future__ import annotations

import dataclasses
import datetime
import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

from dqn_port.errors import EvaluationError, HistoryError, RunFolderError
from dqn_port.exports.hdf5 import (
    export_hdf5,
    run_ids,
)
from dqn_port.exports.hdf5_layout import EPISODES, history_series
from dqn_port.exports.hdf5_reading import read_hdf5
from dqn_port.runs.record import read_run
from dqn_port.systems.lua_dqn.histories import HISTORY
from tests.exports.building import ROWS, SHA256, evaluation_of, write_run

LATER = datetime.datetime(2027, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


@pytest.fixture
def run(tmp_path):
    return read_run(write_run(tmp_path / "a"))


@pytest.fixture
def exported(tmp_path, run):
    path = tmp_path / "a.h5"
    export_hdf5(path, [(run, [evaluation_of(run)])])
    return path


def test_the_series_are_those_of_the_run(exported, run):
    with h5py.File(exported) as file:
        history = {name: dataset[:].tolist() for name, dataset in file["history"].items()}
    renamed = {"episodes": "episode_counts", "rewards": "reward_counts"}
    for column in ROWS[0]:
        assert history.pop(renamed.get(column, column)) == [row[column] for row in ROWS]
    assert history == {"time": [0, 1.5, 4, 7.5], "time_step": [0, 100, 200, 300]}


def test_the_episodes_are_those_of_the_evaluations(tmp_path, run):
    path = tmp_path / "a.h5"
    export_hdf5(path, [(run, [evaluation_of(run), evaluation_of(run)])])
    with h5py.File(path) as file:
        episodes = {name: dataset[:].tolist() for name, dataset in file["episodes"].items()}
        told = json.loads(file["episodes"].attrs["evaluations"])
    assert episodes == {
        "episode": list(range(6)),
        "return": [-20.5, -19.0, 3.0] * 2,
        "length": [10, 20, 30] * 2,
        "frames": [40, 80, 120] * 2,
        "seed": [1, 2, 1] * 2,
        "network": [b"last", b"last", b"best"] * 2,
        "cut": [0, 1, 0] * 2,
        "evaluation": [0] * 3 + [1] * 3,
    }
    assert told[0] == {
        "folder": "evaluation-1",
        "snapshot": "a.t7",
        "snapshot_sha256": SHA256,
        "epsilon": 0.05,
        "seeds": [1, 2],
        "max_frames": 18000,
        "frames_per_step": 4,
        "random_starts": 30,
        "versions": {"python": "3.11.7"},
    }


def texts(attributes):
    found = {}
    for name in attributes:
        kind = attributes.get_id(name).get_type()
        value = attributes[name]
        if isinstance(value, bytes):
            assert not kind.is_variable_str()
            assert kind.get_cset() == h5py.h5t.CSET_UTF8
            value = value.decode()
        found[name] = value
    return found


def test_the_root_tells_of_the_run(exported, run):
    with h5py.File(exported) as file:
        told = texts(file.attrs)
    assert json.loads(told.pop("arguments")) == run.arguments
    assert json.loads(told.pop("versions")) == {"python": "3.11.7", "torch": "2.13.0"}
    assert json.loads(told.pop("tables")) == json.loads(json.dumps([HISTORY.to_json()]))
    assert told == {
        "schema": "dqn-port history",
        "schema_version": 3,
        "Conventions": "CF-1.11",
        "created": "2026-02-03T04:05:06+00:00",
        "run_count": 1,
        "name": "a",
        "game": "pong",
        "rom_md5": "60e0ea3cbe0913d39803477945e9e5ec",
        "arguments_hash": "0123456789",
        "seed": 3,
        "finished": 1,
        "system": "lua_dqn",
    }


@pytest.mark.parametrize("empty", [False, True])
def test_every_dataset_is_as_other_programs_need_it(tmp_path, empty):
    run = read_run(write_run(tmp_path / "a", rows=[] if empty else ROWS))
    path = tmp_path / "a.h5"
    export_hdf5(path, [(run, [] if empty else [evaluation_of(run)])])
    with h5py.File(path) as file:
        for group, table in (("history", history_series(HISTORY)), ("episodes", EPISODES)):
            assert sorted(file[group]) == sorted(each.name for each in table)
            for each in table:
                dataset = file[group][each.name]
                kind = dataset.id.get_type().get_class()
                assert kind in (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING)
                storage = (dataset.compression, dataset.shuffle, dataset.fletcher32)
                if each.words:
                    assert h5py.check_string_dtype(dataset.dtype) == ("utf-8", None)
                    assert storage == (None, False, False)
                else:
                    assert dataset.dtype == each.dtype
                    assert storage == ("gzip", True, True)
                told = {name: bytes(dataset.attrs[name]) for name in ("units", "long_name")}
                assert told == {
                    "units": each.units.encode(),
                    "long_name": each.long_name.encode(),
                }
                if each.axis == each.name:
                    assert dataset.is_scale
                else:
                    (scale,) = dataset.dims[0].values()
                    assert scale == file[group][each.axis]
        if empty:
            assert {len(file["history"][name]) for name in file["history"]} == {0, 1}
            assert {len(file["episodes"][name]) for name in file["episodes"]} == {0}
    read_hdf5(path)


def test_several_runs_stand_side_by_side(tmp_path):
    runs = [read_run(write_run(tmp_path / name / "pong", about={"arguments_hash": name}))
            for name in ("aa", "bb")]  # fmt: skip
    other = read_run(
        write_run(tmp_path / "toy", rows=ROWS[:1], about={"created": "2026-02-04T00:00:00+02:00"})
    )
    path = tmp_path / "s.h5"
    export_hdf5(path, [(runs[0], [evaluation_of(runs[0])]), (runs[1], []), (other, [])])
    with h5py.File(path) as file:
        assert list(file) == ["runs"]
        assert list(file["runs"]) == ["pong-aa", "pong-bb", "toy"]
        assert set(file.attrs) == {
            "schema", "schema_version", "Conventions", "created", "run_count",
        }  # fmt: skip
        assert file["runs/pong-bb"].attrs["arguments_hash"] == b"bb"
    found = read_hdf5(path)
    assert found.attributes["run_count"] == 3
    # The newest of the three, in UTC.
    assert found.attributes["created"] == "2026-02-03T22:00:00+00:00"
    assert [each.path for each in found.runs] == ["/runs/pong-aa", "/runs/pong-bb", "/runs/toy"]
    assert [len(each.history["step"]) for each in found.runs] == [3, 3, 1]
    assert [len(each.episodes["seed"]) for each in found.runs] == [3, 0, 0]


def test_what_is_written_is_read(exported, run):
    (found,) = read_hdf5(exported).runs
    assert found.path == "/"
    assert json.loads(found.attributes["arguments"]) == run.arguments
    for name in ("step", "v", "td", "lr", "best"):
        assert np.array_equal(found.history[name], run.history[name])
    assert found.history["step"].dtype == np.int64
    assert np.array_equal(found.history["time"], run.time)
    assert found.episodes["network"].tolist() == ["last", "last", "best"]


def test_a_file_of_the_first_version_is_read(exported):
    expected = read_hdf5(exported)
    with h5py.File(exported, "r+") as file:
        file.attrs["schema_version"] = np.int64(1)
        del file.attrs["system"], file.attrs["tables"]
        words = file["episodes/network"]
        told = {name: words.attrs[name] for name in ("units", "long_name")}
        del file["episodes/network"]
        stored = {"chunks": (3,), "compression": "gzip", "shuffle": True, "fletcher32": True}
        words = file["episodes"].create_dataset(
            "network", data=np.array(["last", "last", "best"], "S4"), **stored
        )
        words.dims[0].attach_scale(file["episodes/episode"])
        words.attrs.update(told)
    (found,) = read_hdf5(exported).runs
    assert found.episodes["network"].tolist() == expected.runs[0].episodes["network"].tolist()


def test_the_same_run_gives_the_same_bytes_in_another_process(tmp_path, run):
    paths = [tmp_path / name for name in ("1.h5", "2.h5")]
    code = (
        "import sys; from pathlib import Path; from dqn_port.exports.hdf5 import export_hdf5;"
        "from dqn_port.runs.record import read_run;"
        "export_hdf5(Path(sys.argv[2]), [(read_run(Path(sys.argv[1])), [])])"
    )
    words = [sys.executable, "-c", code, str(run.folder)]
    subprocess.run([*words, str(paths[0])], check=True)
    export_hdf5(paths[1], [(run, [])])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_created_can_be_given(tmp_path, run):
    path = tmp_path / "a.h5"
    export_hdf5(path, [(run, [])], created=LATER)
    assert read_hdf5(path).attributes["created"] == "2027-01-02T03:04:05+00:00"


def test_an_unfinished_run_is_as_old_as_its_history(tmp_path):
    run = read_run(write_run(tmp_path / "a", finished=False))
    path = tmp_path / "a.h5"
    export_hdf5(path, [(run, [])])
    found = read_hdf5(path)
    modified = (run.folder / "history.csv").stat().st_mtime
    created = datetime.datetime.fromisoformat(found.attributes["created"])
    assert created.timestamp() == int(modified)
    told = found.runs[0].attributes
    assert (told["finished"], told["rom_md5"], told["arguments_hash"]) == (0, "", "")


def test_arguments_may_be_longer_than_an_old_attribute(tmp_path):
    notes = "é\0\ud800" * 100_000
    run = read_run(write_run(tmp_path / "a", arguments={"notes": notes}))
    path = tmp_path / "a.h5"
    export_hdf5(path, [(run, [])])
    (found,) = read_hdf5(path).runs
    assert json.loads(found.attributes["arguments"])["notes"] == notes


def test_names_of_any_kind_are_written(tmp_path):
    run = read_run(write_run(tmp_path / "a", arguments={"name": "Ä\n/日", "env": "\ud800"}))
    path = tmp_path / "a.h5"
    export_hdf5(path, [(run, []), (read_run(write_run(tmp_path / "b")), [])])
    first, _ = sorted(read_hdf5(path).runs, key=lambda each: each.path != "/runs/Ä\n_日")
    assert (first.path, first.attributes["name"]) == ("/runs/Ä\n_日", "Ä\n/日")
    assert first.attributes["game"] == "\\ud800"


def test_ids_are_names_and_never_the_same(tmp_path, run):
    def ids(*told):
        folders = (tmp_path / str(i) for i in range(len(told)))
        return run_ids(
            [
                dataclasses.replace(run, folder=folder, name=name, arguments_hash=digest)
                for folder, (name, digest) in zip(folders, told, strict=True)
            ]
        )

    assert ids(("a", "1"), ("b", "1")) == ["a", "b"]
    assert ids(("a", "1"), ("a", "2"), ("b", "2")) == ["a-1", "a-2", "b"]
    assert ids(("a", "1"), ("a", "1"), ("a-1", "")) == ["a-1", "a-1-2", "a-1-3"]
    assert ids(("a", ""), ("a", "")) == ["a", "a-2"]
    assert ids((".", "x"), ("..", "y")) == ["run-x", "run-y"]


def refusal(call, *words):
    with pytest.raises(HistoryError) as refused:
        call(*words)
    return str(refused.value)


def test_what_cannot_be_exported(tmp_path, run):
    path = tmp_path / "a.h5"
    assert refusal(export_hdf5, path, []) == (
        f"{path}: expected at least one run to export, got none"
    )
    assert refusal(export_hdf5, path, [(run, []), (run, [])]) == (
        f"{run.folder}: expected every run once, got it 2 times"
    )
    strange = evaluation_of(run, sha256="cd" * 32)
    told = (
        f"evaluation-1: expected the evaluation of a snapshot of {run.folder}; got that of a.t7 "
        "with sha256 cdcdcdcdcdcd…; evaluate the run again"
    )
    with pytest.raises(EvaluationError) as refused:
        export_hdf5(path, [(run, [strange])])
    assert str(refused.value) == told
    assert not path.exists()


@pytest.mark.parametrize("created", ["yesterday", "0001-01-01T00:00:00+10:00"])
def test_a_date_that_is_none(tmp_path, created):
    run = read_run(write_run(tmp_path / "a", about={"created": created}))
    assert refusal(export_hdf5, tmp_path / "a.h5", [(run, [])]) == (
        f"{run.folder}: created: expected a date of ISO 8601, got '{created}'"
    )
    assert not (tmp_path / "a.h5").exists()


def test_a_folder_that_does_not_exist(tmp_path, run):
    path = tmp_path / "none" / "a.h5"
    with pytest.raises(RunFolderError) as refused:
        export_hdf5(path, [(run, [])])
    assert str(refused.value) == (
        f"{path}: cannot be written: its folder does not exist; make it first"
    )
