"""Attempts at a training, each in its own folder, which is renamed to the run's folder at the end.

``HASH/.attempt-ID/NAME/`` is a run's folder during training. The process that trains holds the lock
of ``HASH/``, so it is the only one. If a process with the lock finds an attempt, the previous
holder is dead; it takes the attempt over by renaming it to its own ID. A holder that was only
suspended finds its folder gone and stops, so that two never share a folder.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from pathlib import Path
from typing import Final

from dqn_port.errors import RunFolderError
from dqn_port.files import sync_folder, writing
from dqn_port.runs.checkpoint import Checkpoints
from dqn_port.runs.lock import RunLock, is_lock
from dqn_port.runs.run_folder import FINISHED

ATTEMPT: Final = ".attempt-"
ASIDE: Final = ".damaged-"
"""Prefix of a damaged target's new name; its name and an ID follow."""
LATEST: Final = "latest"
"""A link next to the runs of one name, to the last one started."""


def attempts_in(folder: Path) -> list[Path]:
    """Return all attempts in a folder."""
    return sorted(path for path in _entries(folder) if path.name.startswith(ATTEMPT))


def set_aside_in(folder: Path) -> list[Path]:
    """Return the damaged targets that were moved away in a folder."""
    return sorted(path for path in _entries(folder) if path.name.startswith(ASIDE))


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def position(attempt: Path, name: str) -> int:
    """Return the number of an attempt's newest checkpoint: -1 without one, the largest if finished.

    ``name``: of the run.
    """
    run = attempt / name
    if (run / FINISHED).is_file():
        return 2**62
    return max(Checkpoints(run).serials(), default=-1)


def claim(folder: Path, name: str) -> Path:
    """Take over the attempt with the most progress, or begin one; the folder's lock is held.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    mine = folder / f"{ATTEMPT}{secrets.token_hex(8)}"
    left = sorted(attempts_in(folder), key=lambda attempt: position(attempt, name))
    with writing(folder, "give another out"):
        if left:
            left[-1].rename(mine)
            _forget_lock(mine / name)
            for other in left[:-1]:
                shutil.rmtree(other, ignore_errors=True)
        else:
            mine.mkdir()
    return mine


def _forget_lock(run: Path) -> None:
    """Remove the lock that a dead holder left: the lock of the parent folder is what counts."""
    for path in _entries(run):
        if is_lock(path.name):
            path.unlink(missing_ok=True)


def finish(attempt: Path, target: Path, lock: RunLock) -> None:
    """Rename a finished attempt's run to ``target``; the lock of its folder is held.

    Raises:
        LockedError: another process has taken over.
        RunFolderError: the folder cannot be written.
    """
    lock.check()
    put_aside(target)
    with writing(target, f"the run is in {attempt}"):
        (attempt / target.name).rename(target)
        sync_folder(target.parent)
    shutil.rmtree(attempt, ignore_errors=True)


def put_aside(target: Path) -> Path | None:
    """Rename a damaged file or folder, so that it can be made again; return None if it does not
    exist.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    aside = target.with_name(f"{ASIDE}{target.name}-{secrets.token_hex(4)}")
    try:
        target.rename(aside)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFolderError(
            f"{target}: damaged, and cannot be renamed: {error.strerror or error}"
        ) from error
    return aside


def point_latest(folder: Path) -> None:
    """Make the link ``latest`` next to a run's folder point to it, so that people can find it."""
    link = folder.with_name(LATEST)
    with contextlib.suppress(OSError):
        if link.is_symlink() and str(link.readlink()) == folder.name:
            return
        new = folder.with_name(f".{LATEST}.{secrets.token_hex(4)}")
        new.symlink_to(folder.name)
        try:
            new.replace(link)
        finally:
            new.unlink(missing_ok=True)
