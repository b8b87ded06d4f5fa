"""The chain, from the arguments to the report: what it leaves, and what it makes again."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path

import pytest

from dqn_port.exports.hdf5_reading import read_hdf5
from dqn_port.runs.evaluations import read_evaluation
from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.system import SYSTEM
from dqn_port.tools.check import check_run
from pipelines import (
    EvaluateAgent,
    ExportHistory,
    Report,
    Suite,
    TrainAgent,
    TrainEvalReport,
    ValidateRom,
)
from tests.cli.running import toy, write_toy
from tests.pipelines.running import build, history, processes

CHAIN = (ValidateRom, TrainAgent, EvaluateAgent, ExportHistory, Report)


def tree(folder: Path):
    """Everything below a folder, by name, with what a second run must not touch."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.lstat().st_ino)
        for path in folder.rglob("*")
    }


def test_the_chain_leaves_every_target_whole(first_chain):
    task = first_chain.task
    assert all(first_chain.of(kind).complete() for kind in CHAIN)
    assert task.complete()
    place, second = task.folder, task.evaluation_hash
    assert place == Path(task.out) / "toy" / task.resolved.hash
    assert sorted(path.name for path in place.iterdir()) == sorted(
        [
            "rom.json",
            "toy",
            f"evaluation-{second}",
            f"history-{second}.h5",
            f"report-{second}.html",
            f".made-history-{second}.h5.json",
            f".made-report-{second}.html.json",
        ]
    )
    assert (place.parent / "latest").readlink() == Path(place.name)
    assert all(finding.good for finding in check_run(task.run_folder))
    read_hdf5(place / f"history-{second}.h5")
    assert "1 ran successfully" not in first_chain.log
    assert "Scheduled 6 tasks of which:\n* 6 ran successfully" in first_chain.log


def test_its_training_is_that_of_the_program(first_chain, tmp_path):
    alone = Run(SYSTEM, first_chain.task.resolved.options, tmp_path)
    for _ in alone.train("cpu"):
        pass
    assert history(first_chain.task.run_folder) == history(alone.folder)


def test_the_log_tells_how_far_a_training_is_and_no_more_of_luigi_than_is_read(first_chain):
    task = first_chain.task
    name = f"toy/{task.resolved.hash}"
    lines = [line for line in first_chain.log.splitlines() if name in line]
    assert lines[0] == f"INFO: {name}: begins, 200 steps on cpu"
    assert lines[1].startswith(f"INFO: {name}: step 100: evaluation ")
    assert lines[2] == f"INFO: {name}: step 100: saved"
    assert lines[-1].startswith(f"INFO: {name}: best network: ")
    for noise in ("Informed scheduler", "Worker(", "pid ", "Keep-Alive", "Traceback", "Warning"):
        assert noise not in first_chain.log


def test_the_same_words_again_do_nothing_and_say_so(first_chain):
    before = tree(Path(first_chain.task.out))
    with processes(Path(first_chain.task.out).parent / "again") as started:
        assert started.luigi(*first_chain.words, "--local-scheduler").wait(60) == 0
        log = started.log()
    assert "Scheduled 1 tasks of which:\n* 1 complete ones were encountered" in log
    assert "Did not run any tasks" in log
    assert tree(Path(first_chain.task.out)) == before


def test_the_manifest_of_a_game_without_a_rom(first_chain):
    table = json.loads((first_chain.task.folder / "rom.json").read_text())
    assert table == {
        "system": "lua_dqn",
        "game": "toyB",
        "supported": True,
        "md5": None,
        "bytes": None,
        "actions": None,
    }


def test_the_manifest_of_an_atari_game(tmp_path, caplog):
    pool = "pool_frms=type=max,size=2"
    task = ValidateRom(args_file="legacy_args/pong_quick.json", set=(pool,), out=str(tmp_path))
    assert not task.complete()
    task.run()
    assert task.complete()
    # What may not be meant is told before anything is trained.
    assert caplog.messages == [
        "--set: pool_frms.type: the bare name max is nil in Lua, so type is absent and takes its "
        "default; a text needs quotes that the shell keeps: 'type=\"max\"'"
    ]
    table = json.loads((task.folder / "rom.json").read_text())
    actions = [(action["number"], action["name"]) for action in table.pop("actions")]
    assert actions == [(0, "NOOP"), (3, "RIGHT"), (4, "LEFT")]
    assert table == {
        "system": "lua_dqn",
        "game": "pong",
        "supported": True,
        "md5": "60e0ea3cbe0913d39803477945e9e5ec",
        "bytes": 2048,
    }
    (task.folder / "rom.json").write_text(json.dumps(table | {"md5": "0" * 32}))
    assert not task.complete()


def test_equal_arguments_are_one_run_however_they_are_written(tmp_path):
    task = TrainAgent(args_file=str(write_toy(tmp_path)), out="out")
    there = task.folder
    (tmp_path / "other").mkdir()
    words = dict(reversed(toy().items())) | {"steps": 200.0, "prog_freq": 7, "verbose": 0}
    (tmp_path / "other" / "toy.json").write_text(json.dumps(words))
    same = TrainAgent(args_file=str(tmp_path / "other" / "toy.json"), out="out", threads=3)
    assert same.folder == there
    assert task.of(TrainAgent, set=("seed=1",)).folder == there
    assert task.of(TrainAgent, set=("seed=2",)).folder != there
    assert task.of(TrainAgent, device="cuda").folder != there


EVALUATIONS = {
    "episodes": 3,
    "epsilon": 0.1,
    "evaluation_seeds": (1, 2),
    "max_frames": 100,
    "networks": ("best",),
    "clip": False,
}


@pytest.mark.parametrize("key", EVALUATIONS)
def test_another_way_to_evaluate_is_another_evaluation_of_the_same_run(first_chain, key):
    task = first_chain.task
    other = task.of(TrainEvalReport, **{key: EVALUATIONS[key]})
    assert other.run_folder == task.run_folder
    assert other.of(TrainAgent).complete()
    for kind in (EvaluateAgent, ExportHistory, Report):
        assert not other.of(kind).complete()
        assert not {*other.of(kind).files()} & {*task.of(kind).files()}


def flip(path: Path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path):
    path.write_bytes(path.read_bytes()[:-20])


def empty(path: Path):
    path.write_bytes(b"")


# What is damaged → the first task of the chain that is no longer complete.
DAMAGE = {
    "{}/rom.json": ValidateRom,
    "{}/toy/run.json": TrainAgent,
    "{}/toy/toy.t7": TrainAgent,
    "{}/toy/args.json": TrainAgent,
    "{}/evaluation-*/evaluation.json": EvaluateAgent,
    "{}/evaluation-*/clip.webp": EvaluateAgent,
    "{}/history-*.h5": ExportHistory,
    "{}/.made-history-*.json": ExportHistory,
    "{}/report-*.html": Report,
}


@pytest.mark.parametrize("how", [cut, empty, Path.unlink], ids=["cut", "empty", "removed"])
@pytest.mark.parametrize("pattern", DAMAGE)
def test_a_damaged_target_is_found(chain, pattern, how):
    assert chain.task.complete()
    (path,) = Path(chain.task.out).glob(pattern.format(f"toy/{chain.task.resolved.hash}"))
    how(path)
    first = DAMAGE[pattern]
    assert not chain.of(first).complete()
    before = CHAIN[: CHAIN.index(first)]
    assert all(chain.of(kind).complete() for kind in before if kind is not ExportHistory)
    assert not chain.task.complete()


@pytest.mark.parametrize(
    "pattern", ["{}/toy/toy.t7", "{}/evaluation-*/seen.png", "{}/history-*.h5", "{}/report-*.html"]
)
def test_one_flipped_bit_is_found(chain, pattern):
    (path,) = Path(chain.task.out).glob(pattern.format(f"toy/{chain.task.resolved.hash}"))
    flip(path)
    assert not chain.task.complete()


def test_what_is_made_of_a_damaged_run_is_made_again_and_the_log_says_why(chain, caplog):
    run, folder = chain.task.run_folder, chain.task.folder
    rows = history(run)
    flip(run / "toy.t7")
    with caplog.at_level(logging.INFO):
        assert build(chain.task).scheduling_succeeded
    assert chain.task.complete()
    assert history(run) == rows
    (aside,) = folder.glob(".damaged-toy-*")
    fault = f"{run}/toy.t7: damaged: its sha256 is not the one in run.json"
    assert f"TrainAgent: {fault}; it is made again" in caplog.messages
    assert f"toy/{folder.name}: {fault}; put aside as {aside}" in caplog.messages
    # The new snapshot is another file, by its times; so what was played by it is another, too.
    record = read_evaluation(chain.task.evaluation_folder)
    assert record.snapshot_sha256 in json.loads((run / "run.json").read_text())["sha256"].values()
    begun = [m.partition("(")[0] for m in caplog.messages if m.startswith("begins: ")]
    assert sorted(begun) == sorted(
        f"begins: {kind.__name__}" for kind in (*CHAIN[1:], TrainEvalReport)
    )


def test_a_damaged_hdf5_alone_is_made_again_to_the_same_bytes(chain, caplog):
    (path,) = chain.of(ExportHistory).files()
    content = path.read_bytes()
    flip(path)
    with caplog.at_level(logging.INFO):
        assert build(chain.task).scheduling_succeeded
    assert path.read_bytes() == content
    assert sum(message.startswith("begins: ") for message in caplog.messages) == 2
    assert (
        f"ExportHistory: {path}: damaged: its sha256 is not the one in .made-{path.name}.json; "
        "it is made again"
    ) in caplog.messages


def test_what_another_worker_has_made_since_is_left_alone(chain, caplog):
    """Two workers with schedulers of their own: who comes later finds the target there."""
    before = tree(Path(chain.task.out))
    with caplog.at_level(logging.INFO):
        for kind in (*CHAIN, TrainEvalReport):
            chain.of(kind).run()
    assert tree(Path(chain.task.out)) == before
    assert [m for m in caplog.messages if m.endswith(" was made by another process")] == [
        f"{chain.of(kind).files()[-1]} was made by another process" for kind in CHAIN
    ]


def test_a_tree_that_was_moved_is_complete(chain, tmp_path):
    Path(chain.task.out).rename(tmp_path / "elsewhere")
    assert not chain.task.complete()
    assert chain.task.clone(out=str(tmp_path / "elsewhere")).complete()


def test_a_suite_makes_a_league_of_runs_that_are_there(chain, caplog):
    words = {"args_file": chain.task.args_file, "out": chain.task.out, "episodes": 2}
    suite = Suite(games=("toyB",), seeds=(1,), name="one", **words)
    assert not suite.complete()
    with caplog.at_level(logging.INFO):
        assert build(suite).scheduling_succeeded
    assert suite.complete()
    assert [m.partition("(")[0] for m in caplog.messages if m.startswith("begins")] == [
        "begins: Suite"
    ]
    assert suite.folder.parent == Path(chain.task.out) / "suite_one"
    with (suite.folder / "league.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    record = read_evaluation(chain.task.evaluation_folder)
    rewards = [episode.reward for episode in record.of("best")]
    assert (row["game"], row["system"], row["seeds"]) == ("toyB", "lua_dqn", "1")
    assert float(row["mean"]) == sum(rewards) / 2
    assert (row["std"], row["human"], row["paper_normalised"]) == ("", "", "")
    assert json.loads((suite.folder / "league.json").read_text())["rows"][0]["game"] == "toyB"
    read_hdf5(suite.folder / "history.h5")
    assert (suite.folder / "report.html").read_text().rstrip().endswith("</html>")
    for path in suite.files():
        content = path.read_bytes()
        flip(path)
        assert not suite.complete(), path
        path.write_bytes(content)
    assert suite.complete()
