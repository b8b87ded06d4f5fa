"""Read a file of histories from any source."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import dqn_port
from dqn_port.errors import HistoryError
from dqn_port.exports.hdf5_layout import (
    EPISODES,
    HDF5_SUFFIXES,
    Series,
    group_of,
    history_series,
    told_history,
)
from dqn_port.files import reading
from dqn_port.records import Table, table_from_json
from dqn_port.torch7.other_formats import HEAD, other_format

_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
_MOST_SECONDS: Final = 600
"""Seconds of wall-clock time; hdf5_child limits its own processor time to far less."""
_CHILD: Final = "dqn_port.exports.hdf5_child"


@dataclass(frozen=True, kw_only=True)
class ExportedRun:
    """One run of a file of histories."""

    path: str
    """Path of its group: / or /runs/<id>."""
    attributes: dict[str, Any]
    """See hdf5_layout.RUN_ATTRIBUTES."""
    table: Table
    """The numeric columns of ``history``."""
    history: dict[str, NDArray[Any]]
    """Series of hdf5_layout.history_series, or told_history, → its numbers."""
    further: dict[str, dict[str, NDArray[Any]]]
    """Further tables by name, each like ``history``."""
    episodes: dict[str, NDArray[Any]]
    """Series of hdf5_layout.EPISODES → its numbers or words."""
    evaluations: str
    """The descriptions of the episodes' evaluations, as JSON."""


@dataclass(frozen=True, kw_only=True)
class HistoryFile:
    """What a file of histories holds."""

    path: Path
    attributes: dict[str, Any]
    """See hdf5_layout.FILE_ATTRIBUTES."""
    runs: tuple[ExportedRun, ...]
    layout: tuple[str, ...]
    """Lines that list its groups, datasets and attributes; empty unless asked for."""


def read_hdf5(path: Path, *, layout: bool = False) -> HistoryFile:
    """Read a file of histories, with every number and checksum; ``layout``: list it, too.

    The HDF5 library has bugs with which a hostile file can crash the process, so the file is read
    in a separate one.

    Raises:
        HistoryError: it is missing, damaged, or not a file of histories.
    """
    with reading(path, HistoryError):
        if path.exists() and not path.is_file():
            raise HistoryError(f"{path}: expected an HDF5 file, got a folder or a device")
        with path.open("rb") as file:
            begin = file.read(HEAD)
    if not begin.startswith(_SIGNATURE):
        other = other_format(begin)
        got = "something else" if other is None else other.name
        raise HistoryError(f"{path}: expected an HDF5 file, got {got}; export it again")
    answer = _ask_child(path, layout=layout)
    if (fault := answer.get("fault") or answer.get("library")) is not None:
        # Names in it come from the file: remove what would move the terminal's cursor.
        told = "".join(c if c.isprintable() else "�" for c in " ".join(fault.split()))
        if "fault" not in answer:
            told = f"damaged: the HDF5 library says {told[:200]}"
        raise HistoryError(f"{path}: {told}; export it again")
    return HistoryFile(
        path=path,
        attributes=answer["attributes"],
        runs=tuple(
            ExportedRun(
                path=run["path"],
                attributes=run["attributes"],
                table=tables[0],
                history=_arrays(told_history(tables[0], run["history"]), run["history"]),
                further={
                    each.name: _arrays(history_series(each), run[group_of(each)])
                    for each in tables[1:]
                },
                episodes=_arrays(EPISODES, run["episodes"]),
                evaluations=run["episodes_attributes"]["evaluations"],
            )
            for run in answer["runs"]
            for tables in [tuple(map(table_from_json, run["tables"]))]
        ),
        layout=tuple(answer["layout"]),
    )


def is_hdf5(path: Path) -> bool:
    """Return whether a file is meant to be HDF5, by its name or its first bytes."""
    if path.suffix.lower() in HDF5_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except OSError:
        return False


def _ask_child(path: Path, *, layout: bool) -> dict[str, Any]:
    """Return what the child process reports about a file."""
    package = str(Path(dqn_port.__file__).parent.parent)
    before = os.environ.get("PYTHONPATH")
    environment = os.environ | {
        "PYTHONPATH": package if not before else f"{package}{os.pathsep}{before}",
        # Its memory is limited, and every thread of OpenBLAS allocates some.
        "OPENBLAS_NUM_THREADS": "1",
        # No filters but those of the library.
        "HDF5_PLUGIN_PRELOAD": "::",
    }
    words = [
        sys.executable,
        "-P",
        "-m",
        _CHILD,
        str(path.absolute()),
        *(["layout"] if layout else []),
    ]
    try:
        done = subprocess.run(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_MOST_SECONDS,
            check=False,
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError, RecursionError):
        answer = None
    except OSError as error:
        raise HistoryError(
            f"{path}: cannot be read: no process can be started ({error.strerror or error})"
        ) from error
    if not isinstance(answer, dict):
        raise HistoryError(
            f"{path}: damaged: the HDF5 library fails on it or takes too long; export it again"
        )
    return answer


def _arrays(every: Sequence[Series], values: dict[str, Any]) -> dict[str, NDArray[Any]]:
    return {each.name: np.array(values[each.name], each.dtype) for each in every}
