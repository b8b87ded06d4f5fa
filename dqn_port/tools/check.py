"""Validate a run's folder: what is whole, what is damaged, what can be used."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import DqnPortError, RunFolderError
from dqn_port.files import sha256_of
from dqn_port.runs.checkpoint import Checkpoints
from dqn_port.runs.record import read_history
from dqn_port.runs.run_folder import ARGS, FINISHED, HISTORY, RunFolder
from dqn_port.systems.lua_dqn.histories import COLUMNS
from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.setup import load_options
from dqn_port.systems.lua_dqn.snapshot import load_network, load_snapshot
from dqn_port.torch7.nn_modules import rows_of


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
        opt = load_options(args_file=folder / ARGS)
    except DqnPortError as error:
        yield Finding(ARGS, False, str(error))
        return
    yield Finding(ARGS, True, f"{opt.env}, {opt.steps:,} steps, seed {opt.seed}")
    run = RunFolder(opt, folder.absolute().parent)
    run.folder = folder
    history: dict[str, NDArray[Any]] = {}
    try:
        finished = (folder / FINISHED).exists()
        history = read_history((folder / HISTORY).read_bytes(), finished=finished)
        yield Finding(HISTORY, True, f"{len(history['step'])} evaluations")
    except (OSError, ValueError) as error:
        yield Finding(HISTORY, False, str(error))
    digests = _digests(folder / FINISHED)
    for path in run.snapshots():
        try:
            yield Finding(path.name, True, _snapshot(path, opt, history, digests))
        except (DqnPortError, ValueError) as error:
            yield Finding(path.name, False, str(error).removeprefix(f"{path}: "))
    checkpoints = Checkpoints(folder)
    for serial in checkpoints.serials():
        try:
            found = checkpoints.check(serial)
            n = found.end - found.first
            text = f"step {found.step:,}, {found.mode}, {n:,} transitions"
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


def _snapshot(
    path: Path, opt: Options, rows: Mapping[str, NDArray[Any]], digests: dict[str, Any]
) -> str:
    """Return what a snapshot, or a file of parameters, holds.

    Raises:
        DqnPortError, ValueError: it is damaged, or not what the rest of the folder says.
    """
    if path.name in digests and sha256_of(path) != digests[path.name]:
        raise ValueError(f"its sha256 is not the one in {FINISHED}; it is damaged")
    if path.name.endswith(".params.t7"):
        parameters = load_network(path).parameters
        if parameters is None or not np.isfinite(parameters).all():
            raise ValueError("expected finite parameters, got others")
        return f"{len(parameters):,} parameters"
    snapshot = load_snapshot(path)
    for best in (False, True):
        saved = load_network(path, best=best)
        for i, row in enumerate(rows_of(saved.module, saved.where), start=1):
            for name in ("weight", "bias"):
                if name in row and not np.isfinite(row[name]).all():
                    raise ValueError(f"{saved.name}: modules[{i}].{name}: NaN or infinity")
    if snapshot.arguments.get("env") != opt.env:
        raise ValueError(f"arguments.env: expected {opt.env}, as {ARGS} has it")
    n = len(snapshot.history("reward_history"))
    for column, name in COLUMNS.items():
        history = snapshot.history(name)
        told = rows[column].tolist() if rows else []
        if len(history) != n or (len(told) >= n and history != told[:n]):
            raise ValueError(f"{name}: expected the numbers of {HISTORY}, got others")
    steps = "" if snapshot.num_steps is None else f"step {snapshot.num_steps:,}, "
    return f"{steps}{n} evaluations, networks finite"
