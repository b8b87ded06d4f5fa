"""Files written whole, a reader finding the old one or the new one; and their checksums."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from dqn_port.errors import RunFolderError


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
        target = Path(os.path.realpath(path))
        if target.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
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
        sync_folder(target.parent)
    except OSError as error:
        raise RunFolderError(
            f"{path}: cannot be written: {error.strerror or error}; what stood there is unharmed"
        ) from error
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
