"""Any system's training, to be timed in this process, or in a worker of its own.

``python -m dqn_port.bench.playing``; its settings: ``arguments`` (as args.json holds them),
``cores``, as many as it has threads, and ``until``, the step it plays to before it is ready.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dqn_port import registry
from dqn_port.bench.machine import pin
from dqn_port.bench.workers import Worker, serve
from dqn_port.interfaces import Options, System
from dqn_port.runs.run_files import RunFiles


class Playing:
    """A training that is set up and played by the program's own code; its files are discarded."""

    def __init__(self, system: System, options: Options) -> None:
        folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder)
        files = RunFiles(Path(folder), lambda: None)
        self.training = system.training(options, files)
        files.begin()

    def play(self, steps: int) -> float:
        """Play until the training is ``steps`` steps further; return the seconds."""
        training = self.training
        until = training.step + steps
        started = time.perf_counter()
        while training.step < until and not training.done:
            training.tick()
        return time.perf_counter() - started

    def ticks(self, count: int) -> float:
        """Make ``count`` ticks and return the seconds."""
        tick = self.training.tick
        started = time.perf_counter()
        for _ in range(count):
            tick()
        return time.perf_counter() - started


def start_playing(arguments: Mapping[str, Any], cores: list[int], *, until: int = 0) -> Worker:
    """Start a training on ``cores`` in a separate process; ``run N`` plays N steps."""
    settings = {"arguments": dict(arguments), "cores": cores, "until": until}
    return Worker("dqn-port", [sys.executable, "-m", "dqn_port.bench.playing"], settings)


def _prepare(settings: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    cores, arguments = settings["cores"], settings["arguments"]
    pin(cores)
    system = registry.system_in(arguments)
    with tempfile.TemporaryDirectory() as folder:
        args_file = Path(folder) / "args.json"
        args_file.write_text(json.dumps(arguments))
        options = system.load(args_file=args_file, assignments=[f"threads={len(cores)}"])
    playing = Playing(system, options)
    playing.play(settings["until"])
    return lambda steps: {"seconds": playing.play(steps)}


if __name__ == "__main__":
    serve(_prepare)
