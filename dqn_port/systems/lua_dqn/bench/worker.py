"""This program as a worker: ``python -m dqn_port.systems.lua_dqn.bench.worker``.

Its settings: ``options`` (as args.json holds them, made ready by loops.py) and ``cores``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from dqn_port.bench.machine import pin
from dqn_port.bench.workers import Worker, serve
from dqn_port.systems.lua_dqn.bench.loops import Loop
from dqn_port.systems.lua_dqn.options import Options


def start_training(opt: Options, cores: list[int], *, learn: bool = True) -> Worker:
    """Start a training with ``opt`` on ``cores``; with ``learn`` it plays until it learns."""
    settings = {"options": opt.to_json(), "cores": cores, "learn": learn}
    return Worker(
        "dqn-port", [sys.executable, "-m", "dqn_port.systems.lua_dqn.bench.worker"], settings
    )


def _prepare(settings: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    pin(settings["cores"])
    started = time.perf_counter()
    loop = Loop(Options(**settings["options"]))
    loop.play(1)
    start_up = time.perf_counter() - started
    if settings["learn"]:
        loop.learn()
    return lambda steps: {"seconds": loop.play(steps), "start_up": start_up}


if __name__ == "__main__":
    serve(_prepare)
