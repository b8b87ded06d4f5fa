"""How much memory there is, and how much of it is left."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from dqn_port.errors import MemoryNeedError

_SPARED: Final = 0.7
"""Of the memory, what a size that is proposed takes."""


def machine_memory() -> int:
    """Return the bytes of memory this process may use: the machine's, or its container's."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limits.append(int((Path("/sys/fs/cgroup") / name).read_text()))
        except (OSError, ValueError):
            continue
    return min(limits)


def available_memory() -> int:
    """Return the bytes that this process may still take without others losing theirs."""
    found = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        found.append(1024 * int(line.split()[1]))
    with contextlib.suppress(OSError, ValueError, StopIteration):
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / f"memory.{name}").read_text()) for name in ("max", "current"))
        stat = (group / "memory.stat").read_text().splitlines()
        # Pages of files are given back when memory is short.
        line = next(line for line in stat if line.startswith("inactive_file "))
        found.append(limit - used + int(line.split()[1]))
    return min(found, default=2**62)


def resident_bytes() -> int:
    """Return the bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def check_memory(option: str, n: int, what: str, *, each: float, beside: float = 0) -> None:
    """Refuse a replay memory that the machine cannot hold, with the size that would fit.

    ``n``: its entries, of ``each`` bytes; ``beside``: bytes of what does not depend on them.

    Raises:
        MemoryNeedError: it cannot.
    """
    need, have = n * each + beside, machine_memory()
    if need > have:
        fits = max(0, int(_SPARED * (have - beside) / each))
        raise MemoryNeedError(
            f"{option}: {n} {what} take {need / 1e9:.2f} GB, this machine has {have / 1e9:.2f} GB; "
            f"set a smaller one, --set {option}={fits}"
        )
