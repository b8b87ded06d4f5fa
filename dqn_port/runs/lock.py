"""The lock on a run's folder: one process at a time writes it, and the lock of a dead one is free.

``.lock`` tells in JSON who has the folder; its modification time is the holder's heartbeat. Every
lock has its own token, so no two are ever alike: a lock's *generation* is the digest of its text.

Where there is no lock, a process links its own, written whole under another name, to ``.lock``;
that fails where one stands. A lock is taken over by its *successor*: whoever links its own to
``.lock.after.GENERATION``, which again only one process can. That link decides; the rename of it
to ``.lock``, which follows, only tidies up, for the holder is whoever stands at the end of the
chain of successors that begins at ``.lock``. So a process killed in between is a dead holder like
any other, and has its own successor. A successor whose chain no longer begins at ``.lock`` came too
late, and withdraws; as no generation comes back, that cannot be mistaken. A holder that leaves
makes itself its own successor first, so that nobody else becomes it while ``.lock`` is removed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import hashlib
import json
import os
import secrets
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self, TypeGuard

from dqn_port.errors import LockedError, RunFolderError

LOCK: Final = ".lock"

HEARTBEAT_SECONDS = 20.0
STALE_SECONDS = 300.0
"""An older heartbeat is a dead holder's, if its process cannot be looked for; NFS caches 60 s."""

MAX_BYTES: Final = 4096
"""Of a lock; nothing beyond is read."""

NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What a file system without hard links answers (FAT, some network disks)."""

NEXT: Final = "give another --set name=… or --out"
STOPS: Final = "nothing more is written there"


def is_lock(name: str) -> bool:
    """Tell whether a file of that name belongs to a folder's lock."""
    return name == LOCK or name.startswith((f"{LOCK}.new.", f"{LOCK}.after."))


@dataclasses.dataclass(frozen=True)
class _Holder:
    """Who has a lock."""

    host: str
    pid: int
    start: str
    """In clock ticks after the boot, of /proc/PID/stat: a pid is used again, the two are not."""
    boot: str
    namespace: str
    """Of pids: containers of one host have one host name, or one boot, but not one namespace."""
    since: str
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on host {self.host} since {self.since}"

    @property
    def place(self) -> tuple[str, str, str]:
        """Where the pid means something; an empty part is unknown."""
        return self.host, self.boot, self.namespace


@dataclasses.dataclass(frozen=True)
class _Seen:
    """A lock's file as it was found; a damaged one has no holder."""

    holder: _Holder | None
    generation: str
    mtime: float


class RunLock:
    """The lock on one run's folder: ``with RunLock(folder) as lock: … lock.check() …``."""

    def __init__(self, folder: Path) -> None:
        """Nothing is written before ``acquire``."""
        self.folder = folder
        self._path = folder / LOCK
        self._held: _Seen | None = None
        self._pid = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock, the folder made if missing, and keep it until ``release``.

        Raises:
            LockedError: another process has it, or this one already.
            RunFolderError: the folder cannot be written; a lock's name is taken by no file.
        """
        mine = _myself()
        try:
            with contextlib.suppress(FileExistsError):
                self.folder.mkdir(parents=True)
            with self._written(mine) as new:
                held = self._take(mine, new)
                self._sweep(held, mine)
            self._held, self._pid, self._stop = held, mine.pid, threading.Event()
            self._thread = threading.Thread(target=self._beat, args=(held, self._stop), daemon=True)
            self._thread.start()
        except BaseException as error:
            # A signal's exception may come when the lock is already taken.
            self._abandon(mine)
            if isinstance(error, OSError):
                why = error.strerror or error
                raise RunFolderError(f"{self.folder}: cannot be locked: {why}; {NEXT}") from error
            raise

    def check(self) -> None:
        """Make sure that the lock is still ours, and renew it: to be called before each write.

        Raises:
            LockedError: another process has taken it over (this one slept), or it was removed.
            RunFolderError: the lock cannot be read or renewed.
        """
        held = self._held
        assert held is not None, "check() without acquire()"
        if os.getpid() != self._pid:
            raise self._in_use(held, _myself())
        try:
            self._renew(held)
        except OSError as error:
            why = f"its lock cannot be renewed: {error.strerror or error}"
            raise RunFolderError(f"{self.folder}: {why}; {STOPS}") from error

    def release(self) -> None:
        """Give the lock back, if this process still has it; a forked child gives back nothing."""
        held, self._held = self._held, None
        if held is not None and self._thread is not None and os.getpid() == self._pid:
            self._stop.set()
            self._thread.join(1)
            # A lock that cannot be removed is free when this process ends.
            with contextlib.suppress(OSError, RunFolderError):
                self._leave(held)

    def holder(self) -> str:
        """Say which living process has the lock, or nothing; it is only looked at."""
        try:
            chain = self._chain()
        except (OSError, RunFolderError):
            return ""
        if not chain or _is_dead(chain[-1], _myself(), now=time.time()):
            return ""
        return str(chain[-1].holder or f"a process that its damaged {LOCK} does not tell")

    def _successor_of(self, seen: _Seen) -> Path:
        return self._path.with_name(f"{LOCK}.after.{seen.generation}")

    @contextlib.contextmanager
    def _written(self, mine: _Holder) -> Iterator[Path]:
        """Write a lock under a name of its own, ready to be linked."""
        new = self._path.with_name(f"{LOCK}.new.{mine.token}")
        try:
            _create(new, _text(mine))
            yield new
        finally:
            new.unlink(missing_ok=True)

    def _chain(self) -> list[_Seen]:
        """Return the lock and its successors; the last has the folder. Empty: nobody has."""
        chain: list[_Seen] = []
        path = self._path
        while (seen := _look(path)) is not None:
            if any(seen.generation == earlier.generation for earlier in chain):
                raise RunFolderError(f"{path}: succeeds itself, which no lock does; remove it")
            chain.append(seen)
            path = self._successor_of(seen)
        return chain

    def _take(self, mine: _Holder, new: Path) -> _Seen:
        # Where a turn fails, another process has just taken or left the lock.
        for _ in range(100):
            chain = self._chain()
            if not chain:
                _link(new, self._path)
            elif not _is_dead(chain[-1], mine, now=_now(new)):
                raise self._in_use(chain[-1], mine)
            else:
                self._succeed(chain, mine, new)
            taken = _look(self._path)
            if _is_of(taken, mine) and _look(self._successor_of(taken)) is None:
                return taken
        raise LockedError(f"{self.folder}: its lock is taken and left all the time; try again")

    def _succeed(self, chain: list[_Seen], mine: _Holder, new: Path) -> None:
        """Become the successor of the last in ``chain``, unless another is faster."""
        successor = self._successor_of(chain[-1])
        _link(new, successor)
        if _is_of(_look(successor), mine):
            root = _look(self._path)
            if root is None or root.generation != chain[0].generation:
                successor.unlink(missing_ok=True)
            else:
                # Gone when this process slept so long that another succeeded it.
                with contextlib.suppress(FileNotFoundError):
                    successor.rename(self._path)

    def _sweep(self, held: _Seen, mine: _Holder) -> None:
        """Remove what killed processes left: the lock is held, so no chain but ours counts."""
        now = _now(self._path)
        for path in self._files():
            if path not in (self._path, self._successor_of(held)):
                with contextlib.suppress(OSError, RunFolderError):
                    seen = _look(path)
                    if seen and (".after." in path.name or _is_dead(seen, mine, now=now)):
                        path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if is_lock(path.name)]

    def _leave(self, held: _Seen) -> None:
        """Remove the lock, if it is ours."""
        self._renew(held)
        successor = self._successor_of(held)
        mine = _myself()
        try:
            with self._written(mine) as new:
                _link(new, successor)
            ours = _is_of(_look(successor), mine)
        except OSError:
            # A full disk; the heartbeat just renewed keeps others from succeeding.
            ours = True
        if ours:
            self._path.unlink(missing_ok=True)
            successor.unlink(missing_ok=True)

    def _abandon(self, mine: _Holder) -> None:
        """Undo what an interrupted ``acquire`` has done."""
        if _is_of(self._held, mine):
            self._stop.set()
            self._held = None
        with contextlib.suppress(OSError, RunFolderError):
            for path in self._files():
                seen = _look(path)
                if _is_of(seen, mine):
                    self._leave(seen) if path == self._path else path.unlink(missing_ok=True)

    def _renew(self, held: _Seen) -> None:
        seen = _look(self._path)
        if seen is not None and seen.generation == held.generation:
            # In this order: whoever looks after it finds the heartbeat fresh.
            os.utime(self._path)
            seen = _look(self._successor_of(held))
            if seen is None:
                return
        if seen is None or seen.holder is None:
            why = f"its {LOCK} was removed or replaced while this process held it"
            raise LockedError(f"{self.folder}: {why}; {STOPS}")
        how = f"taken over by {{}}, as this process gave no sign of life; {STOPS}"
        raise self._locked(how, seen.holder)

    def _beat(self, held: _Seen, stop: threading.Event) -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            try:
                self._renew(held)
            except OSError:
                continue  # A file server may be back at the next heartbeat.
            except RunFolderError:
                return  # Lost: check() tells.

    def _in_use(self, seen: _Seen, mine: _Holder) -> LockedError:
        holder = seen.holder
        if holder is None:
            how = f"in use, by whom its damaged {LOCK} does not tell"
            return LockedError(f"{self.folder}: {how}; wait {STALE_SECONDS:g} s, or {NEXT}")
        if (holder.place, holder.pid, holder.start) == (mine.place, mine.pid, mine.start):
            return self._locked(f"in use by {{}}, which is this one; {NEXT}", holder)
        return self._locked(f"in use by {{}}; wait for it, or {NEXT}", holder)

    def _locked(self, how: str, holder: _Holder) -> LockedError:
        how = f"{self.folder}: {how.format(holder)}"
        return LockedError(how, host=holder.host, pid=holder.pid, since=holder.since)


def _myself() -> _Holder:
    """Return this process as the holder of a new lock."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except (OSError, ValueError):
        boot = namespace = ""
    host = "".join(c if c.isprintable() else "?" for c in socket.gethostname()[:100])
    return _Holder(
        host=host or "unknown",
        pid=os.getpid(),
        start=_start_of(os.getpid()) or "",
        boot=boot,
        namespace=namespace,
        since=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S UTC}",
        token=secrets.token_hex(8),
    )


def _text(mine: _Holder) -> bytes:
    command = " ".join(sys.argv)[:200]
    return json.dumps(dataclasses.asdict(mine) | {"command": command}, indent=2).encode() + b"\n"


def _start_of(pid: int) -> str | None:
    """Return when a process started, "dead" for a zombie, None if it cannot be seen."""
    try:
        # The command's name, in parentheses, may itself hold spaces and parentheses.
        words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return "dead" if words[0] in (b"Z", b"X") else words[19].decode("ascii")
    except (OSError, IndexError, ValueError):
        return None


def _is_dead(seen: _Seen, mine: _Holder, *, now: float) -> bool:
    """Tell whether a lock is nobody's any more. ``now``: as the folder's file server has it."""
    holder = seen.holder
    if holder is not None and all((*mine.place, holder.start)) and holder.place == mine.place:
        start = _start_of(holder.pid)
        if start is not None:
            return start != holder.start
        # Of other users' processes /proc may show nothing.
        with contextlib.suppress(PermissionError):
            try:
                os.kill(holder.pid, 0)
            except ProcessLookupError:
                return True
    # A heartbeat far in the future is as dead: the clock was set back and none came since.
    return abs(now - seen.mtime) > STALE_SECONDS


def _now(new: Path) -> float:
    """Return the time as the folder's file server has it, which stamps the heartbeats too."""
    os.utime(new)
    return new.stat().st_mtime


def _create(path: Path, text: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _link(new: Path, path: Path) -> None:
    """Put the lock at ``path`` if nothing stands there; who looks then sees whose it is."""
    # NFS may answer that it exists when the link's first answer was lost.
    with contextlib.suppress(FileExistsError):
        try:
            path.hardlink_to(new)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            _create(path, new.read_bytes())


def _look(path: Path) -> _Seen | None:
    """Read a lock's file; None: there is none."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise RunFolderError(f"{path}: expected a lock's file, got something else; remove it")
        text = b""
        with contextlib.suppress(PermissionError):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as file:
                text = file.read(MAX_BYTES + 1)
                # Opening asks a file server anew; what stood before may be a minute old.
                status = os.fstat(handle)
    except FileNotFoundError:
        return None
    holder = _parsed(text)
    # Damaged ones may be alike; but they have no heartbeat, so that their time stays.
    digest = hashlib.sha256(text if holder else text + b"@%d" % status.st_mtime)
    return _Seen(holder, digest.hexdigest()[:32], status.st_mtime)


def _is_of(seen: _Seen | None, mine: _Holder) -> TypeGuard[_Seen]:
    return seen is not None and seen.holder is not None and seen.holder.token == mine.token


def _parsed(text: bytes) -> _Holder | None:
    try:
        table = json.loads(text)
        holder = _Holder(**{key.name: table[key.name] for key in dataclasses.fields(_Holder)})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    pid, texts = holder.pid, [*holder.place, holder.start, holder.since, holder.token]
    plain = all(isinstance(t, str) and t.isprintable() and len(t) <= 100 for t in texts)
    known = type(pid) is int and 0 < pid < 2**31 and plain and holder.token
    return holder if known and len(text) <= MAX_BYTES else None
