"""What is tried again, and what no second try can mend."""

from __future__ import annotations

import re
import signal
import sys

import pytest

from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.setup import load_options
from dqn_port.systems.lua_dqn.system import SYSTEM
from pipelines import TrainAgent
from pipelines.processes import JobError, run_job
from tests.cli.running import write_pong, write_toy
from tests.comparing import assert_same_runs
from tests.pipelines.running import attempts, build, processes, wait_for

STRANGERS = """
from dqn_port.systems.lua_dqn.frameworks import ToyFramework

class Game:
    def __init__(self, game):
        for name in ("actions", "get_state", "step", "new_game", "next_random_game"):
            setattr(self, name, getattr(game, name))

class Framework(ToyFramework):
    @staticmethod
    def make(args):
        return Game(ToyFramework.make(args))
"""
"""A framework whose games have no state_dict."""


def test_a_terminated_pipeline_on_pong_goes_on_by_the_same_words(tmp_path):
    args, out = write_pong(tmp_path, steps=2000), tmp_path / "out"
    program = (sys.executable, "-m", "dqn_port", "pipeline", "run")
    words = (*program, "--args", args, "--out", out, "--episodes", "1", "--max-frames", "400")
    words = (*words, "--no-clip", "--networks", "last", "--keep-checkpoint")
    words = (*words, "--checkpoint-every", "0.1")
    with processes(tmp_path / "work") as started:
        first = started.start(*words)
        wait_for(lambda: list(out.glob("t/*/.attempt-*/t/checkpoint/*.json")))
        first.terminate()
        first.wait(60)
        stopped = re.search(r"stopped at step ([\d,]+), a checkpoint is written", started.log())
        assert stopped, started.log()
        assert first.returncode != 0
        assert 0 < int(stopped[1].replace(",", "")) < 2000
        assert started.start(*words, log="second").wait(120) == 0, started.log("second")
        assert f": goes on from step {stopped[1]}, 2,000 steps on cpu" in started.log("second")
    (folder,) = (path for path in (out / "t").iterdir() if path.name != "latest")
    assert not [path for path in folder.iterdir() if path.name.startswith((".damaged", ".attempt"))]
    assert len(list((folder / "t" / "checkpoint").glob("*.json"))) == 1
    for _ in Run(SYSTEM, load_options(args_file=args), tmp_path / "alone").train("cpu"):
        pass
    assert_same_runs(tmp_path / "alone" / "t", folder / "t")


@pytest.fixture
def strangers(tmp_path, monkeypatch):
    """A task whose game cannot be saved."""
    (tmp_path / "strangers.py").write_text(STRANGERS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    args, out = write_toy(tmp_path), tmp_path / "out"
    trust = ("framework=strangers:Framework",)
    return TrainAgent(args_file=str(args), out=str(out), set=trust)


def test_a_part_that_cannot_be_saved_fails_at_once(strangers, caplog):
    assert not build(strangers).scheduling_succeeded or not strangers.complete()
    said = [m for m in caplog.messages if m.startswith(("failed: ", "toy/"))]
    assert [m.rpartition("): ")[2] for m in said] == [
        "--checkpoint full: expected parts with state_dict, got Game without; docs/systems.md says "
        "more, or use --checkpoint none"
    ]
    assert strangers.retry_count == 1
    assert not list(strangers.folder.glob(".damaged*"))
    without = strangers.clone(checkpoint="none")
    assert build(without).scheduling_succeeded
    assert without.complete()


def test_what_may_pass_is_tried_once_more(tmp_path, caplog):
    """A file stands where the folder should be, as on a disk that is away."""
    task = TrainAgent(args_file=str(write_toy(tmp_path)), out=str(tmp_path / "out"))
    resolved = task.resolved
    (tmp_path / "file").touch()
    words = {
        "args_file": task.args_file, "assignments": (), "explicit": False, "hash": resolved.hash,
        "folder": str(tmp_path / "file"), "checkpoint": "full",
        "checkpoint_every": 600.0, "keep_checkpoint": False, "score_every": 0,
        "trust": False,
    }  # fmt: skip
    told = []
    with pytest.raises(JobError) as caught:
        run_job("train", words, told.append)
    assert caught.value.retry == "now"
    assert [event["text"] for event in told] == [f"{caught.value}; it is tried once more"]
    assert str(caught.value).startswith(f"{tmp_path}/file: ")


def test_only_damaged_checkpoints_are_put_aside_and_only_once(tmp_path, caplog):
    args = write_toy(tmp_path, steps=10**6, eval_freq=10**4, save_freq=200, prog_freq=10**6)
    task = TrainAgent(args_file=str(args), out=str(tmp_path / "out"))
    with processes(tmp_path / "work") as started:
        words = ("TrainAgent", "--args-file", args, "--out", task.out, "--local-scheduler")
        words = (*words, "--checkpoint-every", "0.1")
        worker = started.luigi(*words)
        wait_for(lambda: list(task.folder.glob(".attempt-*/toy/checkpoint/00000002.json")))
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)
        (attempt,) = attempts(tmp_path / "out")
        for path in attempt.glob("toy/checkpoint/*.t7"):
            path.write_bytes(path.read_bytes()[:-1])
        worker = started.luigi(*words, log="second")
        wait_for(lambda: "step 200: saved" in started.log("second"))
        worker.terminate()
        worker.wait(60)
        log = started.log("second")
    assert len(list(task.folder.glob(".damaged-*"))) == 1
    assert re.search(
        r"no checkpoint can be used; checkpoint \d+ cannot be used: .* expected \d+ bytes, got "
        r"\d+; starts over, the rest is in .*\.damaged-", log
    ), log  # fmt: skip
