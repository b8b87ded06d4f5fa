"""Kill a training with -9 at random moments, again and again, and see what it loses.

    python -m tests.stress_kill --kills 300

Every run is killed until it is finished, then compared with one that was never stopped: weights,
histories, files. A loss is a run that cannot go on, a file that is half-written, a finished run
that differs. Prints the figures; ends with 1 if there was a loss.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from dqn_port.errors import DqnPortError
from dqn_port.lock import LOCK
from dqn_port.run_folder import ARGS, FINISHED
from dqn_port.tools.check import check_run
from tests.cli.running import write_toy
from tests.comparing import assert_same_runs

LONGEST_LIFE = 3.0
"""Seconds that a process trains before it is killed."""


def train(args: Path, out: Path) -> subprocess.Popen[str]:
    """Start a training."""
    words = ["train", "--args", str(args), "--out", str(out), "--quiet", "--threads", "1"]
    return subprocess.Popen(
        [sys.executable, "-m", "dqn_port", *words],
        stderr=subprocess.PIPE,
        text=True,
    )


def holder(folder: Path) -> bytes:
    """Return who has the run's folder, or had it last."""
    try:
        return (folder / LOCK).read_bytes()
    except FileNotFoundError:
        return b""


def main() -> None:
    """Run the stress and print its figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    random_ = random.Random(arguments.seed)
    kills = resumes = finished = damaged = losses = 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        args = write_toy(folder, steps=12_000, save_freq=40, eval_freq=1500, eval_steps=200,
                         replay_memory=5000, prog_freq=6000)  # fmt: skip
        reference = train(args, folder / "whole")
        reference.communicate()
        assert reference.returncode == 0
        while kills < arguments.kills:
            out = folder / f"run{finished}"
            before = holder(out / "toy")
            process = train(args, out)
            # Most are killed while they train, some while they start.
            while random_.random() < 0.999 and process.poll() is None:
                if holder(out / "toy") not in (b"", before):
                    break
                time.sleep(0.01)
            try:
                _, error = process.communicate(timeout=random_.uniform(0, LONGEST_LIFE))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
                resumes += (out / "toy" / "checkpoint").is_dir()
                if not (out / "toy" / ARGS).exists():
                    continue
                try:
                    found = list(check_run(out / "toy"))
                except DqnPortError as fault:
                    losses += 1
                    print(f"after kill {kills}: {fault}")
                    continue
                bad = [finding for finding in found if not finding.good]
                damaged += bool(bad)
                for finding in bad:
                    print(f"after kill {kills}: {finding}")
                continue
            if process.returncode != 0:
                losses += 1
                print(f"a run could not go on: {error.strip()}")
                finished += 1
                continue
            assert (out / "toy" / FINISHED).exists()
            try:
                assert_same_runs(folder / "whole" / "toy", out / "toy")
            except AssertionError as difference:
                losses += 1
                print(f"a finished run differs: {difference}")
            finished += 1
    minutes = (time.monotonic() - began) / 60
    print(
        f"kills {kills}, with a checkpoint to go on from {resumes}; runs finished {finished}; "
        f"folders with a damaged file {damaged}; losses {losses}; {minutes:.1f} min"
    )
    sys.exit(1 if losses or damaged else 0)


if __name__ == "__main__":
    main()
