"""Workers that are killed, terminated or interrupted in the middle of a training."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from dqn_port.runs.lock import RunLock
from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.setup import load_options
from dqn_port.systems.lua_dqn.system import SYSTEM
from pipelines import TrainAgent
from tests.cli.running import write_toy
from tests.pipelines.running import attempts, build, history, processes, wait_for

OFTEN = ("--checkpoint-every", "0.1")
LONG = {"steps": 10**6, "eval_freq": 10**4, "save_freq": 500, "prog_freq": 10**6}


def checkpoints(out: Path):
    """The checkpoints of attempts that stand there, by number."""
    found = (path.glob("toy/checkpoint/*.json") for path in attempts(out))
    return sorted(int(path.stem) for paths in found for path in paths)


def start(started, folder, *words, **changes):
    args = write_toy(folder, **{**LONG, **changes})
    return started.luigi(
        *("TrainAgent", "--args-file", args, "--out", folder / "out", "--local-scheduler"), *words
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_nothing_outlives_a_killed_worker(tmp_path, workers):
    with processes(tmp_path / "work") as started:
        worker = start(started, tmp_path, "--workers", workers, *OFTEN)
        wait_for(lambda: checkpoints(tmp_path / "out"))
        # With two, Luigi has forked a process for the task, and that has started the job.
        assert len(started.alive()) == 1 + int(workers)
        worker.kill()
        worker.wait()
        wait_for(lambda: not started.alive(), seconds=15)
    (attempt,) = attempts(tmp_path / "out")
    assert not (attempt.parent / "toy").exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_of_the_worker_reaches_the_training_which_writes_a_checkpoint(tmp_path, workers):
    with processes(tmp_path / "work") as started:
        worker = start(started, tmp_path, "--workers", workers, save_freq=10**6)
        wait_for(lambda: ": begins, " in started.log())
        assert checkpoints(tmp_path / "out") == []
        worker.terminate()
        assert worker.wait(30) == -signal.SIGTERM
        wait_for(lambda: not started.alive(), seconds=15)
        log = started.log()
    assert re.search(r"^INFO: toy/\w+: stopped at step [\d,]+, a checkpoint is written$", log, re.M)
    assert len(checkpoints(tmp_path / "out")) == 1
    assert "Traceback" not in log


def test_ctrl_c_reaches_the_training_which_writes_a_checkpoint(tmp_path):
    with processes(tmp_path / "work") as started:
        worker = start(started, tmp_path, save_freq=10**6)
        wait_for(lambda: ": begins, " in started.log())
        # As the terminal does it: to the whole group.
        os.killpg(worker.pid, signal.SIGINT)
        assert worker.wait(30) != 0
        wait_for(lambda: not started.alive(), seconds=15)
        log = started.log()
    assert re.search(r"^INFO: toy/\w+: stopped at step [\d,]+, a checkpoint is written$", log, re.M)
    assert len(checkpoints(tmp_path / "out")) == 1


def test_a_killed_training_goes_on_from_its_checkpoint_to_the_same_numbers(tmp_path, caplog):
    changes = {"steps": 3000, "eval_freq": 1000, "save_freq": 200, "prog_freq": 3000}
    out = tmp_path / "out"
    with processes(tmp_path / "work") as started:
        worker = start(started, tmp_path, *OFTEN, **changes)
        wait_for(lambda: checkpoints(out))
        worker.kill()
        worker.wait()
        wait_for(lambda: not started.alive(), seconds=15)
    (attempt,) = attempts(out)
    args = tmp_path / "toy.json"
    # In other words that change no number.
    task = TrainAgent(args_file=str(args), out=str(out), threads=2, set=("prog_freq=7",))
    assert task.folder == attempt.parent
    # As if an older version had been killed long ago.
    lock = task.folder / ".lock"
    lock.write_text('{"host": "vm", "pid": 12, "since": "then", "token": "ab"}')
    os.utime(lock, (0, 0))
    assert build(task).scheduling_succeeded
    assert task.complete()
    assert not attempt.exists()
    assert f"{lock}: process 12 on host vm since then, who left it, " in caplog.text
    assert sorted(path.name for path in task.folder.iterdir()) == ["rom.json", "toy"]
    assert json.loads((task.run_folder / "args.json").read_text())["prog_freq"] == 7
    alone = Run(SYSTEM, load_options(args_file=args), tmp_path / "alone")
    for _ in alone.train("cpu"):
        pass
    assert history(task.run_folder) == history(alone.folder)


def test_a_second_worker_is_told_who_trains(tmp_path, caplog):
    task = TrainAgent(args_file=str(write_toy(tmp_path)), out=str(tmp_path / "out"))
    task.folder.mkdir(parents=True)
    with RunLock(task.folder):
        assert not build(task).scheduling_succeeded or not task.complete()
    (said,) = (m for m in caplog.messages if m.startswith("failed: "))
    where = re.escape(str(task.folder))
    assert re.fullmatch(
        rf"failed: TrainAgent\(.*\): {where}: in use by process {os.getpid()} "
        r"on host \S+ since .* UTC; wait for it, or give another --set name=… or --out",
        said,
    )
