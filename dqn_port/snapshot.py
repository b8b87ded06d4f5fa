"""What a run saves of itself: the networks, the histories, the arguments. Slim, as the original's.

The file is read with ``torch.load(weights_only=True)``: it holds tensors and plain types only.
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import torch

from dqn_port.errors import RunFolderError, SnapshotError
from dqn_port.interfaces import Network

SUFFIX: Final = ".pt"
FORMAT: Final = "dqn-port snapshot 1"


def is_snapshot(name: str) -> bool:
    """Tell whether ``name`` is that of a file rather than of a part."""
    try:
        return name.endswith((SUFFIX, ".t7")) or os.sep in name or Path(name).is_file()
    except OSError:
        # Longer than any file's name.
        return False


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside ``path`` and rename it: a reader finds the old or the new one, whole.

    Raises:
        RunFolderError: the disk is full, the folder cannot be written.
    """
    beside = None
    if not path.absolute().parent.is_dir():
        raise RunFolderError(f"{path}: cannot be written: its folder does not exist; make it first")
    try:
        # What a link points to is written; a device or a folder is never replaced.
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise OSError(errno.EINVAL, "it is no file")
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name}.", suffix=".part"
        )
        beside = Path(name)
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o644)
        beside.replace(target)
    except OSError as error:
        raise RunFolderError(
            f"{path}: cannot be written: {error.strerror or error}; what stood there is unharmed"
        ) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def network_to_table(network: Network) -> dict[str, Any]:
    """Return a network's class and modules, of plain types."""
    return {"class": network.lua_class, "modules": network.modules_table()}


@dataclass(frozen=True)
class Snapshot:
    """What a snapshot's file holds."""

    path: Path
    table: dict[str, Any]

    @property
    def arguments(self) -> dict[str, Any]:
        """The options of the run, as args.json holds them."""
        arguments: dict[str, Any] = self.table["arguments"]
        return arguments

    @property
    def has_best(self) -> bool:
        """Whether an evaluation has been made, so that there is a best network."""
        return self.table["best_model"] is not None

    def network_table(self, *, best: bool = False) -> dict[str, Any]:
        """Return the last network's table, or the best one's where there is one."""
        table: dict[str, Any] = self.table["model"]
        return self.table["best_model"] if best and self.has_best else table


def save_snapshot(path: Path, table: dict[str, Any]) -> None:
    """Write a snapshot whole.

    Raises:
        RunFolderError: see write_whole.
    """
    save_tensors(path, {"format": FORMAT} | table)


def save_tensors(path: Path, table: dict[str, Any]) -> None:
    """Write a file of torch whole.

    Raises:
        RunFolderError: see write_whole.
    """
    # torch.save turns the fault of a full disk into one of its own, so it writes to memory.
    buffer = io.BytesIO()
    torch.save(table, buffer)
    write_whole(path, lambda file: file.write(buffer.getbuffer()))


_KEYS: Final = {
    "model": dict,
    "best_model": (dict, type(None)),
    "arguments": dict,
    "histories": dict,
    "step": int,
}


def load_snapshot(path: Path) -> Snapshot:
    """Read a snapshot; nothing in it is executed.

    Raises:
        SnapshotError: the file is missing, damaged, or something else.
    """
    if path.suffix == ".t7":
        raise SnapshotError(f"{path}: expected a snapshot {SUFFIX}; Torch7 files are not read yet")
    try:
        _check_zip(path)
        table = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise SnapshotError(
            f"{path}: cannot be read: {error.strerror or error}; `dqn-port train` makes snapshots"
        ) from error
    except Exception as error:
        # Damaged bytes make zipfile, pickle and torch raise whatever they come across.
        raise SnapshotError(
            f"{path}: expected a whole snapshot, got a damaged or other file: "
            f"{(str(error).splitlines() or [type(error).__name__])[0]}"
        ) from error
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise SnapshotError(f"{path}: expected the format '{FORMAT}', got another file of torch")
    for key, types in _KEYS.items():
        if not isinstance(table.get(key), types):  # type: ignore[arg-type]
            raise SnapshotError(f"{path}: {key}: expected it in a snapshot, got nothing like it")
    for key in ("model", "best_model"):
        network = table[key]
        if network is not None and not isinstance(network.get("class"), str):
            raise SnapshotError(f"{path}: {key}.class: expected a name, got nothing like it")
        if network is not None and not isinstance(network.get("modules"), list):
            raise SnapshotError(f"{path}: {key}.modules: expected a list, got nothing like it")
    if not all(isinstance(name, str) for name in table["arguments"]):
        raise SnapshotError(f"{path}: arguments: expected options by name, got other keys")
    return Snapshot(path, table)


def _check_zip(path: Path) -> None:
    """Check every member's checksum, and that none is packed: nothing grows when it is read."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise zipfile.BadZipFile(f"{member.filename} is packed")
        damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"{damaged} has a wrong checksum")
