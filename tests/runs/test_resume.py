"""A run stopped anywhere and gone on with is the run that was never stopped, to the bit."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest

from dqn_port.errors import CheckpointError, LockedError, PartError
from dqn_port.events import Finished, Saved, Started, Ticked
from dqn_port.runs import run as run_module
from dqn_port.runs.checkpoint import FOLDER, Checkpoints
from dqn_port.runs.run import Run
from dqn_port.runs.run_files import RunFiles
from dqn_port.runs.run_folder import ARGS, FINISHED
from dqn_port.systems.lua_dqn.game_environment import GameEnvironment
from dqn_port.systems.lua_dqn.setup import setup
from dqn_port.systems.lua_dqn.system import SYSTEM
from dqn_port.systems.lua_dqn.train_agent import Evaluated
from dqn_port.systems.lua_dqn.training import LuaTraining
from tests.cli.running import PONG, run, start, toy, write_toy
from tests.comparing import assert_same_runs, contents
from tests.systems.lua_dqn.test_setup import CPU, options_of

TOP = ("env", "steps", "name", "pool_frms", "eval_freq", "eval_steps", "save_freq", "prog_freq",
       "save_versions", "saveNetworkParams", "seed")  # fmt: skip


def opt(**changes):
    changes = {"name": "t", "target_q": 30, "save_freq": 50} | changes
    table = toy(**{key: value for key, value in changes.items() if key in TOP})
    agent = {key: value for key, value in changes.items() if key not in TOP}
    return options_of(table | {"agent_params": table["agent_params"] | agent})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    list(Run(SYSTEM, opt(), out).train("cpu"))
    return out / "t"


def saving(run):
    """Train, with a checkpoint beside every snapshot."""
    for event in run.train("cpu"):
        if isinstance(event, Saved):
            run.save_checkpoint()
        yield event


def play(options, out, ticks, **more):
    """Go on for so many ticks, write a checkpoint as a signal does, and leave; tell the events."""
    run = Run(SYSTEM, options, out, **more)
    events, seen = [], 0
    training = saving(run)
    for event in training:
        events.append(event)
        seen += isinstance(event, Ticked)
        if seen == ticks:
            run.save_checkpoint()
            break
    training.close()
    return events


def finish(options, out, **more):
    return list(saving(Run(SYSTEM, options, out, **more)))


# 200 steps of training, with 80 of evaluation after the 100th and the 200th.
STOPS = {
    "at the first step": 1,
    "in the middle of an episode": 37,
    "just before learning starts": 70,
    "when the validation sample is drawn": 71,
    "just after learning starts": 72,
    "right after a target copy": 91,
    "at a step that evaluates": 100,
    "inside an evaluation": 101,
    "at the end of an evaluation": 179,
    "between an evaluation and its save": 180,
    "after it": 181,
    "before the last step": 279,
    "inside the last evaluation": 333,
    "at its last step": 360,
}


@pytest.mark.parametrize("ticks", STOPS.values(), ids=STOPS.keys())
def test_a_run_stopped_once(whole, tmp_path, ticks):
    play(opt(), tmp_path, ticks)
    assert not (tmp_path / "t" / FINISHED).exists()
    started, *_, last = finish(opt(), tmp_path)
    assert started.resumed
    assert isinstance(last, Finished)
    assert_same_runs(whole, tmp_path / "t")


def test_a_run_stopped_every_few_ticks(whole, tmp_path):
    stops = 0
    while not (tmp_path / "t" / FINISHED).exists():
        play(opt(), tmp_path, 11)
        stops += 1
    assert stops > 30
    assert_same_runs(whole, tmp_path / "t")


def test_what_was_played_after_the_last_checkpoint_is_played_again_and_stands_once(whole, tmp_path):
    training = saving(Run(SYSTEM, opt(), tmp_path))
    for event in training:
        if isinstance(event, Ticked) and event.step == 199:
            break
    training.close()
    events = finish(opt(), tmp_path)
    assert events[0].step == 150
    assert [e.step for e in events if isinstance(e, Evaluated)] == [200]
    assert_same_runs(whole, tmp_path / "t")


@pytest.mark.parametrize("changes", [
    {"wc": 0.01, "nonTermProb": 1, "histSpacing": 1, "target_q": 7, "env": "toyA", "hist_len": 4,
     "preproc": "net_downsample_2x_full_y", "network": "net_small", "state_dim": 7056,
     "input_dims": [4, 84, 84], "steps": 110, "eval_steps": 20, "pool_frms": {"type": "max"}},
    {"rescale_r": None, "network": "net_tie", "replay_memory": 60, "eval_freq": 90},
    {"save_versions": 60, "saveNetworkParams": True, "update_freq": 3, "n_replay": 2},
])  # fmt: skip
def test_other_arguments(tmp_path, changes):
    options = opt(**changes)
    finish(options, tmp_path / "whole")
    for ticks in (33, 50, 11):
        play(options, tmp_path / "parts", ticks)
    assert finish(options, tmp_path / "parts")[0].resumed
    assert_same_runs(tmp_path / "whole" / "t", tmp_path / "parts" / "t")


@pytest.mark.parametrize("env", ["pong", "qbert", "montezuma_revenge"])
def test_real_games(tmp_path, env):
    options = options_of(PONG | {"env": env})
    finish(options, tmp_path / "whole")
    for ticks in (90, 85, 30):
        play(options, tmp_path / "parts", ticks)
    assert finish(options, tmp_path / "parts")[0].resumed
    assert_same_runs(tmp_path / "whole" / "t", tmp_path / "parts" / "t")


# What stands there.


def test_checkpoints_stand_beside_the_run_until_it_is_finished(tmp_path):
    play(opt(), tmp_path, 120)
    folder = tmp_path / "t" / FOLDER
    assert len(Checkpoints(tmp_path / "t").serials()) == 2
    names = sorted(path.name for path in folder.iterdir())
    assert all(name.endswith((".json", ".t7", ".bin")) for name in names)
    finish(opt(), tmp_path)
    assert not folder.exists()


@pytest.mark.parametrize("save_freq", [10, 30, 49, 60, 90, 130])
def test_two_checkpoints_take_no_more_than_twice_the_replay_memory(tmp_path, save_freq):
    options = opt(replay_memory=100, save_freq=save_freq, steps=400)
    sizes, written = [], set()
    folder = tmp_path / "t" / FOLDER
    for event in saving(Run(SYSTEM, options, tmp_path)):
        if isinstance(event, Saved):
            files = list(folder.glob("replay-*.bin"))
            sizes.append(sum(path.stat().st_size for path in files))
            written |= {(path.name, path.stat().st_size) for path in files}
    memory = 100 * 106
    assert memory <= max(sizes) <= 2 * memory
    # Most transitions are written once, none more than a few times.
    assert sum(size for _, size in written) <= 3 * 400 * 106


def test_checkpoints_come_by_the_clock_but_take_no_more_than_their_share(tmp_path, monkeypatch):
    now, written = 0.0, []
    save = Checkpoints.save

    def slow(self, *words, **more):
        nonlocal now
        written.append(round(now, 1))
        now += 0.1
        return save(self, *words, **more)

    monkeypatch.setattr(Checkpoints, "save", slow)
    monkeypatch.setattr(run_module, "time", SimpleNamespace(monotonic=lambda: now))
    for event in Run(SYSTEM, opt(), tmp_path, checkpoint_every=3.0).train("cpu"):
        now += 0.1 * isinstance(event, Ticked)
    # 36 seconds: 3 after the start, then 50 times what writing took.
    assert written[0] == 3.0
    assert np.diff(written) == pytest.approx(5.1, abs=0.11)
    assert len(written) == 7


def test_going_on_cuts_the_history_to_what_the_checkpoint_holds(whole, tmp_path):
    play(opt(), tmp_path, 190)
    path = tmp_path / "t" / "history.csv"
    with path.open("ab") as file:
        file.write(b"150,600,half a row")
    finish(opt(), tmp_path)
    assert_same_runs(whole, tmp_path / "t")


def test_a_history_that_was_cut_is_refused_in_one_line(tmp_path):
    play(opt(), tmp_path, 190)
    path = tmp_path / "t" / "history.csv"
    length = len(path.read_bytes())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError) as caught:
        finish(opt(), tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/t: no checkpoint can be used; checkpoint 3 cannot be used: {path}: expected "
        f"the {length} bytes it had at the checkpoint, got {length - 1}"
    )


def test_a_checkpoint_of_an_older_version_holds_the_rows_itself(whole, tmp_path):
    play(opt(), tmp_path, 190)
    checkpoints = Checkpoints(tmp_path / "t")
    training = LuaTraining(setup(opt(), device=CPU), RunFiles(tmp_path, lambda: None))
    found, tree = checkpoints.load(checkpoints.serials()[0], training.rings())
    training.load_state_dict(tree)
    path = tmp_path / "t" / "history.csv"
    (row,) = csv.DictReader(path.read_text().splitlines())
    del tree["files"]
    tree["rows"] = json.dumps([{key: json.loads(cell) for key, cell in row.items()}])
    checkpoints.save(tree, step=found.step, rings=training.rings())
    path.unlink()
    assert finish(opt(), tmp_path)[0].resumed
    assert_same_runs(whole, tmp_path / "t")


def test_without_checkpoints_a_run_begins_anew(whole, tmp_path):
    play(opt(), tmp_path, 120, checkpoint="none")
    assert not (tmp_path / "t" / FOLDER).exists()
    started, *_ = finish(opt(), tmp_path, checkpoint="none")
    assert not started.resumed
    assert started.step == 0
    assert_same_runs(whole, tmp_path / "t")


def test_weights_alone_go_on_with_a_new_replay_memory(whole, tmp_path):
    play(opt(), tmp_path, 250, checkpoint="weights")
    assert not list((tmp_path / "t" / FOLDER).glob("*.bin"))
    started, *events = finish(opt(), tmp_path, checkpoint="weights")
    assert started.resumed
    assert started.notes == (
        "the checkpoint holds weights alone: the replay memory is filled again, and the numbers "
        "will differ from those of an uninterrupted run",
    )
    agent = started.training.ready.agent
    assert agent.learn_from == started.step + agent.learn_start
    assert isinstance(events[-1], Finished)
    here, there = contents(tmp_path / "t"), contents(whole)
    assert here["history.csv"][0] == there["history.csv"][0]
    assert len(here["history.csv"]) == 2


def test_weights_alone_inside_an_evaluation_begin_the_evaluation_anew(tmp_path):
    play(opt(), tmp_path, 130, checkpoint="weights")
    events = finish(opt(), tmp_path, checkpoint="weights")
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    assert [event.step for event in evaluated] == [100, 200]


# From the command line.


def test_the_same_command_goes_on_after_a_signal(capsys, tmp_path):
    args = write_toy(tmp_path, steps=3000, save_freq=500, eval_freq=700, prog_freq=100)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(capsys, "train", "--args", args, "--out", whole, "--quiet").code == 0
    process = start("train", "--args", args, "--out", parts)
    for line in process.stdout:
        if line.startswith("Steps: \t400"):
            break
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "to go on: " in error
    assert f"train --resume {parts}/toy" in error
    result = run(capsys, "train", "--args", args, "--out", parts)
    assert result.code == 0
    first = result.out.splitlines()[0]
    assert first.startswith(f"{parts}/toy goes on from step ")
    assert int(first.split()[-1].rstrip(".").replace(",", "")) >= 400
    assert_same_runs(whole / "toy", parts / "toy")


def test_resume_takes_the_runs_own_arguments(capsys, whole, tmp_path):
    play(opt(), tmp_path, 130)
    result = run(capsys, "train", "--resume", tmp_path / "t", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert_same_runs(whole, tmp_path / "t")
    result = run(capsys, "train", "--resume", tmp_path / "t")
    assert result.out.startswith(f"{tmp_path}/t is finished: nothing to do.")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (
            ["--resume", "{0}/no"],
            "{0}/no: expected a run's folder, got nothing there",
        ),
        (
            ["--resume", "{0}/t", "--args", "{0}/t/args.json"],
            "--resume: expected no arguments with it but --set, --device and --threads: the run "
            "has its own",
        ),
        (
            ["--resume", "{0}/moved"],
            "--resume {0}/moved: expected a folder named 't', as its run is; rename it",
        ),
    ],
)
def test_faults_of_resuming(capsys, tmp_path, words, fault):
    play(opt(), tmp_path, 5)
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / ARGS).write_bytes((tmp_path / "t" / ARGS).read_bytes())
    result = run(capsys, "train", *(word.format(tmp_path) for word in words))
    assert (result.out, result.error) == ("", fault.format(tmp_path))
    assert result.code == (1 if "nothing there" in fault else 2)


def test_a_folder_in_use_is_left_to_its_process(tmp_path):
    events = Run(SYSTEM, opt(), tmp_path).train("cpu")
    next(events)
    with pytest.raises(LockedError, match="in use by"):
        next(Run(SYSTEM, opt(), tmp_path).train("cpu"))
    events.close()
    # An older version's lock, long without a heartbeat, is told.
    lock = tmp_path / "t" / ".lock"
    lock.write_text('{"host": "vm", "pid": 12, "since": "then", "token": "ab"}')
    os.utime(lock, (0, 0))
    started = next(Run(SYSTEM, opt(), tmp_path).train("cpu"))
    assert isinstance(started, Started)
    assert started.notes[0].startswith(f"{lock}: process 12 on host vm since then, who left it, ")


def test_a_killed_process_loses_no_more_than_the_steps_since_its_checkpoint(capsys, tmp_path):
    args = write_toy(tmp_path, steps=2000, save_freq=50, eval_freq=700, prog_freq=1000)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(capsys, "train", "--args", args, "--out", whole, "--quiet").code == 0
    rng = np.random.default_rng(1)
    for _ in range(4):
        often = ("--checkpoint-every", "0.1")
        process = start("train", "--args", args, "--out", parts, "--quiet", *often)
        deadline = time.monotonic() + 60
        while not (parts / "toy" / FOLDER).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.communicate(timeout=60)
    assert run(capsys, "train", "--args", args, "--out", parts, "--quiet").code == 0
    assert_same_runs(whole / "toy", parts / "toy")


def test_parts_that_cannot_be_saved_are_refused_before_the_run_begins(tmp_path, monkeypatch):
    monkeypatch.delattr(GameEnvironment, "state_dict")
    with pytest.raises(PartError) as caught:
        finish(opt(), tmp_path)
    assert str(caught.value) == (
        "--checkpoint full: expected parts with state_dict, got GameEnvironment without; "
        "docs/systems.md says more, or use --checkpoint none"
    )
    assert list(tmp_path.iterdir()) == []
    assert isinstance(finish(opt(), tmp_path, checkpoint="none")[-1], Finished)
