"""Validate a run's folder: what is intact, what is damaged, what can be used."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dqn_port import registry
from dqn_port.arguments.values import shown
from dqn_port.errors import (
    ArgsError,
    DeviceError,
    DqnPortError,
    ExternalImportError,
    MemoryNeedError,
    MissingLibraryError,
    RomError,
    RunFolderError,
    TrustError,
)
from dqn_port.files import sha256_of
from dqn_port.interfaces import Facts, System
from dqn_port.records import RunRecord
from dqn_port.runs.checkpoint import Checkpoints
from dqn_port.runs.record import read_table
from dqn_port.runs.run_folder import ARGS, FINISHED, RunFolder, arguments_in
from dqn_port.runs.scores import SCORES


@dataclass(frozen=True)
class Finding:
    """One thing that was checked, and the result."""

    name: str
    """A file, or a checkpoint by its number."""
    good: bool
    text: str
    """What it holds, or what is wrong."""


def check_run(folder: Path) -> Iterator[Finding]:
    """Yield the findings for a run's folder, file by file; nothing is changed.

    Raises:
        RunFolderError: it is not a run's folder.
    """
    if not (folder / ARGS).is_file():
        raise RunFolderError(f"{folder}: expected a run's folder, got none with {ARGS}")
    system = registry.system_of_file(folder / ARGS)
    try:
        facts = _facts(system, arguments_in(folder))
        text = _told(system, facts)
        with contextlib.suppress(TrustError):
            system.facts(system.load(args_file=folder / ARGS))
    except (
        RomError,
        MemoryNeedError,
        DeviceError,
        MissingLibraryError,
        ExternalImportError,
    ) as error:
        # That is not the run's fault.
        text = f"{text}; it cannot be run here: {error}"
    except DqnPortError as error:
        yield Finding(ARGS, False, str(error))
        return
    yield Finding(ARGS, True, text)
    run = RunFolder(system, facts, folder.absolute().parent)
    run.folder = folder
    finished = (folder / FINISHED).exists()
    history: dict[str, NDArray[Any]] | None = None
    scores = [SCORES] if (folder / SCORES.file).exists() else []
    for table in (*system.HISTORY, *scores):
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
    theirs = [suffix for suffix, name in registry.FILES.items() if name == system.NAME]
    originals = [path for path in folder.iterdir() if path.suffix in theirs]
    # The original's files, which may have any name, and ours beside them.
    beside = (path.with_suffix(system.SUFFIX) for path in originals)
    paths = {*run.snapshots(), *originals, *(path for path in beside if path.exists())}
    for path in sorted(paths):
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
            text = f"step {kept.step:,}, {kept.mode}, {kept.rows:,} rows of memory"
            yield Finding(f"checkpoint {serial}", True, text)
        except DqnPortError as error:
            yield Finding(f"checkpoint {serial}", False, str(error))
    if (folder / FINISHED).exists():
        missing = [name for name in digests if not (folder / name).exists()]
        text = f"finished; missing: {', '.join(missing)}" if missing else "finished"
        yield Finding(FINISHED, bool(digests) and not missing, text if digests else "damaged")
    for path in sorted(folder.rglob(".*.part")):
        yield Finding(str(path.relative_to(folder)), True, "left by an interrupted write; ignored")


def _digests(path: Path) -> dict[str, Any]:
    """Return the sha256 of every file that run.json names; an empty dict if it cannot be read."""
    try:
        table = json.loads(path.read_bytes())["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


def _facts(system: System, arguments: dict[str, Any]) -> Facts:
    """Return a line about args.json, from the options with a role.

    Raises:
        ArgsError: it does not have the name and the length of a run.
    """
    roles = {param.role: arguments.get(param.name) for param in system.OPTIONS if param.role}
    name, game, length = (roles.get(role, "") for role in ("name", "game", "length"))
    name = arguments.get("name", name)
    seed = roles.get("seed", arguments.get("seed"))
    texts = isinstance(name, str) and isinstance(game, str)
    if not texts or not isinstance(length, int | str | None) or not isinstance(seed, int):
        raise ArgsError(f"expected name, game, length and seed of a run, got {shown(arguments)}")
    return Facts(
        arguments=arguments,
        name=str(name),
        game=str(game),
        seed=seed,
        length=length if isinstance(length, int) else None,
    )


def _told(system: System, facts: Facts) -> str:
    unit = next(param.unit for param in system.OPTIONS if param.role == "length") or "steps"
    length = "without end" if facts.length is None else f"{facts.length:,} {unit}"
    return f"{facts.game}, {length}, seed {facts.seed}"


def _record(
    system: System, facts: Facts, folder: Path, history: dict[str, NDArray[Any]]
) -> RunRecord:
    """Return the facts in the folder, as far as it is not damaged."""
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
