"""Write files whole or not at all, and hash them; a fault of the disk is one line."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from dqn_port.errors import DqnPortError, RunFolderError

UNHARMED: Final = "what was there is unchanged"


@contextlib.contextmanager
def reading(
    path: Path | str, error: type[DqnPortError], hint: str = "", *, what: str = "read"
) -> Iterator[None]:
    """Turn a fault of the disk into an ``error``: one line with ``path``, and what to do."""
    try:
        yield
    except OSError as fault:
        hint = hint and f"; {hint}"
        raise error(f"{path}: cannot be {what}: {fault.strerror or fault}{hint}") from fault


def writing(path: Path, hint: str) -> contextlib.AbstractContextManager[None]:
    """Turn a fault of the disk into a RunFolderError, as ``reading`` does."""
    return reading(path, RunFolderError, hint, what="written")


def read_start(path: Path, most: int, error: type[DqnPortError], hint: str) -> bytes:
    """Return a file's first bytes, ``most`` at most.

    Raises:
        ``error``: it is none, or cannot be read.
    """
    with reading(path, error, hint):
        if path.exists() and not path.is_file():
            raise error(f"{path}: expected a file, got a folder or a device")
        with path.open("rb") as file:
            return file.read(most)


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside ``path`` and rename it: a reader finds the old or the new one, whole.

    Raises:
        RunFolderError: the disk is full, the folder cannot be written.
    """
    beside = None
    if not path.absolute().parent.is_dir():
        raise RunFolderError(f"{path}: cannot be written: its folder does not exist; make it first")
    try:
        with writing(path, UNHARMED):
            # What a link points to is written; a device or a folder is never replaced.
            target = Path(os.path.realpath(path))
            if target.is_symlink():
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if target.exists() and not target.is_file():
                raise OSError(errno.EINVAL, "it is not a file")
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
            sync_folder(target.parent)
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make sure that a rename in ``folder`` outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
