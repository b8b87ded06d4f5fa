"""``dqn-port pipeline``."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import socket
import sys
from pathlib import Path

import pytest

from dqn_port.runs.lock import RunLock
from pipelines import TrainEvalReport
from tests.cli.running import run, write_toy
from tests.pipelines.running import attempts, luigi_as_it_was, processes, wait_for


@pytest.fixture(autouse=True)
def luigi_is_left_as_it_was():
    with luigi_as_it_was():
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(folder, log, task) of a chain that ran from a folder without any configuration."""
    folder = tmp_path_factory.mktemp("pipeline")
    write_toy(folder)
    words = ("run", "--args", "toy.json", "--episodes", "2", "--no-clip", "--workers", "2")
    with processes(folder / "work") as started:
        program = (sys.executable, "-m", "dqn_port", "pipeline")
        code = started.start(*program, *words, cwd=folder).wait(120)
        log = started.log()
        assert code == 0, log
        assert started.alive() == []
    out = folder / "artifacts"
    task = TrainEvalReport(args_file=str(folder / "toy.json"), out=str(out), episodes=2, clip=False)
    return folder, log, task


@pytest.fixture
def there(finished, tmp_path):
    """(out, words, task): a copy that may be changed, and the words that name it."""
    _, _, task = finished
    shutil.copytree(task.out, tmp_path / "out", symlinks=True)
    words = ("--args", task.args_file, "--out", tmp_path / "out", "--episodes", "2", "--no-clip")
    return tmp_path / "out", words, task.clone(out=str(tmp_path / "out"))


def test_a_run_says_where_everything_lies(finished):
    _, log, task = finished
    place, second = f"artifacts/toy/{task.resolved.hash}", task.evaluation_hash
    assert log.splitlines()[-5:] == [
        f"{place} is complete.",
        f"Run:         {place}/toy",
        f"Evaluation:  {place}/evaluation-{second}",
        f"History:     {place}/history-{second}.h5",
        f"Report:      {place}/report-{second}.html",
    ]
    assert f"INFO: toy/{task.resolved.hash}: begins, 200 steps on cpu" in log
    assert "Informed scheduler" not in log
    assert "DEBUG" not in log
    assert task.complete()


def test_every_command_takes_its_folders_for_the_run(capsys, there, tmp_path):
    out, _, task = there
    run_folder = task.folder / "toy"
    told = {}
    for path in (run_folder, out / "toy", task.folder, run_folder / "args.json"):
        weights, record, page = (tmp_path / name for name in ("w.pt", "evaluation-2", "page.html"))
        words = [
            ("history", "show", path),
            ("history", "export", path, "-o", tmp_path / "history.h5"),
            ("report", path, "-o", page),
            ("check", path),
            ("export-weights", path, "-o", weights),
            ("evaluate", path, "--episodes", "1"),
            ("play", path, "--max-frames", "20"),
            ("evaluate", "--network", path, "--episodes", "1"),
            ("record", path, "-o", record, "--episodes", "1", "--no-clip", "--overwrite"),
        ]
        results = [run(capsys, *line) for line in words]
        assert [(result.code, result.err) for result in results] == [(0, "")] * len(words)
        told[path] = [result.out for result in results]
    assert all(lines == told[run_folder] for lines in told.values())
    assert "1 run, 2 evaluations in training, 4 episodes after it: " in told[run_folder][1]


def test_run_again_does_nothing_and_says_so(capsys, there):
    out, words, task = there
    before = {path: path.lstat().st_mtime_ns for path in out.rglob("*")}
    result = run(capsys, "pipeline", "run", *words)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0] == f"{task.folder} is complete: nothing to do."
    assert result.out.splitlines()[-1].endswith(f"/report-{task.evaluation_hash}.html")
    assert {path: path.lstat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_suite_from_the_command_line(capsys, there):
    out, words, _ = there
    result = run(capsys, "pipeline", "run", *words, "--seeds", "1")
    assert result.code == 0
    (place,) = {path.resolve() for path in out.glob("suite_toy/*")}
    assert f"League:      {place}/league.csv\n" in result.out
    assert (place / "league.csv").exists()
    result = run(capsys, "pipeline", "status", *words, "--seeds", "1")
    assert result.code == 0
    assert "  Suite          complete  " in result.out
    result = run(capsys, "pipeline", "run", *words, "--seeds", "1", "--games", "toyB")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0].endswith(" is complete: nothing to do.")


def test_a_broken_game_of_a_suite(capsys, there):
    out, words, _ = there
    result = run(capsys, "pipeline", "run", *words, "--games", "toyB,nix", "--seeds", "1")
    assert (result.code, result.out) == (2, "")
    assert result.error == (
        "1 of 2 runs of the suite cannot be run, so none is started: env: expected one of toyA, "
        "toyB, toyC, got 'nix'"
    )
    result = run(capsys, "pipeline", "status", *words, "--games", "toyB,nix", "--seeds", "1")
    assert result.code == 1
    assert (
        "env=nix seed=1\n  ValidateRom    refused   env: expected one of toyA, toyB, toyC, "
        "got 'nix'\n"
    ) in result.out
    assert not list(out.glob("suite_*"))


def test_status(capsys, there, caplog):
    _, words, task = there
    result = run(capsys, "pipeline", "status", *words)
    place = task.folder
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[:3] == [
        f"toy/{place.name}",
        f"  ValidateRom    complete  {place}/rom.json",
        f"  TrainAgent     complete  {place}/toy/run.json",
    ]
    (place / "toy" / "toy.t7").write_bytes(b"")
    result = run(capsys, "pipeline", "status", *words)
    assert result.code == 1
    fault = f"{place}/toy/toy.t7: damaged: its sha256 is not the one in run.json"
    assert f"  TrainAgent     damaged   {fault}\n" in result.out
    assert "  EvaluateAgent  missing   what it is made of is not complete\n" in result.out
    # Nothing is made again by looking.
    assert caplog.messages == []
    result = run(capsys, "pipeline", "status", *words, "--set", "seed=2")
    assert result.code == 1
    assert "  TrainAgent     missing\n" in result.out


def test_what_is_made_of_something_damaged_is_not_damaged_itself(capsys, there):
    _, words, task = there
    (task.evaluation_folder / "evaluation.json").write_text("{")
    result = run(capsys, "pipeline", "status", *words)
    assert "  EvaluateAgent  damaged   " in result.out
    for kind in ("ExportHistory  ", "Report         "):
        assert f"  {kind}missing   what it is made of is not complete\n" in result.out
    result = run(capsys, "pipeline", "clean", *words, "--yes")
    assert result.out == f"{task.evaluation_folder}  damaged\nRemoved.\n"
    assert result.err == ""


def test_a_training_that_runs_and_one_that_stopped(capsys, tmp_path):
    args = write_toy(tmp_path, steps=10**6, eval_freq=10**6, save_freq=200, prog_freq=10**6)
    words = ("--args", args, "--out", tmp_path / "out")
    with processes(tmp_path / "work") as started:
        program = (sys.executable, "-m", "dqn_port", "pipeline", "run")
        worker = started.start(*program, *words, "--checkpoint-every", "0.1")
        wait_for(lambda: [a for a in attempts(tmp_path / "out") if list(a.glob("*/checkpoint/*"))])
        result = run(capsys, "pipeline", "status", *words)
        assert "  TrainAgent     running   process " in result.out
        assert "0 of 1,000,000 steps at its last evaluation\n" in result.out
        assert run(capsys, "pipeline", "clean", *words).out == "Nothing to remove.\n"
        worker.terminate()
        assert worker.wait(30) == -signal.SIGTERM
        wait_for(lambda: not started.alive(), seconds=15)
    result = run(capsys, "pipeline", "status", *words)
    assert "  TrainAgent     stopped   0 of 1,000,000 steps at its last evaluation\n" in result.out
    (attempt,) = attempts(tmp_path / "out")
    result = run(capsys, "pipeline", "clean", *words, "--yes")
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{attempt}  an attempt that stopped\nRemoved.\n"
    assert [path.name for path in attempt.parent.iterdir()] == ["rom.json"]


def test_clean_removes_what_is_damaged_and_no_finished_run(capsys, there, monkeypatch):
    _, words, task = there
    assert run(capsys, "pipeline", "clean", *words).out == "Nothing to remove.\n"
    place, second = task.folder, task.evaluation_hash
    (place / ".damaged-toy-1a2b").mkdir()
    (place / f"report-{second}.html").write_text("half")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    result = run(capsys, "pipeline", "clean", *words)
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith("Remove them? [y/N]: Nothing was removed.\n")
    expected = [
        f"{place}/.damaged-toy-1a2b  put aside as damaged",
        f"{place}/report-{second}.html  damaged",
        f"{place}/.made-report-{second}.html.json  damaged",
    ]
    assert result.out.splitlines()[:3] == expected
    assert (place / ".damaged-toy-1a2b").exists()
    result = run(capsys, "pipeline", "clean", *words, "--yes")
    assert (result.code, result.out.splitlines()) == (0, [*expected, "Removed."])
    assert sorted(path.name for path in place.iterdir()) == sorted(
        [
            "rom.json",
            "toy",
            f"evaluation-{second}",
            f"history-{second}.h5",
            f".made-history-{second}.h5.json",
        ]
    )


def test_clean_all_removes_the_run_but_not_under_another_process(capsys, there):
    out, words, task = there
    with RunLock(task.folder):
        result = run(capsys, "pipeline", "clean", *words, "--all", "--yes")
        assert result.code == 1
        assert f"{task.folder}: in use by process {os.getpid()} on host " in result.error
    result = run(capsys, "pipeline", "clean", *words, "--all", "--yes")
    assert (result.code, result.out) == (0, f"{task.folder}  all of it\nRemoved.\n")
    assert list((out / "toy").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--args", "none.json"], 2, "none.json: cannot be read: No such file or directory; "),
        (["--evaluation-seeds", "x"], 2, "--evaluation-seeds: expected whole numbers such as 1"),
        (["--games", "[x"], 2, "--games: expected words with commas between, got '[x'"),
        (["--networks", "worst"], 2, "networks: expected last, best or both, got 'worst'"),
        (
            ["--seeds", "1-3", "--seed", "4"],
            2,
            "--seeds 1-3: expected no seed with it, got seed=4",
        ),
        (
            ["--games", "pong,breakout", "--set", "env=qbert"],
            2,
            "--games pong,breakout: expected no env with it, got env=qbert",
        ),
        (
            ["--env", "toyA", "--set", "env=toyC"],
            2,
            "--env, --set env: expected one of them, got --env toyA and --set env=toyC",
        ),
        (["--seeds", "1-3", "--set", "stesp=1"], 2, "--set: stesp: no such key; did you mean"),
        (["--set", "stesp=1"], 2, "--set: stesp: no such key; did you mean 'steps'"),
        (["--device", "tpu"], 2, "--device: expected auto, cpu, cuda or cuda:N, got 'tpu'"),
        (["--episodes", "0"], 2, "invalid value for '--episodes': 0 is not in the range x>=1"),
    ],
)
def test_words_that_cannot_be_used(capsys, tmp_path, words, code, said):
    result = run(
        capsys, "pipeline", "run", "--args", write_toy(tmp_path), "--out", tmp_path / "out", *words
    )
    assert (result.code, result.out) == (code, "")
    assert result.error.startswith(said)
    assert not (tmp_path / "out").exists()


PONG = Path(__file__).parents[2] / "legacy_args" / "pong_quick.json"


def test_flags_name_the_runs_and_the_suite(capsys, tmp_path):
    words = ("pipeline", "status", "--args", PONG, "--out", tmp_path, "--steps", "9000")
    status = run(capsys, *words, "--env", "breakout", "--seed", "3", "--name", "mine")
    assert (status.code, status.err) == (1, "")
    again = run(capsys, *words[:-2], "--set", "steps=9000", "--set", "env=breakout",
                "--set", "seed=3", "--set", "name=mine")  # fmt: skip
    assert again.out == status.out
    assert re.match(r"mine/[0-9a-f]{10}\n", status.out)
    suite = run(capsys, *words, "--games", "pong,breakout", "--seeds", "1-3", "--name", "mine")
    places = re.findall(r"^\S+", suite.out, re.MULTILINE)
    assert [place.partition("/")[0] for place in places] == ["mine"] * 6 + ["suite_mine"]
    assert len({*places}) == 7


def test_a_misspelt_game_of_a_suite_is_told_before_anything_is_begun(capsys, tmp_path):
    words = ("pipeline", "run", "--args", PONG, "--out", tmp_path / "out", "--seeds", "1-3")
    result = run(capsys, *words, "--games", "pong,brakeout", "--steps", "20", "--episodes", "1")
    assert (result.code, result.out) == (2, "")
    assert result.error == (
        "3 of 6 runs of the suite cannot be run, so none is started: env: no game is named "
        "'brakeout'; did you mean 'breakout'?; `dqn-port roms` lists them"
    )
    assert not (tmp_path / "out").exists()


def test_a_scheduler_that_is_not_there(capsys, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ("--args", write_toy(tmp_path), "--out", tmp_path / "out")
    there = ("--scheduler-host", "127.0.0.1", "--scheduler-port", str(port))
    result = run(capsys, "pipeline", "run", *words, *there)
    assert (result.code, result.out) == (1, "")
    assert result.error == (
        f"luigid at 127.0.0.1, port {port}: does not answer: Connection refused; start it there, "
        "or leave the scheduler's host out"
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c(tmp_path, workers):
    args = write_toy(tmp_path, steps=10**6, eval_freq=10**6, save_freq=10**6, prog_freq=10**6)
    words = ("--args", args, "--out", tmp_path / "out", "--workers", workers)
    with processes(tmp_path / "work") as started:
        worker = started.start(sys.executable, "-m", "dqn_port", "pipeline", "run", *words)
        wait_for(lambda: ": begins, " in started.log())
        # As the terminal does it: to the whole group.
        os.killpg(worker.pid, signal.SIGINT)
        assert worker.wait(30) == 130
        wait_for(lambda: not started.alive(), seconds=15)
        log = started.log()
    assert "dqn-port: interrupted" in log.splitlines()
    assert ", a checkpoint is written" in log
    assert "Traceback" not in log
    (attempt,) = attempts(tmp_path / "out")
    assert len(list(attempt.glob("toy/checkpoint/*.json"))) == 1


def test_an_artifacts_folder_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "out").write_text("")
    words = ("--args", write_toy(tmp_path), "--out", tmp_path / "out")
    result = run(capsys, "pipeline", "run", *words)
    assert result.code == 1
    assert "cannot be made: Not a directory; give another --out" in result.err
    assert "Traceback" not in result.err
    assert Path(tmp_path / "out").is_file()
