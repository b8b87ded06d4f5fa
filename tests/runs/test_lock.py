"""A run's folder has one writer at a time, whoever is killed, and whenever."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import mmap
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dqn_port.errors import LockedError, RunFolderError
from dqn_port.runs.lock import LOCK, RunLock, is_lock

ROOT = Path(__file__).parents[2]
NEXT = "give another --set name=… or --out"
OLD = {"host": "vm", "pid": 12, "start": "7", "boot": "b", "namespace": "pid:[1]",
       "since": "2026-01-02 03:04:05 UTC", "token": "ab", "command": "dqn-port train"}  # fmt: skip
"""What a version with heartbeats has written."""


@contextlib.contextmanager
def holding(folder, function="hold"):
    """Have a process that runs a function of this file, which holds the lock."""
    code = f"import sys; from {__name__} import {function} as f; f(sys.argv[1])"
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, str(folder)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def hold(folder):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with RunLock(Path(folder)):
        print("held", flush=True)
        for _ in sys.stdin:
            raise ZeroDivisionError


def hold_and_fork(folder):
    """Hold the lock with a forked child, which has none and may do as it likes with it."""
    with RunLock(Path(folder)) as lock:
        pid = fork(play_with, lock)
        os.waitpid(pid, 0)


def play_with(lock):
    assert refused(lock.check) == (
        f"{lock.folder}: not locked by this process; nothing more is written there"
    )
    assert refused(lock.__enter__).startswith(f"{lock.folder}: in use by process {os.getppid()} ")
    lock.__exit__()
    print("held", flush=True)
    sys.stdin.read()


def fork(function, *arguments):
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            function(*arguments)
        os._exit(1)
    return pid


def refused(call, kind=LockedError):
    with pytest.raises(RunFolderError) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def who(folder):
    table = json.loads((folder / LOCK).read_text())
    return f"process {table['pid']} on host {table['host']} since {table['since']}"


def test_it_is_made_and_removed(tmp_path):
    folder = tmp_path / "artifacts" / "pong"
    lock = RunLock(folder)
    for _ in range(2):
        with lock:
            lock.check()
            assert left_in(folder) == [LOCK]
            (line,) = (folder / LOCK).read_text().splitlines()
            assert list(json.loads(line)) == ["host", "pid", "since"]
            assert RunLock(folder).holder() == who(folder)
            for again in (lock, RunLock(folder)):
                assert refused(again.__enter__) == (
                    f"{folder}: in use by {who(folder)}, which is this one; {NEXT}"
                )
        assert left_in(folder) == []
        assert RunLock(folder).holder() == RunLock(tmp_path / "none").holder() == ""
    assert lock.notes == []
    names = (LOCK, ".lock.new.ab", ".lock.after.ab", ".locks", "lock", "args.json")
    assert [is_lock(name) for name in names] == [True, True, True, False, False, False]


def test_a_second_process_is_told_who_has_it(tmp_path):
    with holding(tmp_path) as process:
        # However long it sleeps.
        process.send_signal(signal.SIGSTOP)
        os.utime(tmp_path / LOCK, (0, 0))
        with pytest.raises(LockedError) as caught:
            RunLock(tmp_path).__enter__()
        assert str(caught.value) == (
            f"{tmp_path}: in use by {who(tmp_path)}; wait for it, or {NEXT}"
        )
        assert caught.value.pid == process.pid
        assert f"process {process.pid} on host {caught.value.host}" in who(tmp_path)
        assert RunLock(tmp_path).holder() == who(tmp_path)
        (tmp_path / LOCK).write_text("{")
        assert RunLock(tmp_path).holder() == "a process that its .lock does not name"
        assert refused(RunLock(tmp_path).__enter__) == (
            f"{tmp_path}: in use, its .lock does not say by whom; wait for it, or {NEXT}"
        )


@pytest.mark.parametrize("how", ["", "raise\n", "SIGTERM"])
def test_it_is_released_at_the_end_an_exception_and_sigterm(tmp_path, how):
    with holding(tmp_path) as process:
        if how == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        process.communicate(how if how != "SIGTERM" else "", timeout=60)
        assert process.returncode == {"": 0, "raise\n": 1, "SIGTERM": 143}[how]
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("function", ["hold", "hold_and_fork"])
def test_a_killed_process_has_it_no_more_whatever_it_has_forked(tmp_path, function):
    with holding(tmp_path, function) as process:
        assert f"process {process.pid} " in refused(RunLock(tmp_path).__enter__)
        process.kill()
        with RunLock(tmp_path) as lock:
            lock.check()
            assert RunLock(tmp_path).holder().startswith(f"process {os.getpid()} ")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("what", ["removed", "replaced", "another's", "folder removed"])
def test_one_that_was_taken_away_is_lost(tmp_path, what):
    folder = tmp_path / "pong"
    with RunLock(folder) as lock:
        if what == "another's":
            # As where a file server has given it away.
            (folder / LOCK).write_text(json.dumps({"host": "b", "pid": 1, "since": "now"}))
        else:
            (folder / LOCK).unlink()
        if what == "replaced":
            other = RunLock(folder).__enter__()
        if what == "folder removed":
            folder.rmdir()
        assert refused(lock.check) == (
            f"{folder}: its .lock was removed or replaced while this process held it; "
            "nothing more is written there"
        )
    if what == "replaced":
        other.check()
        other.__exit__()


@pytest.mark.parametrize("sign", [1, -1])
def test_an_older_versions_lock_goes_by_its_heartbeat(tmp_path, sign):
    (tmp_path / LOCK).write_text(json.dumps(OLD, indent=2))
    os.utime(tmp_path / LOCK, (time.time() - sign * 290,) * 2)
    he = "process 12 on host vm since 2026-01-02 03:04:05 UTC"
    assert RunLock(tmp_path).holder() == he
    assert refused(RunLock(tmp_path).__enter__) == (
        f"{tmp_path}: in use by {he}; wait for it, or {NEXT}"
    )
    assert json.loads((tmp_path / LOCK).read_text()) == OLD
    os.utime(tmp_path / LOCK, (time.time() - sign * 310,) * 2)
    assert RunLock(tmp_path).holder() == ""
    with RunLock(tmp_path) as lock:
        assert lock.notes == [
            f"{tmp_path}/.lock: {he}, who left it, gave no sign of life for 300 s; it is removed"
        ]
        lock.check()
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("text", [
    b"", bytes(range(256)), b'{"host": "vm", "pid": 12', b"[1, 2]", b"[" * 4000, b'{"pid": 12}',
    b'{"host": "a", "pid": 1e999, "since": ""}', json.dumps(OLD | {"host": "\x1b[2J"}).encode(),
], ids=lambda text: repr(text[:20]))  # fmt: skip
def test_a_damaged_one_is_free(tmp_path, text):
    (tmp_path / LOCK).write_bytes(text)
    assert RunLock(tmp_path).holder() == ""
    with RunLock(tmp_path) as lock:
        assert lock.notes == []
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(("make", "why"), [
    (Path.mkdir, "Is a directory"),
    (lambda path: path.symlink_to("args.json"), "Too many levels of symbolic links"),
    (os.mkfifo, "Illegal seek"),
], ids=["folder", "link", "pipe"])  # fmt: skip
def test_what_is_no_file_is_left(tmp_path, make, why):
    (tmp_path / "args.json").write_text("{}")
    make(tmp_path / LOCK)
    line = f"{tmp_path}: cannot be locked: {why}; {NEXT}"
    assert refused(RunLock(tmp_path).__enter__, RunFolderError) == line
    assert RunLock(tmp_path).holder() == ""
    assert left_in(tmp_path) == [LOCK, "args.json"]
    assert (tmp_path / "args.json").read_text() == "{}"


def test_a_folder_that_takes_no_lock_gives_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    line = f"{tmp_path}/file/pong: cannot be locked: Not a directory; {NEXT}"
    assert refused(RunLock(tmp_path / "file" / "pong").__enter__, RunFolderError) == line
    # A full disk.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        line = f"{tmp_path}/pong: cannot be locked: File too large; {NEXT}"
        assert refused(RunLock(tmp_path / "pong").__enter__, RunFolderError) == line
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert left_in(tmp_path / "pong") == []

    # A file system without flock.
    def fail(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fail)
    line = f"{tmp_path}: cannot be locked: No locks available; {NEXT}"
    assert refused(RunLock(tmp_path).__enter__, RunFolderError) == line


def take_often(folder, numbers):
    """Take, look at and leave the lock for ever; numbers: who has it, and how often it was."""
    while True:
        RunLock(folder).holder()
        held = False
        try:
            with RunLock(folder) as lock:
                held, numbers[0] = True, os.getpid()
                time.sleep(random.random() * 0.001)
                lock.check()
                assert numbers[0] == os.getpid()
                numbers[1] += 1
        except LockedError:
            assert not held


def test_of_processes_that_race_and_are_killed_one_has_it(tmp_path):
    numbers = memoryview(mmap.mmap(-1, 4096)).cast("q")
    pids = []
    try:
        for _ in range(100):
            pids += [fork(take_often, tmp_path, numbers) for _ in range(3 - len(pids))]
            time.sleep(random.random() * 0.01)
            how = os.WEXITED | os.WNOHANG | os.WNOWAIT
            assert [os.waitid(os.P_PID, pid, how) for pid in pids] == [None] * 3
            os.kill(pids[0], signal.SIGKILL)
            os.waitpid(pids.pop(0), 0)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert numbers[1] > 100
    with RunLock(tmp_path) as lock:
        lock.check()
    assert left_in(tmp_path) == []
