"""The record of a run's folder: what it tells, and what is refused."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from dqn_port.cli.main import main
from dqn_port.errors import DqnPortError, RunFolderError
from dqn_port.records import Column, Table
from dqn_port.runs.record import HistoryCsvError, read_run, read_table
from dqn_port.systems.lua_dqn.snapshot import load_snapshot
from tests.cli.running import write_toy
from tests.exports.building import ROWS, SHA256, write_rows, write_run


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory):
    """The folder of a real run of the toy game."""
    folder = tmp_path_factory.mktemp("toy")
    with pytest.raises(SystemExit) as stop:
        main(["train", "--args", str(write_toy(folder)), "--out", str(folder), "--quiet"])
    assert not stop.value.code
    return folder / "toy"


def test_a_real_run_has_the_time_of_its_snapshot(toy_run):
    run = read_run(toy_run)
    snapshot = load_snapshot(toy_run / "toy.t7")
    assert run.time.tolist() == snapshot.history("time_history")
    assert run.history["reward"].tolist() == snapshot.history("reward_history")
    about = json.loads((toy_run / "run.json").read_text())
    assert run.arguments == json.loads((toy_run / "args.json").read_text())
    assert (run.name, run.game, run.seed, run.finished) == ("toy", "toyB", 1, True)
    assert (run.about, run.arguments_hash) == (about, about["arguments_hash"])
    assert (run.snapshot, run.rom_md5) == (toy_run / "toy.t7", None)
    assert run.versions == about["versions"]
    assert run.snapshot_sha256s == set(about["sha256"].values())


def test_the_columns_have_their_types(tmp_path):
    run = read_run(write_run(tmp_path / "a"))
    whole = {"step", "frames", "episodes", "rewards", "best"}
    for column, values in run.history.items():
        assert values.dtype == (np.int64 if column in whole else np.float64)
        assert values.tolist() == [row[column] for row in ROWS]
    assert run.rom_md5 == "60e0ea3cbe0913d39803477945e9e5ec"
    # 1.5 s, 2.5 s and 3.5 s, by hand; there is no snapshot to ask.
    assert (run.snapshot, run.time.tolist()) == (None, [0, 1.5, 4, 7.5])


def test_a_run_without_an_evaluation(tmp_path):
    run = read_run(write_run(tmp_path / "a", rows=[], finished=False))
    assert (run.time.tolist(), run.finished, run.about) == ([0], False, {})
    assert (run.arguments_hash, run.versions, run.rom_md5) == ("", {}, None)
    assert not run.snapshot_sha256s
    assert all(values.shape == (0,) for values in run.history.values())


def test_an_unfinished_run_has_its_newest_snapshot(tmp_path, toy_run):
    folder = write_run(tmp_path / "a", finished=False)
    content = (toy_run / "toy.t7").read_bytes()
    for i, name in enumerate(("a_2.t7", "a_1.t7", "a.params.t7", "ab.t7")):
        (folder / name).write_bytes(content)
        os.utime(folder / name, (i, i))
    run = read_run(folder)
    assert run.snapshot == folder / "a_1.t7"
    # The snapshot's two evaluations do not fit the three rows.
    assert run.time.tolist() == [0, 1.5, 4, 7.5]


def test_times_of_another_run_are_not_taken(tmp_path, toy_run):
    folder = write_run(tmp_path / "a", finished=False, rows=ROWS[:2])
    (folder / "a.t7").write_bytes((toy_run / "toy.t7").read_bytes())
    assert read_run(folder).time.tolist() == [0, 1.5, 4]


def refusal(folder):
    with pytest.raises(RunFolderError) as refused:
        read_run(folder)
    text = str(refused.value)
    assert "\n" not in text
    return text.replace(str(folder), "RUN")


CHECK = "; look at the run with `dqn-port check`"


def test_a_folder_that_is_no_runs(tmp_path):
    assert refusal(tmp_path) == "RUN: expected a run's folder, got none with args.json"


def test_a_snapshot_that_was_changed(tmp_path):
    folder = write_run(tmp_path / "a")
    (folder / "a.t7").write_bytes(b"else")
    digest = "f6a03afd995e0ae86bb46f8ad2b38d2f34616f1c8c31498e4ab59d4e74d4b7a7"
    text = refusal(folder)
    assert text.startswith("RUN/a.t7: expected the sha256 in run.json, got ")
    assert text.endswith(CHECK)
    assert len(text) == len(f"RUN/a.t7: expected the sha256 in run.json, got {digest}{CHECK}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("args.json", "{", "JSON, got Expecting property name enclosed in double quotes: line 1 "
         "column 2 (char 1)"),
        ("args.json", "[]", "an object, got []"),
        ("args.json", "[" * 100_000, "JSON, got maximum recursion depth exceeded while decoding a "
         "JSON array from a unicode string"),
        ("args.json", '{"name": 3}', "name: a text, got 3"),
        ("args.json", '{"name": "a", "env": ""}', 'env: a text, got ""'),
        ("args.json", '{"name": "a", "env": "b"}', "seed: a whole number, got null"),
        ("args.json", '{"name": "a", "env": "b", "seed": 1.5}', "seed: a whole number, got 1.5"),
        ("args.json", '{"name": "a", "env": "b", "seed": NaN}', "seed: a whole number, got NaN"),
        ("args.json", '{"name": "a", "env": "b", "seed": 1e999}',
         "seed: a whole number, got Infinity"),
        ("args.json", '{"name": "a", "env": "b", "seed": true}',
         "seed: a whole number, got true"),
        ("run.json", '{"created": 3}', "created: a text, got 3"),
        ("run.json", '{"created": "", "snapshot": null}', "snapshot: a text, got null"),
        ("run.json", '{"created": "", "snapshot": "a.t7", "sha256": {"a.t7": 1}}',
         'sha256: an object of texts, got {"a.t7": 1}'),
        ("run.json", '{"created": "", "snapshot": "../a.t7", "sha256": {}, "versions": {}}',
         'snapshot: the name of a file, got "../a.t7"'),
        ("history.csv", "", "the columns of a history, got others"),
        ("history.csv", "step,reward\n", "the columns of a history, got others"),
    ],
)  # fmt: skip
def test_a_damaged_file(tmp_path, name, content, message):
    folder = write_run(tmp_path / "a")
    (folder / name).write_text(content)
    assert refusal(folder) == f"RUN/{name}: expected {message}{CHECK}"


@pytest.mark.parametrize(
    "changes",
    [
        {"reward": "nan"},
        {"v": "inf"},
        {"step": 50},
        {"step": "9" * 400},
        {"frames": 2**63},
        {"episodes": 1.5},
        {"v": 1e301},
        {"best": ""},
    ],
)
def test_a_damaged_row(tmp_path, changes):
    folder = write_run(tmp_path / "a")
    write_rows(folder, [ROWS[0], ROWS[1] | changes, ROWS[2]])
    text = refusal(folder)
    assert text.startswith("RUN/history.csv: expected line 3: finite numbers and rising steps, got")


def test_a_network_that_diverged_has_its_numbers(tmp_path):
    run = read_run(write_run(tmp_path / "a", rows=[ROWS[0] | {"v": -3e38}]))
    assert run.history["v"].tolist() == [-3e38]


def test_a_row_that_is_cut_is_left_out_of_a_run_that_is_not_finished(tmp_path):
    folder = write_run(tmp_path / "a", finished=False)
    text = (folder / "history.csv").read_text()
    whole = len(read_run(folder).history["step"])
    (folder / "history.csv").write_text(text[: text.rindex("0.25")])
    assert len(read_run(folder).history["step"]) == whole - 1


def test_a_row_that_is_cut_of_a_finished_run(tmp_path):
    folder = write_run(tmp_path / "a")
    text = (folder / "history.csv").read_text()
    (folder / "history.csv").write_text(text[: text.rindex("0.25")])
    assert refusal(folder).startswith("RUN/history.csv: expected line 4: finite numbers and")


def test_what_is_no_file(tmp_path):
    folder = write_run(tmp_path / "a")
    (folder / "history.csv").unlink()
    assert refusal(folder) == (f"RUN/history.csv: cannot be read: No such file or directory{CHECK}")
    (folder / "history.csv").mkdir()
    assert refusal(folder) == "RUN/history.csv: expected a file, got a folder or a device"


def test_a_damaged_snapshot_of_an_unfinished_run(tmp_path):
    folder = write_run(tmp_path / "a", finished=False)
    (folder / "a.t7").write_bytes(b"\x03\x00\x00\x00")
    with pytest.raises(DqnPortError) as refused:
        read_run(folder)
    assert str(refused.value).startswith(f"{folder}/a.t7: ")


def test_the_digests_are_those_of_run_json(tmp_path):
    assert read_run(write_run(tmp_path / "a")).snapshot_sha256s == {SHA256}


@pytest.mark.parametrize("at", [0, 1, 4, 5, 9])
@pytest.mark.parametrize("fault", ["x,1", "1,", "-1,1", "1,nan", "1,1,1", ""])
def test_a_fault_is_told_by_its_line_wherever_the_blocks_of_rows_end(at, fault, monkeypatch):
    monkeypatch.setattr("dqn_port.runs.record._BLOCK", 5)
    table = Table(
        clock="n",
        columns=(Column(name="n", dtype="int64", meaning="of rows"), Column(name="x", meaning="")),
    )
    lines = [f"{n},{n / 2}" for n in range(10)]
    good = read_table("\n".join(["n,x", *lines, ""]).encode(), table, finished=True)
    assert good["n"].tolist() == list(range(10))
    assert good["x"].tolist() == [n / 2 for n in range(10)]
    lines[at] = fault
    if (at, fault) == (0, "-1,1"):
        return
    with pytest.raises(HistoryCsvError) as caught:
        read_table("\n".join(["n,x", *lines, ""]).encode(), table, finished=True)
    assert str(caught.value) == f"line {at + 2}: expected finite numbers and rising steps"
    assert caught.value.got == json.dumps(fault)
