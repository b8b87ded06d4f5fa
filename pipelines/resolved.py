"""A run's arguments as they take effect, and their hash."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from dqn_port.systems.lua_dqn.arguments_hash import arguments_hash
from dqn_port.systems.lua_dqn.drafts import Draft
from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.setup import load_options


@dataclass(frozen=True)
class Resolved:
    """The options of a run, and what is derived from them."""

    opt: Options
    hash: str
    warnings: tuple[str, ...]
    """What may not be meant in the arguments."""


def resolved(args_file: str, assignments: tuple[str, ...]) -> Resolved:
    """Return the resolved arguments of a file with assignments on top; read once while it stands.

    Raises:
        DqnPortError: see assemble.load_options.
    """
    path = Path(args_file)
    try:
        status = path.stat()
    except OSError:
        return _resolved(args_file, assignments, 0, 0)
    return _resolved(args_file, assignments, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _resolved(args_file: str, assignments: tuple[str, ...], mtime: int, size: int) -> Resolved:
    draft = Draft()
    opt = load_options(args_file=Path(args_file), assignments=assignments, draft=draft)
    return Resolved(opt, arguments_hash(opt), tuple(draft.warnings))
