"""A run's folder has one writer at a time, whoever is killed, and whenever."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dqn_port.errors import LockedError, RunFolderError
from dqn_port.runs import lock as lock_module
from dqn_port.runs.lock import LOCK, RunLock, is_lock

ROOT = Path(__file__).parents[2]
NEXT = "give another --set name=… or --out"
STALE = lock_module.STALE_SECONDS


def spawn(function, *arguments):
    """Run a function of this file in a process of its own, every warning an error."""
    code = (
        f"import sys; from {function.__module__} import {function.__name__} as f; f(*sys.argv[1:])"
    )
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def result(function, *arguments):
    """Return what such a process prints, once it has ended well."""
    out, err = spawn(function, *arguments).communicate(timeout=120)
    assert err == ""
    return out


@contextlib.contextmanager
def holder(folder, kind="plain"):
    process = spawn(hold, folder, kind)
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def hold(folder, kind):
    """Hold the lock until told otherwise."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if kind == "elsewhere":
        pretend_another_host()
    with RunLock(Path(folder)) as lock:
        print("held", flush=True)
        for line in sys.stdin:
            try:
                {"check": lock.check, "raise": lambda: 1 // 0}[line.strip()]()
            except RunFolderError as error:
                print(error, flush=True)


def pretend_another_host():
    real = lock_module._myself
    lock_module._myself = lambda: dataclasses.replace(real(), host="b", boot="2")


def document(folder):
    return json.loads((folder / LOCK).read_text())


def in_use(folder, table):
    who = f"process {table['pid']} on host {table['host']} since {table['since']}"
    return f"{folder}: in use by {who}; wait for it, or {NEXT}"


def refused(call, kind=LockedError):
    with pytest.raises(RunFolderError) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def rewrite(path, *, age=0.0, **changes):
    """Make the lock at ``path`` another's, its last heartbeat ``age`` seconds ago."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    os.utime(path, (time.time() - age,) * 2)


def write_dead(folder):
    """Write the lock of a dead process of this host, as if it had just been killed."""
    table = dataclasses.asdict(lock_module._myself()) | {"start": "1"}
    (folder / LOCK).write_text(json.dumps(table))


def test_it_is_made_whole_renewed_and_removed(tmp_path):
    folder = tmp_path / "artifacts" / "pong"
    with RunLock(folder) as lock:
        assert left_in(folder) == [LOCK]
        table = document(folder)
        assert list(table) == ["host", "pid", "start", "boot", "namespace", "since", "token",
                               "command"]  # fmt: skip
        assert table["pid"] == os.getpid()
        assert all(table.values())
        os.utime(folder / LOCK, (0, 0))
        lock.check()
        assert time.time() - (folder / LOCK).stat().st_mtime < 60
    assert left_in(folder) == []
    lock.release()
    with lock:
        assert left_in(folder) == [LOCK]
    assert left_in(folder) == []


def test_its_names_are_known():
    names = (LOCK, ".lock.new.ab", ".lock.after.ab", ".locks", "lock", "args.json")
    assert [is_lock(name) for name in names] == [True, True, True, False, False, False]


def test_it_costs_less_than_5_ms_a_run_and_its_check_next_to_nothing(tmp_path):
    def seconds(call):
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    lock = RunLock(tmp_path)
    assert min(seconds(lambda: lock.__enter__().release()) for _ in range(50)) < 0.005
    with lock:
        assert min(seconds(lock.check) for _ in range(50)) < 0.001


# Who has it.


def test_its_holder_can_be_looked_at(tmp_path):
    assert RunLock(tmp_path / "none").holder() == RunLock(tmp_path).holder() == ""
    with holder(tmp_path) as process:
        table = document(tmp_path)
        who = f"process {process.pid} on host {table['host']} since {table['since']}"
        assert RunLock(tmp_path).holder() == who
        # Another process of that pid, as after a boot, is none.
        rewrite(tmp_path / LOCK, start=str(int(table["start"]) - 1))
        assert RunLock(tmp_path).holder() == ""
        (tmp_path / LOCK).write_text("{")
        assert RunLock(tmp_path).holder() == "a process that its damaged .lock does not tell"
        os.utime(tmp_path / LOCK, (0, 0))
        assert RunLock(tmp_path).holder() == ""
        assert left_in(tmp_path) == [LOCK]


def test_a_second_process_is_told_who_has_it(tmp_path):
    with holder(tmp_path) as process:
        with pytest.raises(LockedError) as caught:
            RunLock(tmp_path).acquire()
        table = document(tmp_path)
        assert str(caught.value) == in_use(tmp_path, table)
        assert (caught.value.host, caught.value.pid) == (table["host"], process.pid)
        assert (caught.value.since, caught.value.exit_code) == (table["since"], 1)
        assert left_in(tmp_path) == [LOCK]
        # However long its heart stood still: the process is there.
        process.send_signal(signal.SIGSTOP)
        os.utime(tmp_path / LOCK, (0, 0))
        assert refused(RunLock(tmp_path).acquire) == in_use(tmp_path, table)


def test_this_process_cannot_take_it_twice(tmp_path):
    with RunLock(tmp_path) as lock:
        table = document(tmp_path)
        who = f"process {os.getpid()} on host {table['host']} since {table['since']}"
        for again in (lock, RunLock(tmp_path)):
            assert refused(again.acquire) == (
                f"{tmp_path}: in use by {who}, which is this one; {NEXT}"
            )
        lock.check()
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("how", ["", "raise\n", "SIGTERM"])
def test_it_is_released_at_the_end_an_exception_and_sigterm(tmp_path, how):
    with holder(tmp_path) as process:
        if how == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        _, err = process.communicate(how if how != "SIGTERM" else "", timeout=60)
        assert process.returncode == {"": 0, "raise\n": 1, "SIGTERM": 143}[how]
        assert ("Traceback" in err) == (how == "raise\n")
    assert left_in(tmp_path) == []


def leave_it(folder):
    RunLock(Path(folder)).acquire()


def test_a_process_that_never_releases_ends_quietly_and_has_it_no_more(tmp_path):
    assert result(leave_it, tmp_path) == ""
    assert left_in(tmp_path) == [LOCK]
    with RunLock(tmp_path):
        assert document(tmp_path)["pid"] == os.getpid()


def fork_it(folder):
    folder = Path(folder)
    with RunLock(folder) as lock:
        pid = os.fork()
        if pid == 0:
            # As any child may: its own way out of the with.
            print(refused(lock.check), refused(lock.acquire), sep="\n", flush=True)
            lock.release()
            with contextlib.suppress(SystemExit), lock_again(lock):
                sys.exit(0)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        lock.check()
        print(in_use(folder, document(folder)))
    assert left_in(folder) == []


@contextlib.contextmanager
def lock_again(lock):
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def test_a_forked_child_has_no_lock_to_release(tmp_path):
    lines = result(fork_it, tmp_path).splitlines()
    assert len(lines) == 3
    assert len(set(lines)) == 1


def test_the_heart_beats_in_a_thread_that_ends_with_the_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "HEARTBEAT_SECONDS", 0.01)
    before = threading.active_count()
    with RunLock(tmp_path):
        for _ in range(3):
            os.utime(tmp_path / LOCK, (0, 0))
            until(lambda: (tmp_path / LOCK).stat().st_mtime > 0)
        assert threading.active_count() == before + 1
        # It beats for its own lock only, and ends when that is lost.
        rewrite(tmp_path / LOCK, token="another's", age=1000)
        until(lambda: threading.active_count() == before)
        assert time.time() - (tmp_path / LOCK).stat().st_mtime > 900
    assert document(tmp_path)["token"] == "another's"


def until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


# Whose process is dead.


def test_a_killed_process_has_it_no_more_even_while_nobody_waits_for_it(tmp_path):
    with holder(tmp_path) as process:
        process.kill()
        until(lambda: lock_module._start_of(process.pid) == "dead")
        with RunLock(tmp_path) as lock:
            lock.check()
    assert left_in(tmp_path) == []


def test_another_process_of_the_same_pid_is_not_the_holder(tmp_path):
    with holder(tmp_path) as process:
        start = document(tmp_path)["start"]
        rewrite(tmp_path / LOCK, start=str(int(start) - 1))
        with RunLock(tmp_path):
            assert document(tmp_path)["pid"] != process.pid


@pytest.mark.parametrize("unknown", ["host", "boot", "namespace"])
@pytest.mark.parametrize("sign", [1, -1])
def test_of_another_host_boot_or_container_the_heartbeat_tells(tmp_path, unknown, sign):
    write_dead(tmp_path)
    rewrite(tmp_path / LOCK, **{unknown: "another"}, age=sign * (STALE - 60))
    table = document(tmp_path)
    assert refused(RunLock(tmp_path).acquire) == in_use(tmp_path, table)
    rewrite(tmp_path / LOCK, age=sign * (STALE + 1))
    with RunLock(tmp_path):
        assert document(tmp_path)["pid"] == os.getpid()
    assert left_in(tmp_path) == []


def test_where_proc_tells_nothing_the_heartbeat_tells(tmp_path, monkeypatch):
    write_dead(tmp_path)
    monkeypatch.setattr(lock_module, "_start_of", lambda pid: None)
    assert refused(RunLock(tmp_path).acquire) == in_use(tmp_path, document(tmp_path))
    rewrite(tmp_path / LOCK, start="1", age=STALE + 1)
    RunLock(tmp_path).acquire()


def test_a_process_that_proc_hides_is_asked_for_by_its_pid(tmp_path, monkeypatch):
    write_dead(tmp_path)
    mine, answer = lock_module._myself(), PermissionError()

    def kill(pid, number):
        assert (pid, number) == (mine.pid, 0)
        raise answer

    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(lock_module, "_start_of", lambda pid: None)
    monkeypatch.setattr(lock_module, "_myself", lambda: mine)
    assert "in use by process" in refused(RunLock(tmp_path).acquire)
    answer = ProcessLookupError()
    with RunLock(tmp_path):
        assert document(tmp_path)["start"] == mine.start


# Lost while held.


def test_a_process_that_slept_finds_its_lock_taken_over_and_leaves_it_alone(tmp_path):
    with holder(tmp_path, "elsewhere") as process:
        process.send_signal(signal.SIGSTOP)
        os.utime(tmp_path / LOCK, (time.time() - STALE - 1,) * 2)
        with RunLock(tmp_path) as lock:
            process.send_signal(signal.SIGCONT)
            out, err = process.communicate("check\n", timeout=60)
            table = document(tmp_path)
            assert (out, err, process.returncode) == (
                f"{tmp_path}: taken over by process {os.getpid()} on host {table['host']} since "
                f"{table['since']}, as this process gave no sign of life; nothing more is written "
                "there\n", "", 0,
            )  # fmt: skip
            lock.check()
    assert left_in(tmp_path) == []


def test_one_that_is_being_taken_over_has_it_no_more(tmp_path):
    with RunLock(tmp_path) as lock:
        chain = lock._chain()
        successor = lock._successor_of(chain[0])
        successor.write_text(json.dumps(document(tmp_path) | {"token": "b", "host": "b"}))
        assert refused(lock.check).startswith(f"{tmp_path}: taken over by process {os.getpid()} on")
        assert refused(RunLock(tmp_path).acquire).startswith(f"{tmp_path}: in use by process")
    assert left_in(tmp_path) == [LOCK, successor.name]


@pytest.mark.parametrize("what", ["removed", "emptied", "folder removed"])
def test_one_that_was_removed_or_damaged_is_lost(tmp_path, what):
    folder = tmp_path / "pong"
    with RunLock(folder) as lock:
        (folder / LOCK).write_text("") if what == "emptied" else (folder / LOCK).unlink()
        if what == "folder removed":
            folder.rmdir()
        assert refused(lock.check) == (
            f"{folder}: its .lock was removed or replaced while this process held it; "
            "nothing more is written there"
        )
