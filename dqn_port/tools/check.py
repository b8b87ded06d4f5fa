"""Validate a run's folder: what is whole, what is damaged, what can be used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dqn_port import registry
from dqn_port.errors import DqnPortError, RunFolderError
from dqn_port.files import sha256_of
from dqn_port.interfaces import Facts, System
from dqn_port.records import RunRecord
from dqn_port.runs.checkpoint import Checkpoints
from dqn_port.runs.record import read_table
from dqn_port.runs.run_folder import ARGS, FINISHED, RunFolder


@dataclass(frozen=True)
class Finding:
    """What was looked at, and whether it is as it should be."""

    name: str
    """A file, or a checkpoint by its number."""
    good: bool
    text: str
    """What it holds, or what is wrong."""


def check_run(folder: Path) -> Iterator[Finding]:
    """Yield what is found in a run's folder, file by file; nothing is changed.

    Raises:
        RunFolderError: it is no run's folder.
    """
    if not (folder / ARGS).is_file():
        raise RunFolderError(f"{folder}: expected a run's folder, got none with {ARGS}")
    try:
        system = registry.system_of_file(folder / ARGS)
        facts = system.facts(system.load(args_file=folder / ARGS))
    except DqnPortError as error:
        yield Finding(ARGS, False, str(error))
        return
    length = "without end" if facts.length is None else f"{facts.length:,} {_short(facts.unit)}"
    yield Finding(ARGS, True, f"{facts.game}, {length}, seed {facts.seed}")
    run = RunFolder(system, facts, folder.absolute().parent)
    run.folder = folder
    finished = (folder / FINISHED).exists()
    history: dict[str, NDArray[Any]] | None = None
    for table in system.HISTORY:
        try:
            found = read_table((folder / table.file).read_bytes(), table, finished=finished)
            n = len(found[table.clock])
            rows = "evaluations" if table.episodes else "rows"
            yield Finding(table.file, True, f"{n} {rows}")
            history = found if not table.name else history
        except (OSError, ValueError) as error:
            yield Finding(table.file, False, str(error))
    digests = _digests(folder / FINISHED)
    record = _record(system, facts, folder, history or {})
    for path in run.snapshots():
        try:
            if path.name in digests and sha256_of(path) != digests[path.name]:
                raise ValueError(f"its sha256 is not the one in {FINISHED}; it is damaged")
            yield Finding(path.name, True, system.check_networks(path, record))
        except (DqnPortError, ValueError) as error:
            yield Finding(path.name, False, str(error).removeprefix(f"{path}: "))
    checkpoints = Checkpoints(folder)
    for serial in checkpoints.serials():
        try:
            kept = checkpoints.check(serial)
            text = f"step {kept.step:,}, {kept.mode}, {kept.rows:,} transitions"
            yield Finding(f"checkpoint {serial}", True, text)
        except DqnPortError as error:
            yield Finding(f"checkpoint {serial}", False, str(error))
    if (folder / FINISHED).exists():
        missing = [name for name in digests if not (folder / name).exists()]
        text = f"finished; missing: {', '.join(missing)}" if missing else "finished"
        yield Finding(FINISHED, bool(digests) and not missing, text if digests else "damaged")
    for path in sorted(folder.rglob(".*.part")):
        yield Finding(str(path.relative_to(folder)), True, "left by a write that was cut; ignored")


def _digests(path: Path) -> dict[str, Any]:
    """Return the sha256 of every file that run.json names; nothing where it cannot be read."""
    try:
        table = json.loads(path.read_bytes())["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


def _short(unit: str) -> str:
    """Return the last word of a unit: steps for agent steps."""
    return unit.split()[-1]


def _record(
    system: System, facts: Facts, folder: Path, history: dict[str, NDArray[Any]]
) -> RunRecord:
    """Return what the folder tells, as far as it is not damaged."""
    return RunRecord(
        folder=folder,
        system=system.NAME,
        table=system.HISTORY[0],
        name=facts.name,
        game=facts.game,
        arguments=facts.arguments,
        arguments_hash="",
        seed=facts.seed,
        about={},
        finished=None,
        history=history,
        time=None,
        snapshot=None,
    )
