"""Compare what two runs left: all that was not measured must be the same, to the bit."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from dqn_port.registry import SYSTEMS, find_system
from dqn_port.runs.checkpoint import FOLDER as CHECKPOINT
from dqn_port.runs.lock import is_lock
from dqn_port.runs.run_folder import FINISHED
from dqn_port.torch7.t7 import load
from dqn_port.torch7.tensors import Storage, Tensor
from dqn_port.torch7.values import LuaTable, TorchObject

MEASURED = frozenset({"created", "training_seconds", "cpu_seconds", "time_history", "sha256"})
"""Of run.json and of snapshots."""

OWN_MEASURED = {"total_time", "epoch_time", "steps_per_second"}
"""Of simple_dqn's CSV."""


def contents(folder: Path) -> dict[str, Any]:
    """Return every file of a run's folder by name, without what was measured and checkpoints."""
    return {
        str(path.relative_to(folder)): _content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not is_lock(path.name) and path.parent.name != CHECKPOINT
    }


def _content(path: Path) -> Any:
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        measured = _measured(path)
        return [{k: v for k, v in row.items() if k not in measured} for row in rows]
    if path.name == FINISHED:
        return {k: v for k, v in json.loads(path.read_text()).items() if k not in MEASURED}
    if path.suffix == ".t7":
        return plain(load(path))
    return path.read_bytes()


def _measured(path: Path) -> set[str]:
    """Return the measured columns of a table in a run's folder; strangers' have none."""
    name = json.loads((path.parent / "args.json").read_text()).get("system", "lua_dqn")
    tables = find_system(name).HISTORY if name in SYSTEMS else ()
    return {column for table in tables if table.file == path.name for column in table.measured} | (
        set() if path.name.startswith("history") else OWN_MEASURED
    )


def plain(value: Any) -> Any:
    """Return Lua's values as Python's, tensors as class, size and bytes, without measured times."""
    if isinstance(value, Tensor):
        return value.class_name, value.size, value.numpy().tobytes()
    if isinstance(value, Storage):
        return value.class_name, value.array.tobytes()
    if isinstance(value, TorchObject):
        return value.class_name, plain(value.fields)
    if isinstance(value, LuaTable):
        return {k: plain(v) for k, v in value.items() if k not in MEASURED}
    return value


def assert_same_runs(one: Path, other: Path) -> None:
    """Assert that two folders hold the same run."""
    left, right = contents(one), contents(other)
    assert list(left) == list(right)
    for name in left:
        assert left[name] == right[name], name
