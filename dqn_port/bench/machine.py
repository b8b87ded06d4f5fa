"""The machine: its description, and which of its cores are used."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from dqn_port.files import write_whole
from dqn_port.memory import machine_memory
from dqn_port.runs.run import versions

_TOLD_FLAGS: Final = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve")
"""The processor's flags that determine the speed of matrix products."""

REPEATS: Final = 7
"""Number of repeats of a measurement by default."""


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, memory, GPU, load."""
    about = _processor()
    flags = about.get("flags", about.get("Features", "")).split()
    return {
        "cpu": about.get("model name", platform.processor() or platform.machine()),
        "family": " ".join(about.get(key, "?") for key in ("cpu family", "model")),
        "flags": [flag for flag in _TOLD_FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(machine_memory() / 1e9, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load": [round(load, 2) for load in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
    }


def all_versions() -> dict[str, str]:
    """Return the versions that the figures depend on."""
    return versions() | {"torch": torch.__version__}


def _processor() -> dict[str, str]:
    """Return the facts of the first processor in /proc/cpuinfo."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    first = text.split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def cores_for(threads: int) -> list[int]:
    """Return the cores to run the threads on: the last ones, since the first serve devices.

    If there are more threads than cores, all cores are returned.
    """
    return sorted(os.sched_getaffinity(0))[-threads:]


def pin(cores: Sequence[int]) -> None:
    """Keep this process, with the threads it has already, on ``cores``."""
    for task in Path("/proc/self/task").iterdir():
        # A thread may have ended since.
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), cores)


@contextlib.contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Keep this process on ``cores`` for a while."""
    before = os.sched_getaffinity(0)
    pin(cores)
    try:
        yield
    finally:
        pin(sorted(before))


def about_the_machine() -> dict[str, Any]:
    """Return the head of every file of figures."""
    return {"machine": machine(), "versions": all_versions()}


def write_json(path: Path, table: dict[str, Any]) -> None:
    """Write a file of figures.

    Raises:
        RunFolderError: it cannot be written.
    """
    text = json.dumps(table, indent=2, ensure_ascii=False) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))
