"""Train for an hour with evaluations, checkpoints and a resume every few minutes, and look at it.

    python -m tests.runs.soak --minutes 60

One process trains on Pong, leaves the training every few minutes and goes on from the checkpoint.
A row each time: memory, file handles, steps per second as a ratio to a fixed loop of NumPy that is
run beside. Flat means: memory within 2% of its level after the warm-up, no more handles, no trend
in the ratio.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dqn_port.events import Ticked
from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.setup import load_options
from dqn_port.systems.lua_dqn.system import SYSTEM

CPU = torch.device("cpu")
OPTIONS = (
    "framework=alewrap", "env=pong", "agent=NeuralQLearner", "name=soak", "actrep=4",
    "random_starts=30", "pool_frms.type=max", "steps=100000000", "eval_freq=5000",
    "eval_steps=1000", "save_freq=5000", "prog_freq=5000", "agent_params.hist_len=4",
    "agent_params.network=convnet_atari3", "agent_params.preproc=net_downsample_2x_full_y",
    "agent_params.learn_start=2000", "agent_params.replay_memory=8000",
    "agent_params.update_freq=4", "agent_params.minibatch_size=32", "agent_params.target_q=1000",
    "agent_params.lr=0.00025", "agent_params.rescale_r=1", "agent_params.clip_delta=1",
)  # fmt: skip


def resident_mb() -> float:
    """Return the resident memory of this process in MB (10^6 bytes)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def reference_rate(seconds: float = 0.5) -> float:
    """Return the rounds per second of a fixed loop."""
    numbers = np.random.default_rng(0).random(20_000)
    rounds, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for _ in range(10):
            np.sort(numbers)
        rounds += 10
    return rounds / seconds


def segment(opt: Options, out: Path, seconds: float) -> tuple[int, float, float]:
    """Train for a while; return (step, learning steps per second, ratio to the loop)."""
    run = Run(SYSTEM, opt, out)
    events: Any = run.train("cpu")
    step, ratios, rates = 0, [], []
    end = time.monotonic() + seconds
    counted, since = 0, time.perf_counter()
    reference = reference_rate()
    for event in events:
        if not isinstance(event, Ticked):
            continue
        if event.phase == "learning":
            counted += 1
        else:
            counted, since = 0, time.perf_counter()
        step = event.step
        if counted == 1000:
            rate = counted / (time.perf_counter() - since)
            before, reference = reference, reference_rate()
            rates.append(rate)
            ratios.append(rate / ((before + reference) / 2))
            counted, since = 0, time.perf_counter()
        if time.monotonic() > end and len(ratios) > 2:
            run.save_checkpoint()
            break
    events.close()
    return step, statistics.median(rates), statistics.median(ratios)


def main() -> None:
    """Run the soak and print a row a segment."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--segment", type=float, default=180, help="seconds between two resumes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    end = time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as name:
        opt = load_options(assignments=OPTIONS)
        print("minute     step  memory MB  handles  steps/s  ratio", flush=True)
        while time.monotonic() < end:
            step, rate, ratio = segment(opt, Path(name), arguments.segment)
            # The training that was left is a cycle of objects.
            gc.collect()
            minute = arguments.minutes - (end - time.monotonic()) / 60
            handles = len(list(Path("/proc/self/fd").iterdir()))
            print(f"{minute:6.1f} {step:8,d} {resident_mb():10.1f} {handles:8d} {rate:8.1f}"
                  f"  {100 * ratio:.2f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
