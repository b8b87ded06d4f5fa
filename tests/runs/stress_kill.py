"""Kill trainings of Pong with -9 at random moments, again and again, and see what is lost.

    python -m tests.runs.stress_kill --kills 300

Four ways to go on are taken in turn: ``train`` by the same words or by --resume, and a pipeline by
the same words or by ``train --resume`` of what it has left and then the same words. Every run is
killed until it is finished, then compared with one that was never stopped: weights, histories,
files. A loss is a run that cannot go on, a file that is half-written, a finished run that differs.
Prints the figures, also when Ctrl-C stops it; ends with 1 if there was a loss.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from dqn_port.errors import DqnPortError
from dqn_port.runs.lock import LOCK
from dqn_port.runs.run_folder import ARGS, FINISHED
from dqn_port.tools.check import check_run
from tests.cli.running import PONG, write_pong
from tests.comparing import assert_same_runs

LONGEST_LIFE = 5.0
"""Seconds that a process trains before it is killed."""
OFTEN = ("--checkpoint-every", "0.3")
WAYS = ("train", "train --resume", "pipeline", "pipeline, train --resume")


def run_of(out: Path) -> Path | None:
    """Return the folder of the run in ``out``, plain or a pipeline's; None before there is one."""
    found = [*out.glob("t/args.json"), *out.glob("t/*/t/args.json")]
    found += out.glob("t/*/.attempt-*/t/args.json")
    return found[0].parent if found else None


def start(way: str, args: Path, out: Path, *, resume: bool) -> subprocess.Popen[str]:
    """Start a process that begins the run, or goes on with it."""
    run = run_of(out) if resume else None
    if run is not None:
        words = ["train", "--resume", str(run), "--quiet", *OFTEN]
    elif way.startswith("train"):
        words = ["train", "--args", str(args), "--out", str(out), "--quiet", *OFTEN]
    else:
        words = ["pipeline", "run", "--args", str(args), "--out", str(out), "--episodes", "1"]
        words += ["--max-frames", "400", "--networks", "last", "--no-clip", *OFTEN]
    return subprocess.Popen(
        [sys.executable, "-m", "dqn_port", *words], stderr=subprocess.PIPE, text=True
    )


def holders(out: Path) -> list[bytes]:
    """Return who has the run's folder, or had it last."""
    try:
        return sorted(path.read_bytes() for path in out.rglob(LOCK))
    except FileNotFoundError:
        # Renamed or removed in between.
        return holders(out)


def faults_in(run: Path | None) -> list[str]:
    """Return what is damaged in a run's folder after a kill."""
    if run is None or not (run / ARGS).exists():
        return []
    try:
        return [str(finding) for finding in check_run(run) if not finding.good]
    except DqnPortError as fault:
        return [str(fault)]


def main() -> None:
    """Run the stress and print its figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    random_ = random.Random(arguments.seed)
    kills, resumes, finished, losses = (dict.fromkeys(WAYS, 0) for _ in range(4))
    began, number = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as name, contextlib.suppress(KeyboardInterrupt):
        folder = Path(name)
        agent = PONG["agent_params"] | {"replay_memory": 2000}
        args = write_pong(folder, steps=6000, save_freq=40, eval_freq=1500, eval_steps=200,
                          prog_freq=6000, agent_params=agent)  # fmt: skip
        reference = start("train", args, folder / "whole", resume=False)
        reference.communicate()
        assert reference.returncode == 0

        def lost(way: str, text: str) -> None:
            losses[way] += 1
            print(f"{way}: {text}", flush=True)

        while sum(kills.values()) < arguments.kills:
            way, out = WAYS[number % len(WAYS)], folder / f"run{number}"
            before = holders(out)
            resume = way.endswith("--resume") and random_.random() < 0.8
            process = start(way, args, out, resume=resume)
            # Most are killed while they train, some while they start.
            while random_.random() < 0.999 and process.poll() is None:
                if holders(out) not in ([], before):
                    break
                time.sleep(0.01)
            try:
                _, error = process.communicate(timeout=random_.uniform(0, LONGEST_LIFE))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills[way] += 1
                run = run_of(out)
                resumes[way] += run is not None and (run / "checkpoint").is_dir()
                for fault in faults_in(run):
                    lost(way, f"after kill {kills[way]}: {fault}")
                continue
            run, target = run_of(out), out / "t" / "latest" / "t" / FINISHED
            if process.returncode != 0 or run is None:
                lost(way, f"a run could not go on: {error.strip()[-400:]}")
            elif way.startswith("pipeline") and not target.exists():
                # train --resume has finished the attempt; the pipeline takes it over.
                continue
            else:
                finished[way] += 1
                if list(out.rglob(".damaged-*")):
                    lost(way, "an attempt was thrown away")
                try:
                    assert_same_runs(folder / "whole" / "t", run)
                except AssertionError as difference:
                    lost(way, f"a finished run differs: {difference}")
            number += 1
    for way in WAYS:
        print(
            f"{way:26} kills {kills[way]}, with a checkpoint to go on from {resumes[way]}; runs "
            f"finished {finished[way]}; losses {losses[way]}"
        )
    print(f"{(time.monotonic() - began) / 60:.0f} min")
    sys.exit(1 if any(losses.values()) else 0)


if __name__ == "__main__":
    main()
