"""The lock on a run's folder: one process at a time writes it, and the lock of a dead one is free.

The holder has ``.lock`` locked by flock(2), which ends with its process, and removes it when it
leaves; a line of JSON in it tells who that is. Older versions used no flock: their lock is free
when its heartbeat, the file's time, is old.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import itertools
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

from dqn_port.errors import LockedError, RunFolderError

LOCK: Final = ".lock"
STALE_SECONDS: Final = 300.0
TRIES: Final = 20
NEXT: Final = "give another --set name=… or --out"


def is_lock(name: str) -> bool:
    """Return whether a file of that name belongs to a folder's lock, an older version's too."""
    return name == LOCK or name.startswith((f"{LOCK}.new.", f"{LOCK}.after."))


class _Holder(NamedTuple):
    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on host {self.host} since {self.since}"


class RunLock:
    """The lock on one run's folder: ``with RunLock(folder) as lock: … lock.check() …``."""

    def __init__(self, folder: Path) -> None:
        """Nothing is written before the ``with``."""
        self.folder = folder
        self.notes: list[str] = []
        """Notes for the user about how the lock was taken."""
        self._path = folder / LOCK
        self._handle = -1
        self._line = b""

    def __enter__(self) -> Self:
        """Take the lock, the folder made if missing.

        Raises:
            LockedError: another process has it, or this one already.
            RunFolderError: the folder cannot be written, or its file system has no flock.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Who only looks at the lock has it for a moment.
            for tries in itertools.count():
                if self._take(last=tries >= TRIES):
                    break
                time.sleep(0.01)
        except OSError as error:
            why = f"cannot be locked: {error.strerror or error}"
            raise RunFolderError(f"{self.folder}: {why}; {NEXT}") from error
        return self

    def __exit__(self, *_: object) -> None:
        """Give the lock back, if this process still has it."""
        if self in _held:
            _held.remove(self)
            # One that cannot be removed is free all the same.
            with contextlib.suppress(OSError):
                if self._stands(self._handle):
                    self._path.unlink()
            os.close(self._handle)

    def check(self) -> None:
        """Make sure that the lock is still ours: to be called before each write.

        Raises:
            LockedError: it or its folder was taken away or replaced, or this is a forked child.
        """
        if self in _held and self._stands(self._handle, self._line):
            return
        why = f"its {LOCK} was removed or replaced while this process held it"
        if self not in _held:
            why = "not locked by this process"
        raise LockedError(f"{self.folder}: {why}; nothing more is written there")

    def holder(self) -> str:
        """Return which living process has the lock, or an empty text; it is not taken."""
        try:
            with self._opened(os.O_RDONLY) as handle:
                in_use, holder, _ = _look(handle, fcntl.LOCK_SH)
        except OSError:
            return ""
        return str(holder or f"a process that its {LOCK} does not name") if in_use else ""

    @contextlib.contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        """Open the file; a link is not followed, a pipe not waited for."""
        handle = os.open(self._path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        try:
            yield handle
        finally:
            os.close(handle)

    def _take(self, *, last: bool) -> bool:
        with self._opened(os.O_RDWR | os.O_CREAT) as handle:
            in_use, holder, older = _look(handle, fcntl.LOCK_EX)
            # Its last holder may just have removed it.
            if in_use or not self._stands(handle):
                if last:
                    raise self._in_use(handle, holder)
                return False
            if older:
                why = f"gave no sign of life for {STALE_SECONDS:g} s; it is removed"
                self.notes.append(f"{self._path}: {holder}, who left it, {why}")
            since = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S UTC}"
            mine = _Holder(socket.gethostname(), os.getpid(), since)
            self._line = json.dumps(mine._asdict()).encode() + b"\n"
            try:
                os.ftruncate(handle, 0)
                os.pwrite(handle, self._line, 0)
            except OSError:
                self._path.unlink()
                raise
            # A copy of the handle has the lock, too.
            self._handle = os.dup(handle)
            _held.add(self)
        return True

    def _stands(self, handle: int, line: bytes = b"") -> bool:
        """Return whether an open file is the one at the path, and begins with a line."""
        try:
            same = os.path.samestat(self._path.lstat(), os.fstat(handle))
            return same and os.pread(handle, len(line), 0) == line
        except OSError:
            return False

    def _in_use(self, handle: int, holder: _Holder | None) -> LockedError:
        if holder is None:
            how = f"in use, its {LOCK} does not say by whom; wait for it, or {NEXT}"
            return LockedError(f"{self.folder}: {how}")
        mine = any(os.path.sameopenfile(handle, lock._handle) for lock in _held)
        then = f", which is this one; {NEXT}" if mine else f"; wait for it, or {NEXT}"
        return LockedError(f"{self.folder}: in use by {holder}{then}", **holder._asdict())


_held: Final[set[RunLock]] = set()
"""The locks of this process."""


def _leave_to_parent() -> None:
    """Close a forked child's copies: a lock ends with the process that took it."""
    for lock in _held:
        os.close(lock._handle)
    _held.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


def _look(handle: int, how: int) -> tuple[bool, _Holder | None, bool]:
    """Try to lock an open file: return whether another has it, who, and if of an older version."""
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
        in_use = False
    except BlockingIOError:
        in_use = True
    try:
        table = json.loads(os.pread(handle, 4096, 0))
        holder = _Holder(str(table["host"]), int(table["pid"]), str(table["since"]))
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        holder = None
    if holder is None or not str(holder).isprintable():
        return in_use, None, False
    older = "token" in table
    # A heartbeat far in the future is as dead: the clock was set back.
    fresh = abs(time.time() - os.fstat(handle).st_mtime) <= STALE_SECONDS
    return in_use or (older and fresh), holder, older
