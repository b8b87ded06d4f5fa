"""A suite by two workers of a real luigid; one is killed in the middle of a training."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np

from dqn_port.exports.hdf5_reading import read_hdf5
from dqn_port.runs.evaluations import read_evaluation
from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.setup import load_options
from dqn_port.systems.lua_dqn.snapshot import load_snapshot
from dqn_port.systems.lua_dqn.system import SYSTEM
from dqn_port.tools.record import record_evaluation
from dqn_port.torch7.nn_modules import rows_of
from pipelines import Suite
from pipelines.standing import runs_of
from tests.cli.running import write_toy
from tests.pipelines.running import CLIENT, attempts, history, parent_of, processes, wait_for

GAMES, SEEDS = ("toyB", "toyC"), (1, 2)
STEPS = 3000

SERVER = """
[scheduler]
worker_disconnect_delay = 5
retry_delay = 1
retry_count = 5
prune_on_get_work = true
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def messages(port):
    """What the scheduler shows of the tasks that run."""
    words = urllib.parse.quote(json.dumps({"status": "RUNNING", "upstream_status": ""}))
    url = f"http://127.0.0.1:{port}/api/task_list?data={words}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        tasks = json.load(answer)["response"]
    return [task["status_message"] or "" for task in tasks.values()]


def going_on(out):
    """(holder's pid, attempt) of every attempt with a checkpoint whose training goes on."""
    for attempt in attempts(out):
        lock = attempt.parent / ".lock"
        if lock.exists() and list(attempt.glob("*/checkpoint/*.json")):
            yield json.loads(lock.read_text())["pid"], attempt


def first_held_by(out, workers):
    for pid, attempt in going_on(out):
        try:
            if parent_of(pid) in workers:
                return pid, parent_of(pid), attempt
        except (OSError, ValueError):
            continue
    return None


def networks_of(snapshot: Path):
    table = load_snapshot(snapshot).table
    for name in ("model", "best_model"):
        for row in rows_of(table[name], name):
            yield from (row[key] for key in ("weight", "bias") if key in row)


def test_one_of_two_workers_is_killed_and_the_other_finishes_everything(tmp_path):
    out, port = tmp_path / "shared", free_port()
    args = write_toy(tmp_path, steps=STEPS, eval_freq=1000, save_freq=300, prog_freq=STEPS)
    (tmp_path / "server.cfg").write_text(SERVER)
    (tmp_path / "client.cfg").write_text(CLIENT)
    words = [
        *(sys.executable, "-m", "dqn_port", "pipeline", "run", "--args", args, "--out", out),
        *("--games", ",".join(GAMES), "--seeds", ",".join(map(str, SEEDS))),
        *("--episodes", "1", "--no-clip", "--checkpoint-every", "0.1"),
        *("--scheduler-host", "127.0.0.1", "--scheduler-port", str(port)),
    ]
    with processes(tmp_path / "work") as started:
        luigid = started.start(
            *(Path(sys.executable).with_name("luigid"), "--address", "127.0.0.1"),
            *("--port", str(port), "--state-path", tmp_path / "state"),
            log="luigid",
            LUIGI_CONFIG_PATH=str(tmp_path / "server.cfg"),
        )
        wait_for(lambda: answers(port))
        workers = {}
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            config = str(tmp_path / "client.cfg")
            worker = started.start(
                *words,
                cwd=tmp_path / name,
                log=name,
                LUIGI_CONFIG_PATH=config,
            )
            workers[worker.pid] = (name, worker)

        # The scheduler shows how far a training is.
        wait_for(lambda: any(f"begins, {STEPS:,} steps on cpu" in m for m in messages(port)))

        # Killed in the middle: behind a checkpoint, before the end.
        job, killed, attempt = wait_for(lambda: first_held_by(out, workers))
        os.kill(killed, signal.SIGKILL)
        killed_name, killed_worker = workers.pop(killed)
        killed_worker.wait()
        wait_for(lambda: job not in started.alive(), seconds=10)
        assert attempt.exists()
        assert not (attempt.parent / attempt.name / "run.json").exists()

        ((name, survivor),) = workers.values()
        assert survivor.wait(120) == 0, started.log(name)
        assert started.alive() == [luigid.pid]
        luigid.terminate()
        luigid.wait()
        assert started.alive() == []
        logs = {name: started.log(name), killed_name: started.log(killed_name)}

    suite = Suite(
        args_file=str(args), games=GAMES, seeds=SEEDS, out=str(out), episodes=1, clip=False
    )
    assert suite.complete()
    read_hdf5(suite.folder / "history.h5")
    assert not list(out.rglob(".attempt-*"))
    assert not list(out.rglob(".damaged-*"))

    # No run was begun twice, and the killed one went on once, on the other worker.
    told = "".join(logs.values())
    run_names = sorted(f"{run.facts.name}/{run.resolved.hash}" for run in runs_of(suite))
    begun = re.findall(r"^INFO: (\S+): begins, 3,000 steps on cpu$", told, re.MULTILINE)
    assert sorted(begun) == run_names
    gone_on = re.findall(r"^INFO: (\S+): goes on from step [\d,]+, 3,000", told, re.MULTILINE)
    assert gone_on == [f"{attempt.parent.parent.name}/{attempt.parent.name}"]
    assert f"{gone_on[0]}: goes on" in logs[name]
    trained = r"^INFO: done: TrainAgent\(.*set=\[(?:\"env=(\w+)\", )?\"seed=(\d)\""
    done = re.findall(trained, told, re.MULTILINE)
    # The argument file's own game, toyB, is not named.
    assert sorted(done) == [("", "1"), ("", "2"), ("toyC", "1"), ("toyC", "2")]

    # The numbers are those of one process that trains and evaluates one run after the other.
    for run in runs_of(suite):
        opt = load_options(args_file=args, assignments=run.set)
        alone = Run(SYSTEM, opt, tmp_path / "alone" / run.resolved.hash)
        for _ in alone.train("cpu"):
            pass
        assert history(run.run_folder) == history(alone.folder)
        there = run.run_folder / alone.newest_networks().name
        pairs = zip(networks_of(there), networks_of(alone.newest_networks()), strict=True)
        assert all(np.array_equal(mine, its) for mine, its in pairs)
        record = record_evaluation(
            alone.newest_networks(),
            tmp_path / f"evaluation-{run.resolved.hash}",
            episodes=1,
            clip=False,
        )
        assert read_evaluation(run.evaluation_folder).episodes == record.episodes
