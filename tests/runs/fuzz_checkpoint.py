"""Put hostile checkpoints, with the right checksums, into a run, and see that one line comes out.

    python -m tests.runs.fuzz_checkpoint --inputs 20000 --seed 1

Every input is a good checkpoint of a toy run with some values of its state or its manifest replaced
(other types, sizes, huge numbers, NaN) or with bytes of its state's file changed. Allowed are a
CheckpointError or a state that fits. Prints the figures; ends with 1 at anything else.
"""

from __future__ import annotations

import argparse
import collections
import copy
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dqn_port.errors import CheckpointError
from dqn_port.events import Ticked
from dqn_port.files import sha256_of
from dqn_port.runs.checkpoint import Checkpoints, _digest
from dqn_port.runs.run import Run, _check_rows
from dqn_port.runs.run_files import RunFiles
from dqn_port.runs.state_file import load_state, save_state
from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.setup import setup
from dqn_port.systems.lua_dqn.system import SYSTEM
from dqn_port.systems.lua_dqn.training import LuaTraining
from tests.cli.running import toy
from tests.systems.lua_dqn.test_setup import CPU, options_of

HOSTILE: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 2**31, 2**53, 2**62, 10**30, -0.5, 1e308, float("nan"),
    float("inf"), "", "x", "../../x", b"", b"\0" * 9, [], [1], [None], {}, {"w": 1},
    np.zeros(0, dtype=np.uint8), np.zeros((1, 1), dtype=np.float32), np.zeros(7324, dtype=np.uint8),
    np.full(7324, np.nan, dtype=np.float32), np.full(8, 255, dtype=np.int64),
)  # fmt: skip


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Return (holder, key) of every value of a tree."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
    return found


def changed(tree: Any, random_: random.Random) -> None:
    """Replace, take away or swap a few values."""
    for _ in range(random_.choice((1, 1, 1, 2, 5))):
        holder, key = random_.choice(places(tree))
        what = random_.random()
        if what < 0.1 and isinstance(holder, dict):
            del holder[key]
        elif what < 0.3 and isinstance(holder[key], np.ndarray) and holder[key].size:
            array = np.array(holder[key])
            flat = array.reshape(-1)
            flat[random_.randrange(flat.size)] = random_.choice((0, 1, 127))
            holder[key] = array
        else:
            holder[key] = copy.deepcopy(random_.choice(HOSTILE))


def attempt(opt: Options, training: LuaTraining, folder: Path, random_: random.Random) -> str:
    """Return what came of one input."""
    checkpoints = Checkpoints(folder)
    serial = checkpoints.serials()[0]
    manifest = checkpoints.folder / f"{serial:08d}.json"
    table = json.loads(manifest.read_text())
    state = checkpoints.folder / table["state"]["name"]
    good, good_manifest = state.read_bytes(), manifest.read_bytes()
    kind = random_.random()
    try:
        if kind < 0.7:
            tree = load_state(state)
            changed(tree, random_)
            save_state(state, tree)
        elif kind < 0.85:
            data = bytearray(good)
            for _ in range(random_.choice((1, 2, 8))):
                data[random_.randrange(len(data))] = random_.randrange(256)
            state.write_bytes(data)
        if state.read_bytes() != good:
            table["state"] |= {"size": state.stat().st_size, "sha256": sha256_of(state)}
        else:
            values = [value for value in HOSTILE if not isinstance(value, np.ndarray | bytes)]
            holder, key = random_.choice(places(table))
            holder[key] = copy.deepcopy(random_.choice(values))
        table.pop("sha256", None)
        manifest.write_text(json.dumps(table | {"sha256": _digest(table)}))
        found, loaded = checkpoints.load(serial, training.rings())
        training.load_state_dict(loaded, full=found.mode == "full")
        if found.mode == "full":
            _check_rows(training, found)
        return "fits"
    except CheckpointError as error:
        return "CheckpointError" if "\n" not in str(error) else "an error of several lines"
    finally:
        state.write_bytes(good)
        manifest.write_bytes(good_manifest)


def main() -> None:
    """Run the fuzz and print its figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    counts, slowest, began = fuzz(arguments.inputs, arguments.seed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    rows = ", ".join(f"{name} {n:,}" for name, n in sorted(counts.items()))
    print(f"inputs {arguments.inputs:,}: {rows}; slowest {slowest:.2f} s; peak {peak:.0f} MB; "
          f"{time.monotonic() - began:.0f} s")  # fmt: skip
    sys.exit(1 if counts.keys() - {"fits", "CheckpointError"} else 0)


def fuzz(inputs: int, seed: int) -> tuple[collections.Counter[str], float, float]:
    """Return (outcomes, seconds of the slowest input, when it began)."""
    random_ = random.Random(seed)
    counts: collections.Counter[str] = collections.Counter()
    slowest, began = 0.0, time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        opt = options_of(toy(name="t", save_freq=50))
        run = Run(SYSTEM, opt, Path(name))
        events: Any = run.train("cpu")
        next(event for event in events if isinstance(event, Ticked) and event.step == 100)
        run.save_checkpoint()
        next(event for event in events if isinstance(event, Ticked) and event.step == 120)
        events.close()
        training = LuaTraining(setup(opt, device=CPU), RunFiles(Path(name), lambda: None))
        for number in range(inputs):
            start = time.monotonic()
            try:
                outcome = attempt(opt, training, Path(name) / "t", random_)
            except Exception as error:
                outcome = f"{type(error).__name__}: {error}"[:100]
                print(f"input {number}: {outcome}")
            counts[outcome] += 1
            slowest = max(slowest, time.monotonic() - start)
    return counts, slowest, began


if __name__ == "__main__":
    main()
