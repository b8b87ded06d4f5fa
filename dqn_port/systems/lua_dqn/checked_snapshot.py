"""Check a snapshot, or a file of parameters, against the rest of its run's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dqn_port.records import RunRecord
from dqn_port.systems.lua_dqn.histories import COLUMNS
from dqn_port.systems.lua_dqn.snapshot import load_network, load_snapshot
from dqn_port.torch7.nn_modules import rows_of


def check_networks(path: Path, record: RunRecord | None) -> str:
    """Return what a snapshot, or a file of parameters, holds.

    Raises:
        DqnPortError, ValueError: it is damaged, or does not match the rest of the folder.
    """
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
    if record is not None and snapshot.arguments.get("env") != record.game:
        raise ValueError(f"arguments.env: expected {record.game}, as args.json has it")
    n = len(snapshot.history("reward_history"))
    for column, name in COLUMNS.items():
        history = snapshot.history(name)
        told = record.history[column].tolist() if record is not None and record.history else []
        if len(history) != n or (len(told) >= n and history != told[:n]):
            raise ValueError(f"{name}: expected the numbers of history.csv, got others")
    steps = "" if snapshot.num_steps is None else f"step {snapshot.num_steps:,}, "
    return f"{steps}{n} evaluations, networks finite"
