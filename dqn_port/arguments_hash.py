"""What makes two runs the same run: their arguments, in one canonical form, and its hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from dqn_port.assemble import names_snapshot, network_name
from dqn_port.errors import RunFolderError
from dqn_port.options import Options
from dqn_port.run_folder import sha256_of

LEFT_OUT: Final = {
    "name": "names the folder, and changes no number",
    "game_path": "the ROM's md5 is checked, wherever it lies",
    "prog_freq": "when norms are printed",
    "save_freq": "when snapshots are written; it counts where save_versions keeps them all",
    "verbose": "what is printed at the start",
    "threads": "no sum hangs on the number of threads",
    "gpu": "which GPU it is; whether it is one counts",
    "ignored": "nothing reads them",
}
"""Options that change no result → why."""

LENGTH: Final = 10
"""Hexadecimal digits of the hash."""


def canonical_arguments(opt: Options) -> str:
    """Return resolved options as JSON that is equal exactly where the runs are.

    Keys are sorted, 1.0 is 1, the options of LEFT_OUT are gone, and a network's file counts by its
    content.

    Raises:
        RunFolderError: the network's file cannot be read.
    """
    table = {key: value for key, value in opt.to_json().items() if key not in LEFT_OUT}
    if opt.save_versions > 0:
        table["save_freq"] = opt.save_freq
    table["device"] = "cpu" if opt.gpu < 0 else "cuda"
    table["agent_params"] = {k: v for k, v in opt.agent_params.items() if k != "network"}
    table["network"] = _network(network_name(opt))
    return json.dumps(_plain(table), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def arguments_hash(opt: Options) -> str:
    """Return the short hash of resolved options: LENGTH digits of the canonical form's sha256.

    Raises:
        RunFolderError: see canonical_arguments.
    """
    return hashlib.sha256(canonical_arguments(opt).encode()).hexdigest()[:LENGTH]


def _network(name: str) -> Any:
    if not names_snapshot(name):
        return name
    try:
        return {"sha256": sha256_of(Path(name))}
    except OSError as error:
        raise RunFolderError(
            f"{name}: cannot be read: {error.strerror or error}; name another network"
        ) from error


def _plain(value: Any) -> Any:
    """Return a value with whole numbers as integers and every key a string."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and value == int(value):
        return int(value)
    return value
