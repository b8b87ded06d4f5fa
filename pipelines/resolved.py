"""A run's arguments as they take effect, and their hash."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from dqn_port import registry
from dqn_port.arguments.trust import trusting
from dqn_port.errors import ArgsError
from dqn_port.external import external_faults
from dqn_port.interfaces import Facts, Options, System


@dataclass(frozen=True)
class Resolved:
    """The options of a run, and values derived from them."""

    system: System
    options: Options
    facts: Facts
    hash: str
    warnings: tuple[str, ...]
    """Warnings about the arguments."""


def resolved(args_file: str, assignments: tuple[str, ...], *, trust: bool = False) -> Resolved:
    """Return the resolved arguments of a file with assignments on top; cached until the file
    changes.

    ``trust``: external code may be imported.

    Raises:
        ArgsError: no seed is given, where one would be drawn.
        DqnPortError: see registry.choose, System.load.
    """
    path = Path(args_file)
    try:
        status = path.stat()
    except OSError:
        return _resolved(args_file, assignments, trust, 0, 0)
    return _resolved(args_file, assignments, trust, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _resolved(
    args_file: str, assignments: tuple[str, ...], trust: bool, mtime: int, size: int
) -> Resolved:
    with trusting(trust), external_faults():
        system, assignments = registry.choose(Path(args_file), assignments)
        draft = system.new_draft()
        options = system.load(args_file=Path(args_file), assignments=assignments, draft=draft)
        if getattr(draft, "drawn", False):
            raise ArgsError(
                f"{args_file}: {system.option_of('seed')}: expected a seed, as a pipeline finds "
                "its results by their arguments, got none; add --seed 1"
            )
        facts = system.facts(options)
        if facts.length is None and not facts.longer:
            raise ArgsError(
                f"{args_file}: {system.option_of('length')}: expected an end, as a pipeline "
                "evaluates what is finished, got none; add --length N"
            )
        return Resolved(
            system=system,
            options=options,
            facts=facts,
            hash=system.arguments_hash(options),
            warnings=tuple(draft.warnings),
        )
