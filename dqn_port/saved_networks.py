"""Networks as safetensors files: NAME.safetensors holds a training's networks and its arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dqn_port.errors import SnapshotError
from dqn_port.files import reading, write_whole

SUFFIX: Final = ".safetensors"
NETWORKS: Final = ("last", "best")
_FORMAT: Final = "dqn-port networks 1"
_ABOUT: Final = "dqn-port"
"""The one key of the metadata: several would be written in any order."""


@dataclass(frozen=True, kw_only=True)
class SavedNetwork:
    """A network as a file holds it."""

    path: Path
    which: str
    """last | best"""
    arguments: Mapping[str, Any]
    """Of the run that saved it."""
    weights: Mapping[str, NDArray[Any]]
    """Parameter's name → values."""
    step: int = 0
    """Of the training, on its own clock."""


def save_networks(
    path: Path,
    networks: Mapping[str, Mapping[str, NDArray[Any]]],
    *,
    system: str,
    arguments: Mapping[str, Any],
    step: int,
) -> None:
    """Write networks, last and best, whole; the same ones give the same bytes.

    Raises:
        RunFolderError: see files.write_whole.
    """
    arrays = {
        f"{which}/{name}": np.ascontiguousarray(values)
        for which, network in networks.items()
        for name, values in network.items()
    }
    about = {
        "format": _FORMAT,
        "system": system,
        "arguments": dict(arguments),
        "step": step,
    }
    content = save(arrays, metadata={_ABOUT: json.dumps(about, sort_keys=True)})
    write_whole(path, lambda file: file.write(content))


def _about(path: Path) -> tuple[Any, dict[str, Any]]:
    """Open a file, and return it with its metadata.

    Raises:
        SnapshotError: it is damaged, or something else.
    """
    with reading(path, SnapshotError):
        path.open("rb").close()
    try:
        file: Any = safe_open(path, framework="numpy")
        about = json.loads((file.metadata() or {}).get(_ABOUT, "{}"))
    except (SafetensorError, ValueError, RecursionError) as error:
        raise SnapshotError(f"{path}: expected a whole safetensors file, got {error}") from error
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise SnapshotError(
            f"{path}: expected networks saved by a run, got a safetensors file without "
            "their arguments; name a run's NAME.safetensors"
        )
    return file, about


def system_in(path: Path) -> str:
    """Return the name of the system whose networks a file holds.

    Raises:
        SnapshotError: see networks_in.
    """
    return str(_about(path)[1].get("system", ""))


def networks_in(path: Path) -> list[str]:
    """Return which networks a file holds: last, or last and best.

    Raises:
        SnapshotError: it cannot be read, is damaged, or something else.
    """
    file, _ = _about(path)
    found = {name.split("/")[0] for name in file.keys()}  # noqa: SIM118
    return [which for which in NETWORKS if which in found]


def load_saved(path: Path, *, best: bool = False) -> SavedNetwork:
    """Read a network; ``best``: that of the best evaluation, where there is one.

    Raises:
        SnapshotError: see networks_in.
    """
    file, about = _about(path)
    names = list(file.keys())
    which = "best" if best and any(name.startswith("best/") for name in names) else "last"
    try:
        weights = {
            name.removeprefix(f"{which}/"): np.array(file.get_tensor(name))
            for name in names
            if name.startswith(f"{which}/")
        }
    except SafetensorError as error:
        raise SnapshotError(f"{path}: expected whole networks, got {error}") from error
    arguments, step = about.get("arguments"), about.get("step")
    if not weights or not isinstance(arguments, dict) or type(step) is not int:
        raise SnapshotError(f"{path}: expected the network {which} and its arguments, got none")
    return SavedNetwork(path=path, which=which, arguments=arguments, weights=weights, step=step)


def save_alone(path: Path, output: Path, *, best: bool = False) -> None:
    """Write a file that holds a file's network alone, as its last one.

    Raises:
        SnapshotError: see networks_in.
        RunFolderError: see files.write_whole.
    """
    saved = load_saved(path, best=best)
    save_networks(
        output, {"last": saved.weights}, system=system_in(path), arguments=saved.arguments,
        step=saved.step,
    )  # fmt: skip
