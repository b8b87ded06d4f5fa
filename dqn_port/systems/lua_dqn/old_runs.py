"""The record of a training from a snapshot alone, the original's or one of this program.

A snapshot holds the histories, the arguments, and the agent if it was saved whole. What it lacks is
not in the record.

Lua: the torch.save of train_agent.lua.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import SnapshotError, TableSyntaxError
from dqn_port.records import MOST, RunRecord
from dqn_port.systems.lua_dqn.histories import COLUMNS, HISTORY, TIME
from dqn_port.torch7.option_values import OptionValues
from dqn_port.torch7.t7 import load
from dqn_port.torch7.table_literal import parse_table
from dqn_port.torch7.values import LuaTable, TorchObject

_MOST_EVALUATIONS: Final = 100_000
"""A run of the paper has 200."""
_TABLES: Final = ("env_params", "pool_frms", "agent_params")


def read_old_run(path: Path) -> RunRecord:
    """Read the record of a training from its snapshot; its name is the file's.

    The steps of the evaluations are not in a snapshot. They follow from eval_freq and the step at
    which learning began, and are given only if both are known and nothing contradicts them.

    Raises:
        T7Error: the file cannot be read or is damaged.
        SnapshotError: it holds no histories, or histories that do not match.
    """
    table = load(path)
    if not isinstance(table, LuaTable) or not {*COLUMNS.values(), TIME} & table.keys():
        raise SnapshotError(
            f"{path}: expected a training's histories, reward_history and the like, got {table!r}; "
            "name the snapshot that a training has saved"
        )
    arguments = _arguments(table.get("arguments"))
    n, history, time = _histories(table, path)
    steps = _steps(n, arguments, table.get("agent"))
    actrep = whole_number(arguments.get("actrep"), 1)
    if steps is not None:
        history["step"] = steps
        if actrep is not None and (not n or int(steps[-1]) * actrep < 2**53):
            history["frames"] = steps * actrep
    if time is not None:
        history["training_seconds"] = np.diff(time)
    if "reward" in history:
        history["best"] = _best(history["reward"])
    game = arguments.get("env")
    return RunRecord(
        folder=path,
        system="lua_dqn",
        table=HISTORY,
        name=path.stem,
        game=game if isinstance(game, str) and "\0" not in game else "",
        arguments=arguments,
        arguments_hash="",
        seed=whole_number(arguments.get("seed"), -(2**53)),
        about={},
        finished=None,
        history=history,
        time=time,
        snapshot=path,
    )


def _fail(path: Path, where: str, expected: str, got: str) -> NoReturn:
    raise SnapshotError(
        f"{path}: {where}: expected {expected}, got {got}; look into it with `dqn-port t7 show`"
    )


def _histories(
    table: LuaTable, path: Path
) -> tuple[int, dict[str, NDArray[Any]], NDArray[np.float64] | None]:
    """Return the number of evaluations, the columns that the file has, and time_history.

    A list that is empty while others are not was never filled, and counts as missing.
    """
    lists = {column: _numbers(table, name, path) for column, name in COLUMNS.items()}
    time = _numbers(table, TIME, path)
    lengths = {COLUMNS[column]: len(values) for column, values in lists.items() if len(values)}
    if len(time) > 1:
        lengths[TIME] = len(time) - 1
    if len(set(lengths.values())) > 1:
        got = ", ".join(f"{length} in {name}" for name, length in lengths.items())
        _fail(path, "histories", f"one number an evaluation in each, after the 0 of {TIME}", got)
    n = max(lengths.values(), default=0)
    columns: dict[str, NDArray[Any]] = {}
    for column, values in lists.items():
        name = COLUMNS[column]
        if HISTORY.column(column).is_count:
            for i in np.flatnonzero((values < 0) | (values % 1 != 0) | (values >= 2**53))[:1]:
                _fail(path, f"{name}[{i + 1}]", "a count", f"{values[i]:g}")
            values = values.astype(np.int64)
        if len(values) or (not n and name in table):
            columns[column] = values
    return n, columns, time if len(time) == n + 1 else None


def _numbers(table: LuaTable, name: str, path: Path) -> NDArray[np.float64]:
    """Return a list of the file; empty if it is missing."""
    found = table.get(name, LuaTable())
    if not isinstance(found, LuaTable):
        _fail(path, name, "a list of numbers", repr(found))
    if len(found) > _MOST_EVALUATIONS:
        _fail(path, name, f"at most {_MOST_EVALUATIONS:,} numbers", f"{len(found):,}")
    if not found.is_list:
        _fail(path, name, "a list of numbers without gaps", repr(found))
    values = found.to_list()
    for i, value in enumerate(values, start=1):
        if type(value) is not float or not abs(value) < MOST:
            _fail(path, f"{name}[{i}]", "a finite number", f"{value!r:.60}")
    return np.array(values, dtype=np.float64)


def _best(reward: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return 1 where the network was the best so far; see Histories.is_best."""
    best = np.ones(len(reward), dtype=np.int64)
    with np.errstate(over="ignore"):
        before = np.maximum.accumulate(reward)[:-1].astype(np.float32)
    best[1:] = reward[1:] > before.astype(np.float64)
    return best


def _steps(n: int, arguments: Mapping[str, Any], agent: Any) -> NDArray[np.int64] | None:
    """Return the agent steps of the evaluations; None if they are not certain.

    train_agent evaluates at every multiple of eval_freq above the agent's learn_start.
    """
    eval_freq = whole_number(arguments.get("eval_freq"), 1)
    if eval_freq is None:
        return None
    planned = whole_number(arguments.get("steps"), 0)
    begin = _learn_start(arguments, agent)
    if begin is None and planned is not None and n == planned // eval_freq:
        # There was an evaluation at every multiple up to the last step.
        begin = 0
    if begin is None:
        return None
    first = (begin // eval_freq + 1) * eval_freq
    last = first + (n - 1) * eval_freq
    known = [planned, whole_number(agent.get("numSteps"), 0) if _is_agent(agent) else None]
    if last >= 2**53 or any(most is not None and n and last > most for most in known):
        return None
    return first + eval_freq * np.arange(n, dtype=np.int64)


def _is_agent(agent: Any) -> bool:
    return isinstance(agent, TorchObject) and isinstance(agent.fields, LuaTable)


def _learn_start(arguments: Mapping[str, Any], agent: Any) -> int | None:
    """Return the step at which learning began; the agent's default is 0."""
    if _is_agent(agent) and agent.get("learn_start") is not None:
        return whole_number(agent.get("learn_start"), 0)
    params = arguments.get("agent_params")
    return whole_number(params.get("learn_start", 0), 0) if isinstance(params, dict) else None


def whole_number(value: Any, low: int) -> int | None:
    """Return ``value`` as an int if it is a whole number of at least ``low``, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value) or value != int(value) or not low <= value <= 2**53:
        return None
    return int(value)


def _arguments(table: Any) -> dict[str, Any]:
    """Return the options in the file that JSON can hold."""
    found: dict[str, Any] = {}
    values = OptionValues()
    for name, value in table.items() if isinstance(table, LuaTable) else ():
        if not isinstance(name, str):
            continue
        if name in _TABLES and isinstance(value, str):
            with contextlib.suppress(TableSyntaxError):
                _put(found, name, parse_table(value).values)
        elif name in _TABLES and isinstance(value, LuaTable):
            found[name] = {}
            for key, inner in value.items():
                with contextlib.suppress(ValueError):
                    _put(found[name], str(key), values.plain(inner))
        else:
            with contextlib.suppress(ValueError):
                _put(found, name, values.plain(value))
    return found


def _put(to: dict[str, Any], key: str, value: Any) -> None:
    """Set a value as JSON has it.

    Raises:
        ValueError: JSON has no such value: NaN or infinity.
    """
    to[key] = json.loads(json.dumps(value, skipkeys=True, allow_nan=False))
