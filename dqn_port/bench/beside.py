"""Processes that keep cores busy while something is measured."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Final

_BUSY: Final = (
    "import os, sys, threading\n"
    "os.sched_setaffinity(0, map(int, sys.argv[1:]))\n"
    # It ends with the process that started it, for whatever reason.
    "threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()\n"
    "while True: sum(range(100_000))\n"
)


@contextlib.contextmanager
def busy(processes: int, cores: Sequence[int]) -> Iterator[None]:
    """Keep a number of processes busy on ``cores`` for a while."""
    command = [sys.executable, "-c", _BUSY, *map(str, cores)]
    started = []
    try:
        for _ in range(processes):
            started.append(subprocess.Popen(command, stdin=subprocess.PIPE))
        yield
    finally:
        for process in started:
            process.kill()
            process.communicate()
