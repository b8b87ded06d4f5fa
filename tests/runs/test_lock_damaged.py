"""What is no lock, and folders that take none: one line, or the heartbeat's rule."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import resource
import time
from pathlib import Path

import pytest

from dqn_port.errors import RunFolderError
from dqn_port.runs import lock as lock_module
from dqn_port.runs.lock import LOCK, RunLock
from tests.runs.test_lock import NEXT, STALE, document, left_in, refused, result, write_dead

DAMAGED = {
    "empty": b"",
    "garbage": bytes(range(256)),
    "cut short": b'{"host": "vm", "pid": 12',
    "a list": b"[1, 2]",
    "deep": b"[" * 4000,
    "a huge number": b'{"pid": ' + b"9" * 4000 + b"}",
    "other keys": b'{"pid": 12}',
}
WRONG = {"pid": "12", "start": 5, "host": "two\nlines", "boot": "\x1b[2J", "since": "x" * 101,
         "namespace": None, "token": ""}  # fmt: skip


def damaged_files():
    table = dataclasses.asdict(lock_module._myself())
    for name, wrong in [*WRONG.items(), ("pid", True), ("pid", 0), ("pid", -1), ("pid", 2**31)]:
        yield json.dumps(table | {name: wrong}).encode()
    yield json.dumps(table).encode() + b" " * 4096
    yield from DAMAGED.values()


@pytest.mark.parametrize("text", list(damaged_files()), ids=lambda text: repr(text[:20]))
def test_a_damaged_lock_goes_by_its_heartbeat(tmp_path, text):
    path = tmp_path / LOCK
    path.write_bytes(text)
    line = f"{tmp_path}: in use, by whom its damaged .lock does not tell; wait 300 s, or {NEXT}"
    assert refused(RunLock(tmp_path).acquire) == line
    assert path.read_bytes() == text
    os.utime(path, (time.time() - STALE - 1,) * 2)
    with RunLock(tmp_path):
        assert document(tmp_path)["pid"] == os.getpid()
    assert left_in(tmp_path) == []


def test_of_a_huge_lock_little_is_read(tmp_path):
    (tmp_path / LOCK).write_text("{")
    os.truncate(tmp_path / LOCK, 1 << 40)
    assert "in use, by whom" in refused(RunLock(tmp_path).acquire)


def test_a_lock_that_cannot_be_read_goes_by_its_heartbeat(tmp_path, monkeypatch):
    real, denied = os.open, tmp_path / LOCK
    write_dead(tmp_path)

    def no_reading(path, flags, *mode):
        if path == denied and flags & os.O_ACCMODE == os.O_RDONLY:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", no_reading)
    assert "in use, by whom" in refused(RunLock(tmp_path).acquire)


@pytest.mark.parametrize("at", [LOCK, "the successor"])
@pytest.mark.parametrize("make", [
    Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere"),
    lambda path: path.symlink_to("args.json"),
], ids=["folder", "pipe", "broken link", "link"])  # fmt: skip
def test_what_is_no_file_is_named_and_left(tmp_path, make, at):
    (tmp_path / "args.json").write_text("{}")
    path = tmp_path / LOCK
    if at != LOCK:
        write_dead(tmp_path)
        path = RunLock(tmp_path)._successor_of(lock_module._look(path))
    make(path)
    before = left_in(tmp_path)
    line = f"{path}: expected a lock's file, got something else; remove it"
    assert refused(RunLock(tmp_path).acquire, RunFolderError) == line
    assert left_in(tmp_path) == before


def test_a_lock_that_succeeds_itself_is_named(tmp_path):
    write_dead(tmp_path)
    path = RunLock(tmp_path)._successor_of(lock_module._look(tmp_path / LOCK))
    path.hardlink_to(tmp_path / LOCK)
    assert refused(RunLock(tmp_path).acquire, RunFolderError) == (
        f"{path}: succeeds itself, which no lock does; remove it"
    )


def test_what_killed_processes_left_is_swept_and_the_living_ones_is_not(tmp_path):
    mine = lock_module._text(lock_module._myself())
    (tmp_path / ".lock.after.00").write_bytes(mine)
    (tmp_path / ".lock.new.11").write_bytes(mine)
    (tmp_path / ".lock.new.22").write_bytes(mine.replace(b'"start": "', b'"start": "1'))
    (tmp_path / ".lock.new.33").mkdir()
    (tmp_path / "args.json").write_text("{}")
    with RunLock(tmp_path):
        assert left_in(tmp_path) == [LOCK, ".lock.new.11", ".lock.new.33", "args.json"]


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.ESTALE])
def test_a_folder_that_takes_no_lock_gives_one_line(tmp_path, monkeypatch, code):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", fail)
    line = f"{tmp_path}: cannot be locked: {os.strerror(code)}; {NEXT}"
    assert refused(RunLock(tmp_path).acquire, RunFolderError) == line
    assert left_in(tmp_path) == []


def test_a_file_in_the_folders_place_gives_one_line(tmp_path):
    (tmp_path / "pong").write_text("")
    for folder in (tmp_path / "pong", tmp_path / "pong" / "deeper"):
        line = f"{folder}: cannot be locked: Not a directory; {NEXT}"
        assert refused(RunLock(folder).acquire, RunFolderError) == line


def fill_up(folder):
    """As on a full disk: files can be made and removed, but nothing be written in them."""
    folder = Path(folder)
    lock = RunLock(folder)
    lock.acquire()
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    lock.check()
    lock.release()
    assert left_in(folder) == []
    print(refused(lock.acquire, RunFolderError))
    assert left_in(folder) == []


def test_on_a_full_disk_it_is_released_but_not_taken(tmp_path):
    assert result(fill_up, tmp_path) == f"{tmp_path}: cannot be locked: File too large; {NEXT}\n"


def test_a_lock_that_cannot_be_renewed_stops_the_run_in_one_line(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with RunLock(tmp_path) as lock:
        monkeypatch.setattr(os, "utime", fail)
        assert refused(lock.check, RunFolderError) == (
            f"{tmp_path}: its lock cannot be renewed: Read-only file system; "
            "nothing more is written there"
        )
        monkeypatch.undo()
        lock.check()


def test_a_file_system_without_links_will_do(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", fail)
    for _ in range(2):
        with RunLock(tmp_path) as lock:
            lock.check()
            assert "which is this one" in refused(RunLock(tmp_path).acquire)
            assert left_in(tmp_path) == [LOCK]
        assert left_in(tmp_path) == []
        write_dead(tmp_path)
