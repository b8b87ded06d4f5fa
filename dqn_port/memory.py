"""How much memory there is."""

from __future__ import annotations

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
