"""Find and read traces: a group is a NAME.npz, a NAME.json, or both. They may come from strangers.

Values that are Lua indices are 1-based in traces, as Lua had them.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import TraceError, near_match
from dqn_port.files import reading
from dqn_port.registry import DEFAULT, part_of

SHIPPED: Final = Path(__file__).parent / "golden"
"""The traces that come with the program: tests/golden of its repository."""


def shipped(system: str) -> Path:
    """Return the traces of a system that come with the program."""
    folder = getattr(part_of(system, "traces"), "GOLDEN", system)
    return SHIPPED if system == DEFAULT else SHIPPED / folder


_MOST_BYTES: Final = 8 << 30
"""Of a trace's arrays together; a small file can hold any number of zeros."""

_KINDS: Final = {dict: "an object", list: "a list", str: "a string", int: "a whole number"}


@dataclass(frozen=True)
class Group:
    """The files of one group."""

    name: str
    npz: Path | None
    json: Path | None


@dataclass(frozen=True)
class Trace:
    """What the files of a group hold."""

    name: str
    arrays: dict[str, NDArray[Any]]
    meta: Any
    """What the .json holds; None without one."""

    def key(self, key: str, kind: type, *, of: Any = None, where: str = "") -> Any:
        """Return ``meta[key]``, or ``of[key]``, where ``where`` is the path of ``of``.

        Raises:
            TraceError: it is missing or not of that kind.
        """
        table = self.meta if of is None else of
        value = table.get(key) if isinstance(table, dict) else None
        if not isinstance(value, kind) or isinstance(value, bool):
            got = "nothing" if value is None else _KINDS.get(type(value), repr(value))
            path = f"{where}.{key}" if where else key
            raise TraceError(f"{self.name}.json: {path}: expected {_KINDS[kind]}, got {got}")
        return value

    def numbers(self, name: str, *, ndim: int) -> NDArray[Any]:
        """Return an array that the replay is made from.

        Raises:
            TraceError: it is missing, holds no numbers or has other dimensions.
        """
        if name not in self.arrays:
            raise TraceError(f"{self.name}.npz: expected an array {name}, got none of that name")
        array = self.arrays[name]
        if array.ndim != ndim or array.dtype.kind not in "biuf":
            raise TraceError(
                f"{self.name}.npz: {name}: expected numbers in {ndim} dimensions, "
                f"got {array.dtype} in {array.ndim}"
            )
        return array


def find_groups(folder: Path, only: tuple[str, ...] = ()) -> list[Group]:
    """Return the groups of a folder in order of name, or those of ``only``; subfolders are left.

    Raises:
        TraceError: the folder cannot be read, holds no trace, or none of a name in ``only``.
    """
    with reading(folder, TraceError, "expected a folder of traces"):
        files = {
            path.name: path
            for path in sorted(folder.iterdir())
            if path.suffix in (".npz", ".json") and path.is_file() and path.name[0] != "."
        }
    groups = {
        name: Group(name, files.get(f"{name}.npz"), files.get(f"{name}.json"))
        for name in sorted({path.stem for path in files.values()})
    }
    if not groups:
        raise TraceError(f"{folder}: expected traces, NAME.npz and NAME.json, got none")
    for name in only:
        if name not in groups:
            raise TraceError(
                f"{folder}: there is no group '{name}'{near_match(name, groups)}; "
                f"expected one of {', '.join(groups)}"
            )
    return [group for name, group in groups.items() if not only or name in only]


def load(group: Group) -> Trace:
    """Read a group's files; nothing in them is executed.

    Raises:
        TraceError: a file is damaged, another thing, or too big.
    """
    arrays = {} if group.npz is None else _load_arrays(group.npz)
    return Trace(group.name, arrays, None if group.json is None else _load_json(group.json))


def _load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MOST_BYTES:
            raise TraceError(
                f"{path.name}: expected at most {_MOST_BYTES >> 30} GiB of arrays, "
                f"got {size / 2**30:.1f}"
            )
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except TraceError:
        raise
    except Exception as error:
        # Damaged bytes make zipfile, zlib and NumPy raise whatever they come across.
        raise _damaged(path, error) from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufSU":
            raise TraceError(f"{path.name}: {name!a}: expected an array of numbers or texts")
    return arrays


def _load_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> TraceError:
    reason = (str(error).splitlines() or [""])[0] or type(error).__name__
    return TraceError(f"{path.name}: expected a whole trace, got a damaged or other file: {reason}")
