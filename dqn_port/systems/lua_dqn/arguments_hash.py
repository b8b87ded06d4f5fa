"""What makes two runs the same: their arguments in a canonical form, and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dqn_port.errors import RunFolderError
from dqn_port.files import reading, sha256_of
from dqn_port.options import Differences
from dqn_port.systems.lua_dqn.options import OPTIONS, Options, flat
from dqn_port.systems.lua_dqn.setup import names_snapshot, network_name

LENGTH: Final = 10
"""Hexadecimal digits of the hash."""


def canonical_arguments(opt: Options) -> str:
    """Return resolved options as JSON that is equal exactly when the runs are the same.

    Keys are sorted, 1.0 is 1, options that change nothing are left out, and a network's file
    counts by its content.

    Raises:
        RunFolderError: the network's file cannot be read.
    """
    table = _counting(opt.to_json())
    table["agent_params"] = {k: v for k, v in opt.agent_params.items() if k != "network"}
    table["network"] = _network(network_name(opt))
    return json.dumps(_plain(table), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def arguments_hash(opt: Options) -> str:
    """Return the short hash of resolved options: LENGTH digits of the canonical form's sha256.

    Raises:
        RunFolderError: see canonical_arguments.
    """
    return hashlib.sha256(canonical_arguments(opt).encode()).hexdigest()[:LENGTH]


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> Differences:
    """Compare the options of two runs, both as Options.to_json gives them."""
    old, new = flat(_counting(there)), flat(_counting(here))
    both = {path: (old.get(path), new.get(path)) for path in sorted(old.keys() | new.keys())}
    differing = {path: pair for path, pair in both.items() if not _same(*pair)}
    return Differences(
        {path: pair for path, pair in differing.items() if _CHANGES.get(path) != "length"},
        {path: pair for path, pair in differing.items() if _CHANGES.get(path) == "length"},
    )


_CHANGES: Final = {option.name: option.changes for option in OPTIONS} | {"ignored": "nothing"}


def _counting(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that make two runs differ, in the form that is compared.

    save_freq counts where save_versions keeps every snapshot; of gpu only whether there is one.
    """
    counting = {key: value for key, value in table.items() if _CHANGES.get(key) != "nothing"}
    if _is_above_0(table.get("save_versions")):
        counting["save_freq"] = table.get("save_freq")
    gpu = table.get("gpu")
    counting["device"] = "cuda" if gpu == 0 or _is_above_0(gpu) else "cpu"
    return counting


def _is_above_0(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0


def _same(old: Any, new: Any) -> bool:
    """Tell whether two values are equal. NaN, which old arguments may hold, equals itself."""
    return bool(old == new) or json.dumps(old) == json.dumps(new)


def _network(name: str) -> Any:
    if not names_snapshot(name):
        return name
    with reading(name, RunFolderError, "name another network"):
        return {"sha256": sha256_of(Path(name))}


def _plain(value: Any) -> Any:
    """Return a value with whole numbers as integers and every key a string."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and value == int(value):
        return int(value)
    return value
