"""Words that cannot be used: one clear line in the log, a nonzero exit, the others unharmed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipelines import EvaluateAgent, Suite, TrainEvalReport, ValidateRom
from tests.cli.running import toy, write_toy
from tests.pipelines.running import build, processes

PONG = Path(__file__).parents[2] / "legacy_args" / "pong_quick.json"


def luigi(folder, *words):
    """Run Luigi by words; return its exit code, its log, and the log's lines of faults."""
    with processes(folder / "work") as started:
        code = started.luigi(*words, "--local-scheduler").wait(60)
        log = started.log()
    assert "Traceback" not in log
    return code, log, [line for line in log.splitlines() if line.startswith("ERROR: ")]


def failed(caplog):
    return [m for m in caplog.messages if m.startswith(("failed: ", "Will not run "))]


def test_an_unknown_parameter(tmp_path):
    code, log, _ = luigi(tmp_path, "TrainAgent", "--args-file", "x.json", "--epsiode", "3")
    assert code == 2
    assert log.splitlines()[-1] == "__main__.py: error: unrecognized arguments: --epsiode 3"


def test_a_missing_parameter(tmp_path):
    code, _, errors = luigi(tmp_path, "TrainAgent")
    assert code == 40
    assert errors == [
        "ERROR: Uncaught exception in luigi: TrainAgent[args=(), kwargs={}]: requires the "
        "'args_file' parameter to be set"
    ]


def test_a_parameter_that_cannot_be_read(tmp_path):
    code, _, errors = luigi(tmp_path, "TrainAgent", "--args-file", "x.json", "--threads", "two")
    assert code == 40
    assert errors == [
        "ERROR: Uncaught exception in luigi: --threads: expected a whole number, got 'two'"
    ]


@pytest.mark.parametrize("config", ["", "[core]\nno_lock = true\n[retcode]\ntask_failed = 31\n"])
def test_a_failure_is_one_without_or_beside_other_configuration(tmp_path, config):
    """Luigi's own codes are 0, whatever has failed."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "luigi.cfg").write_text(config)
    words = ("TrainAgent", "--args-file", "none.json", "--local-scheduler")
    with processes(tmp_path / "work") as started:
        code = started.luigi(*words, LUIGI_CONFIG_PATH="luigi.cfg").wait(60)
        log = started.log()
    assert code == (31 if config else 30)
    assert "DEBUG" not in log
    assert "none.json: cannot be read" in log


def test_a_file_that_is_not_there(tmp_path):
    code, log, errors = luigi(tmp_path, "TrainEvalReport", "--args-file", "none.json")
    assert code == 30
    assert errors == [
        "ERROR: failed: ValidateRom(args_file=none.json, set=[], device=auto): none.json: cannot "
        "be read: No such file or directory; legacy_args/ holds examples"
    ]
    assert "* 1 failed:\n    - 1 ValidateRom(" in log
    assert "* 5 had failed dependencies:" in log


FAULTS = {
    '{"steps": ': r"toy\.json: line 1, column 11: expected JSON, got .*",
    json.dumps({"stesp": 1}): r"toy\.json: stesp: no such key; did you mean 'steps'\?; .*",
    json.dumps(toy(steps=-1)): r"toy\.json: steps: expected .*, got -1.*",
    json.dumps({"system": "practical_rl", "environment": "toyA"}): (
        r"\S*toy\.json: seed: expected a seed, as a pipeline finds its results by their arguments, "
        r"got none; add --seed 1"
    ),
    json.dumps({"system": "hvass16", "env": "toyA", "seed": 1, "replay_size": 9}): (
        r"\S*toy\.json: episodes: expected an end, as a pipeline evaluates what is finished, got "
        r"none; add --length N"
    ),
    json.dumps(toy(framework="alewrap", env="pnog")): r"env: no game is named 'pnog'; did you .*",
    json.dumps(toy(framework="alewrap", env="pong", game_path="/nowhere")): (
        r"/nowhere/pong\.bin: expected the ROM of pong, got No such file or directory; .*"
    ),
}


@pytest.mark.parametrize("text", FAULTS)
def test_arguments_that_cannot_be_used(tmp_path, caplog, text):
    (tmp_path / "toy.json").write_text(text)
    task = TrainEvalReport(args_file=str(tmp_path / "toy.json"), out=str(tmp_path / "out"))
    assert not build(task).worker.run_succeeded
    (said,) = failed(caplog)
    assert re.fullmatch(rf"failed: ValidateRom\(.*\): (.*/)?{FAULTS[text]}", said)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("episodes", 0, "episodes: expected 1 or more, got 0"),
        ("epsilon", 1.5, "epsilon: expected 0 to 1, got 1.5"),
        ("max_frames", -1, "max_frames: expected 0 or more, got -1"),
        ("networks", ("worst",), "networks: expected last, best or both, got 'worst'"),
        ("networks", (), "networks: expected last, best or both, got ''"),
        (
            "evaluation_seeds",
            (1, 1),
            "evaluation_seeds: expected different whole numbers below 2^32, got '1,1'",
        ),
        (
            "evaluation_seeds",
            (2**32,),
            "evaluation_seeds: expected different whole numbers below 2^32, got '4294967296'",
        ),
    ],
)
def test_an_evaluation_without_sense_is_refused_before_anything_is_trained(
    tmp_path, caplog, key, value, said
):
    words = {"args_file": str(write_toy(tmp_path)), "out": str(tmp_path / "out"), key: value}
    assert not build(EvaluateAgent(**words)).scheduling_succeeded
    (message,) = failed(caplog)
    assert re.fullmatch(
        rf"Will not run EvaluateAgent\(.*\) or any dependencies: {re.escape(said)}", message
    )
    assert not (tmp_path / "out").exists()


def test_a_suite_with_a_game_twice(tmp_path, caplog):
    task = Suite(args_file=str(write_toy(tmp_path)), out=str(tmp_path), games=("toyB", "toyB"))
    assert not build(task).scheduling_succeeded
    (message,) = failed(caplog)
    assert message.endswith(" or any dependencies: games: expected each once, got 'toyB,toyB'")


def test_a_device_that_is_none(tmp_path, caplog):
    words = {"args_file": str(write_toy(tmp_path)), "out": str(tmp_path / "out")}
    assert not build(ValidateRom(**words, device="gpu")).worker.run_succeeded
    (message,) = failed(caplog)
    assert message.endswith("): --device: expected auto, cpu, cuda or cuda:N, got 'gpu'")


def test_an_artifacts_folder_that_cannot_be_written(tmp_path, caplog):
    (tmp_path / "out").write_text("a file")
    task = ValidateRom(args_file=str(write_toy(tmp_path)), out=str(tmp_path / "out"))
    assert not build(task).worker.run_succeeded
    (message,) = failed(caplog)
    where = task.folder
    assert message.endswith(f"): {where}: cannot be made: Not a directory; give another --out")


def test_a_suite_begins_nothing_where_a_game_is_misspelt(tmp_path, caplog):
    words = {"args_file": str(PONG), "set": ("steps=20",), "out": str(tmp_path / "out")}
    suite = Suite(games=("pong", "brakeout", "ALE/Qbert-v5"), seeds=(1, 2), **words)
    assert not build(suite).scheduling_succeeded
    (message,) = failed(caplog)
    assert message.endswith(
        " or any dependencies: 4 of 6 runs of the suite cannot be run, so none is started: "
        "env: no game is named 'brakeout'; did you mean 'breakout'?; `dqn-port roms` lists them; "
        "env: no game is named 'ALE/Qbert-v5'; did you mean 'qbert'?; `dqn-port roms` lists them"
    )
    assert not (tmp_path / "out").exists()


def test_one_failing_run_of_a_suite_harms_no_other(chain, tmp_path, caplog):
    words = {"args_file": chain.task.args_file, "out": chain.task.out, "episodes": 2}
    suite = Suite(games=("toyB", "toyC"), seeds=(1,), **words)
    good, bad = suite.requires()
    # The first was done before; a target of it is missing, so that there is something to do.
    report = good.of(type(chain.task)).requires()[1].files()[-1]
    report.unlink()
    bad.folder.parent.write_text("a file")
    result = build(suite)
    assert not result.worker.run_succeeded
    assert good.complete()
    assert report.exists()
    assert not bad.complete()
    assert not suite.complete()
    (message,) = failed(caplog)
    assert message == (
        f'failed: ValidateRom(args_file={chain.task.args_file}, set=["env=toyC", "seed=1"], '
        f"device=auto): {bad.folder}: cannot be made: Not a directory; give another --out"
    )
    assert "* 1 failed:\n    - 1 ValidateRom(" in result.summary_text


def test_a_job_that_fails_says_why_in_one_line(tmp_path, caplog):
    path = write_toy(tmp_path, lr=1e30)
    task = TrainEvalReport(args_file=str(path), out=str(tmp_path / "out"))
    assert not build(task).worker.run_succeeded
    (message,) = failed(caplog)
    assert re.fullmatch(
        r"failed: TrainAgent\(.*\): .*expected finite .*; no snapshot was saved yet", message
    )
