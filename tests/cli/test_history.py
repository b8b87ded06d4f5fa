"""``dqn-port history``: from a run's folder to its table, its HDF5 file and its CSV."""

from __future__ import annotations

import json
import os
import shutil

import h5py
import pytest

from dqn_port.runs.evaluations import to_json
from dqn_port.runs.record import read_run
from dqn_port.torch7 import save
from tests.cli.running import run, write_toy
from tests.exports.building import evaluation_of, write_run
from tests.systems.lua_dqn.test_old_runs import ARGUMENTS, LISTS


def record(folder, of, **how):
    """Write the record of an evaluation and return its folder."""
    folder.mkdir()
    (folder / "evaluation.json").write_text(json.dumps(to_json(evaluation_of(of, **how))))
    return folder


def test_a_real_run_is_shown_and_exported(capsys, tmp_path):
    run(capsys, "train", "--args", write_toy(tmp_path), "--out", tmp_path, "--quiet")
    output = tmp_path / "toy.h5"
    result = run(capsys, "history", "export", tmp_path / "toy", "-o", output)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"1 run, 2 evaluations in training, 0 episodes after it: {output}\n"
    with h5py.File(output) as file:
        assert file["history/step"][:].tolist() == [100, 200]
    of_folder = run(capsys, "history", "show", tmp_path / "toy")
    of_file = run(capsys, "history", "show", output)
    assert (of_folder.code, of_folder.err) == (0, "")
    assert of_folder == of_file
    assert of_folder.out.startswith("toy: toyB, seed 1, finished\n\n      steps ")


def test_snapshots_alone_are_shown_exported_and_reported(capsys, tmp_path):
    for name in ("first", "second"):
        save(tmp_path / f"{name}.t7", LISTS | {"arguments": ARGUMENTS})
    first, second = tmp_path / "first.t7", tmp_path / "second.t7"
    shown = run(capsys, "history", "show", first)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("first: breakout, seed 1, from its snapshot alone\n\n      steps ")
    for output, flags in (("a.h5", ()), ("a.csv", ("--csv",))):
        result = run(capsys, "history", "export", first, "-o", tmp_path / output, *flags)
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith("1 run, 3 evaluations in training")
    assert run(capsys, "history", "show", tmp_path / "a.h5").out == shown.out
    result = run(capsys, "report", first, "-o", tmp_path / "a.html")
    assert (result.code, result.out) == (0, f"1 run, 0 evaluations: {tmp_path}/a.html\n")
    result = run(capsys, "report", first, second, "-o", tmp_path / "a.html")
    assert (result.code, result.out) == (0, f"2 runs, 0 evaluations: {tmp_path}/a.html\n")
    before = first.read_bytes()
    result = run(capsys, "history", "export", first, "-o", first)
    assert (result.code, result.error) == (
        2,
        f"-o: expected a new file, got {first}, a part of the run itself",
    )
    result = run(capsys, "history", "export", first, first, "-o", tmp_path / "a.h5")
    assert (result.code, result.error) == (1, f"{first}: expected every run once, got it 2 times")
    result = run(capsys, "history", "show", first, "--layout")
    assert (result.code, result.error) == (
        2,
        f"--layout: expected an exported file, got the run {first}",
    )
    assert first.read_bytes() == before


def test_a_runs_own_snapshot_stands_for_the_run(capsys, tmp_path):
    run(capsys, "train", "--args", write_toy(tmp_path), "--out", tmp_path, "--quiet")
    folder = tmp_path / "toy"
    shown = run(capsys, "history", "show", folder)
    assert run(capsys, "history", "show", folder / "toy.t7") == shown
    assert ", finished\n" in shown.out
    # Of another name it is a snapshot alone, with evaluations of its own.
    other = shutil.copy(folder / "toy.t7", folder / "other.t7")
    alone = run(capsys, "history", "show", other)
    assert alone.out == shown.out.replace("toy: toyB", "other: toyB").replace(
        ", finished", ", from its snapshot alone"
    )
    words = ("--episodes", "1", "--no-clip")
    assert run(capsys, "record", other, "-o", folder / "evaluation-1", *words).code == 0
    result = run(capsys, "history", "export", other, "-o", tmp_path / "a.h5")
    assert result.out == (
        f"1 run, 2 evaluations in training, 2 episodes after it: {tmp_path}/a.h5\n"
    )


def test_evaluations_beside_the_run_are_taken(capsys, tmp_path):
    folder = write_run(tmp_path / "a")
    record(tmp_path / "evaluation-1", read_run(folder))
    record(tmp_path / "evaluation-2", read_run(folder), sha256="0" * 64)
    output = tmp_path / "a.h5"
    result = run(capsys, "history", "export", folder, "-o", output)
    assert result.out == f"1 run, 3 evaluations in training, 3 episodes after it: {output}\n"
    shown = run(capsys, "history", "show", output)
    assert shown.out.splitlines()[-3:] == [
        "",
        "evaluated, last network: -19.75 ± 1.061, 2 episodes",
        "evaluated, best network: 3, 1 episode",
    ]


def test_evaluations_that_are_named(capsys, tmp_path):
    folder = write_run(tmp_path / "runs" / "a")
    mine = record(tmp_path / "mine", read_run(folder))
    record(tmp_path / "runs" / "evaluation-1", read_run(folder))
    output = tmp_path / "a.h5"
    words = ("history", "export", folder, "-o", output, "--evaluation", mine)
    result = run(capsys, *words)
    assert result.out == f"1 run, 3 evaluations in training, 3 episodes after it: {output}\n"
    other = record(tmp_path / "other", read_run(folder), sha256="0" * 64)
    refused = run(capsys, *words, "--evaluation", other)
    assert (refused.code, refused.error) == (
        1,
        f"{other}: expected the evaluation of a snapshot of {folder}; got that of a.t7 with "
        "sha256 000000000000…; evaluate the run again",
    )


def test_several_runs_in_one_file(capsys, tmp_path):
    folders = [write_run(tmp_path / name) for name in "ab"]
    output = tmp_path / "all.h5"
    run(capsys, "history", "export", *folders, "-o", output)
    shown = run(capsys, "history", "show", output).out
    alone = [run(capsys, "history", "show", folder).out for folder in folders]
    assert shown == "\n".join(alone)


def test_the_layout_lists_every_dataset_in_80_columns(capsys, tmp_path):
    output = tmp_path / "a.h5"
    run(capsys, "history", "export", write_run(tmp_path / "a"), "-o", output)
    lines = run(capsys, "history", "show", output, "--layout").out.splitlines()
    assert max(map(len, lines)) <= 80
    found = {line.split()[1] for line in lines if line.startswith(("GROUP", "DATASET"))}
    expected = {"/"}
    with h5py.File(output) as file:
        file.visit(lambda name: expected.add(f"/{name}"))
    assert found == expected
    i = lines.index("DATASET /history/time  float64 (4,), along time_step")
    assert lines[i + 1].startswith("    chunks (4,), shuffle, gzip 4, fletcher32, ")
    assert lines[i + 2 : i + 4] == [
        "    long_name: text[42] = training time so far, evaluations left out",
        "    units: text[1] = s",
    ]
    assert "DATASET /episodes/frames  int64 (0,) of any number, along episode" in lines


def test_csv(capsys, tmp_path):
    folder, output = write_run(tmp_path / "a"), tmp_path / "a.csv"
    result = run(capsys, "history", "export", folder, "--csv", "-o", output)
    assert (result.code, result.out) == (0, f"1 run, 3 evaluations in training: {output}\n")
    assert output.read_text().startswith("step,frames,reward,episodes,rewards,v,td,")


@pytest.mark.parametrize("command", [("show",), ("export", "-o", "x.h5")])
def test_a_folder_that_is_no_runs(capsys, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(capsys, "history", *command, tmp_path)
    assert (result.code, result.out) == (1, "")
    assert result.error == f"{tmp_path}: expected a run's folder, got none with args.json"
    assert not (tmp_path / "x.h5").exists()


def test_usage(capsys, tmp_path):
    folder = write_run(tmp_path / "a")
    result = run(capsys, "history", "show", folder, "--layout")
    assert (result.code, result.error) == (
        2,
        f"--layout: expected an exported file, got the run {folder}",
    )
    words = ("history", "export", folder, "--csv", "-o", tmp_path / "x", "--evaluation", folder)
    result = run(capsys, *words)
    assert (result.code, result.error) == (
        2,
        "--csv, --evaluation: expected one of them, got both; HDF5 holds episodes",
    )
    result = run(capsys, "history", "export", "-o", tmp_path / "x")
    assert (result.code, result.error) == (
        2,
        "missing argument 'RUN...'; see `dqn-port history export --help`",
    )


def before_and_after(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_name_of_the_other_format(capsys, tmp_path):
    folder = write_run(tmp_path / "a")
    before = before_and_after(tmp_path)
    for name in ("x.h5", "x.HDF5", "x.nc"):
        output = tmp_path / name
        result = run(capsys, "history", "export", folder, "--csv", "-o", output)
        assert (result.code, result.out, result.error) == (
            2, "", f"--csv: expected a name for CSV, got {output}; without --csv it is HDF5",
        )  # fmt: skip
    output = tmp_path / "x.csv"
    result = run(capsys, "history", "export", folder, "-o", output)
    assert (result.code, result.out, result.error) == (
        2, "", f"-o: expected a name for HDF5, got {output}; with --csv it is CSV",
    )  # fmt: skip
    assert before_and_after(tmp_path) == before


@pytest.mark.parametrize(
    "words",
    [("--csv", "-o", "history.csv"), ("-o", "args.json"), ("-o", "a.t7"), ("-o", "link")],
)
def test_no_part_of_the_run_is_replaced(capsys, tmp_path, words):
    folder = write_run(tmp_path / "a")
    (folder / "link").symlink_to("run.json")
    before = before_and_after(tmp_path)
    output = folder / words[-1]
    result = run(capsys, "history", "export", folder, *words[:-1], output)
    assert (result.code, result.out, result.error) == (
        2, "", f"-o: expected a new file, got {output}, a part of the run itself",
    )  # fmt: skip
    assert before_and_after(tmp_path) == before
    # What is none of it may lie in its folder.
    assert run(capsys, "history", "export", folder, "-o", folder / "a.h5").code == 0


@pytest.mark.parametrize("words", [(), ("--csv",)])
def test_what_cannot_be_written(capsys, tmp_path, words):
    folder = write_run(tmp_path / "a")
    os.mkfifo(tmp_path / "fifo")
    before = before_and_after(tmp_path)
    unharmed = "; what was there is unchanged"
    for output, why in (
        (tmp_path, f"it is not a file{unharmed}"),
        (tmp_path / "fifo", f"it is not a file{unharmed}"),
        (tmp_path / ("x" * 300), f"File name too long{unharmed}"),
        (tmp_path / "none" / "x", "its folder does not exist; make it first"),
        (folder / "args.json" / "x", "its folder does not exist; make it first"),
    ):
        result = run(capsys, "history", "export", folder, *words, "-o", output)
        assert (result.code, result.out) == (1, "")
        assert result.error == f"{output}: cannot be written: {why}"
    assert before_and_after(tmp_path) == before


def test_a_damaged_file_is_one_line(capsys, tmp_path):
    output = tmp_path / "a.h5"
    run(capsys, "history", "export", write_run(tmp_path / "a"), "-o", output)
    output.write_bytes(output.read_bytes()[:-1000])
    result = run(capsys, "history", "show", output)
    assert (result.code, result.out) == (1, "")
    assert result.error.startswith(f"{output}: damaged: the HDF5 library says OSError: ")
    missing = run(capsys, "history", "show", tmp_path / "none.h5")
    assert missing.error == f"{tmp_path / 'none.h5'}: cannot be read: No such file or directory"
