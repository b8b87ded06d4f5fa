"""Many processes at one lock, killed at any line and any moment: one has it, none is locked out."""

from __future__ import annotations

import contextlib
import errno
import json
import mmap
import os
import random
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest

from dqn_port.errors import LockedError
from dqn_port.runs import lock as lock_module
from dqn_port.runs.lock import LOCK, RunLock
from tests.runs.test_lock import STALE, document, left_in, refused, result, rewrite, write_dead

KILLS = 200
WORKERS = range(2)
ROUNDS = {"fresh": 200, "dead": 200, "dead while taking over": 50, "another host's": 40,
          "damaged": 40}  # fmt: skip
READING = {"_look", "_parsed", "_is_of", "_is_dead", "_start_of", "_myself", "_text", "place",
           "is_lock", "<genexpr>", "<listcomp>", "<dictcomp>"}  # fmt: skip
"""What changes nothing: to be stopped within it is as to be stopped before it."""


def prepare(folder, kind):
    """Leave in the folder what a process of long ago, dead now, has left there."""
    if kind == "fresh":
        return
    write_dead(folder)
    if kind == "dead while taking over":
        path = RunLock(folder)._successor_of(lock_module._look(folder / LOCK))
        path.write_text(json.dumps(document(folder) | {"token": "2"}))
    elif kind == "another host's":
        rewrite(folder / LOCK, boot="2", age=STALE + 1)
    elif kind == "damaged":
        (folder / LOCK).write_text("")
        os.utime(folder / LOCK, (time.time() - STALE - 1,) * 2)


def shared():
    """Return numbers that forked processes have in common."""
    return memoryview(mmap.mmap(-1, 4096)).cast("q")


def fork(function, *arguments):
    """Run a function in a child, which is gone with it; a fault's traceback is printed."""
    pid = os.fork()
    if pid == 0:
        try:
            function(*arguments)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return pid


@contextlib.contextmanager
def forks():
    """Have a list for the pids of children, of whom none is left behind."""
    pids = []
    try:
        yield pids
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def none_ended(pids):
    for pid in list(pids):
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            pids.remove(pid)
            return False
    return True


# Racing.


def race(folder, kind, rounds, links):
    """Let processes race for the lock, round after round, and print how many winners each had."""
    folder, numbers = Path(folder), shared()
    if links == "without links":
        Path.hardlink_to = no_links
    winners = []
    with forks() as pids:
        pids += [fork(run, folder, int(rounds), numbers, worker) for worker in WORKERS]
        for turn in range(1, int(rounds) + 1):
            prepare(folder, kind)
            numbers[0] = turn
            wait(lambda: all(numbers[8 + w] == numbers[0] for w in WORKERS), pids)
            winners.append(sum(numbers[16 + w] for w in WORKERS))
            numbers[1] = turn
            wait(lambda: all(numbers[24 + w] == numbers[1] for w in WORKERS), pids)
            assert left_in(folder) == [], turn
        print(json.dumps(winners))


def wait(true, pids):
    while not true():
        assert none_ended(pids)
        time.sleep(0.0001)


def no_links(*_):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def run(folder, rounds, numbers, worker):
    """One racer: in every second round it dawdles between its steps, to be overtaken there."""
    events = {"open", "os.link", "os.rename", "os.remove", "os.utime", "os.listdir"}

    def dawdle(event, _):
        if event in events and numbers[0] % 2 and random.random() < 0.3:
            time.sleep(random.random() * 0.0005)

    sys.addaudithook(dawdle)
    for turn in range(1, rounds + 1):
        while numbers[0] < turn:
            time.sleep(0)
        lock, won = RunLock(folder), 0
        with contextlib.suppress(LockedError):
            lock.acquire()
            won = 1
        numbers[16 + worker], numbers[8 + worker] = won, turn
        while numbers[1] < turn:
            time.sleep(0.0001)
        if won:
            lock.check()
            lock.release()
        numbers[24 + worker] = turn
    signal.pause()


@pytest.mark.parametrize(("kind", "rounds"), ROUNDS.items())
def test_of_many_processes_one_gets_it(tmp_path, kind, rounds):
    assert json.loads(result(race, tmp_path, kind, rounds, "with links")) == [1] * rounds


def test_without_links_too(tmp_path):
    assert json.loads(result(race, tmp_path, "dead", 40, "without links")) == [1] * 40


def test_who_comes_late_to_a_dead_lock_withdraws(tmp_path, monkeypatch):
    write_dead(tmp_path)
    late, faster = RunLock(tmp_path), RunLock(tmp_path)
    chain = late._chain()

    def overtaken():
        monkeypatch.undo()
        faster.acquire()
        return chain

    monkeypatch.setattr(late, "_chain", overtaken)
    assert "which is this one" in refused(late.acquire)
    faster.check()
    assert left_in(tmp_path) == [LOCK]
    faster.release()


def test_who_comes_late_to_a_damaged_lock_withdraws(tmp_path, monkeypatch):
    prepare(tmp_path, "damaged")
    late = RunLock(tmp_path)
    chain = late._chain()

    def overtaken():
        monkeypatch.undo()
        os.utime(tmp_path / LOCK)
        return chain

    monkeypatch.setattr(late, "_chain", overtaken)
    assert "in use, by whom its damaged .lock does not tell" in refused(late.acquire)
    assert left_in(tmp_path) == [LOCK]


def test_who_is_taken_over_while_leaving_leaves_the_lock(tmp_path, monkeypatch):
    lock = RunLock(tmp_path)
    lock.acquire()
    chain = lock._chain()
    successor = lock._successor_of(chain[0])
    text = json.dumps(document(tmp_path) | {"token": "2"})
    monkeypatch.setattr(lock, "_renew", lambda _: successor.write_text(text))
    lock.release()
    assert left_in(tmp_path) == [LOCK, successor.name]


# Killed.


def take_at_once(folder):
    """Take the lock; a file that was killed empty, before its first byte, is swept when old."""
    with RunLock(folder) as lock:
        lock.check()
    for path in folder.iterdir():
        assert path.name.startswith(".lock.new.")
        assert path.read_bytes() == b""
        os.utime(path, (0, 0))
    if left_in(folder):
        RunLock(folder).__enter__().release()
        assert left_in(folder) == []


def before_line(act):
    """Return a trace function that calls ``act`` with n before the n-th line of the lock's."""
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        if frame.f_code.co_filename != lock_module.__file__ or frame.f_code.co_name in READING:
            return None
        if event == "line":
            lines += 1
            act(lines)
        return trace

    return trace


def take_and_leave(folder, act):
    sys.settrace(before_line(act))
    lock = RunLock(folder)
    lock.acquire()
    lock.check()
    lock.release()
    sys.settrace(None)


def lines_between_which_the_folder_changes(folder):
    """Return the lines after which a kill may find another folder than before them."""
    seen = []

    def look(_):
        files = [path.lstat() for path in sorted(folder.iterdir())]
        seen.append([(status.st_size, status.st_nlink) for status in files])

    take_and_leave(folder, look)
    return [n for n in range(1, len(seen)) if seen[n - 1] != seen[n]]


def kill_in_every_state(folder, kind):
    """Kill a process in every state that the folder passes through, and print how many."""
    folder = Path(folder)
    prepare(folder, kind)
    lines = lines_between_which_the_folder_changes(folder)
    for line in lines:
        prepare(folder, kind)
        kill = {line + 1: lambda: os.kill(os.getpid(), signal.SIGKILL)}
        pid = fork(take_and_leave, folder, lambda n, kill=kill: kill.get(n, int)())
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        take_at_once(folder)
    print(len(lines))


@pytest.mark.parametrize(("kind", "at_least"), [("fresh", 9), ("dead while taking over", 12)])
def test_killed_in_any_state_of_the_folder_it_is_free_at_once(tmp_path, kind, at_least):
    assert int(result(kill_in_every_state, tmp_path, kind)) >= at_least


def storm(folder):
    """Kill at random moments processes that take and leave the lock as fast as they can."""
    folder, numbers = Path(folder), shared()
    with forks() as pids:
        pids += [fork(take_often, folder, numbers) for _ in range(3)]
        for _ in range(KILLS):
            time.sleep(random.random() * 0.004)
            assert none_ended(pids)
            victim = pids.pop(random.randrange(len(pids)))
            os.kill(victim, signal.SIGKILL)
            os.waitpid(victim, 0)
            pids.append(fork(take_often, folder, numbers))
    take_at_once(folder)
    print(numbers[1])


def take_often(folder, numbers):
    """Take and leave the lock for ever; numbers: who has it, and how often it was taken."""
    me = os.getpid()
    while True:
        with contextlib.suppress(LockedError), RunLock(folder) as lock:
            other = numbers[0]
            assert other == 0 or lock_module._start_of(other) in (None, "dead")
            numbers[0] = me
            time.sleep(random.random() * 0.0005)
            lock.check()
            assert numbers[0] == me
            numbers[0] = 0
            numbers[1] += 1


def test_killed_at_random_moments_one_has_it_and_none_is_locked_out(tmp_path):
    assert int(result(storm, tmp_path)) > 50


# Interrupted.


@pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO")
@pytest.mark.parametrize("kind", ["fresh", "dead while taking over"])
def test_interrupted_at_any_line_of_taking_it_it_is_free(tmp_path, kind):
    def stop(line):
        if line == n:
            raise SystemExit

    n, threads, traced = 0, threading.active_count(), sys.gettrace()
    interrupted = True
    while interrupted:
        n += 1
        prepare(tmp_path, kind)
        lock, interrupted = RunLock(tmp_path), False
        try:
            sys.settrace(before_line(stop))
            lock.acquire()
        except SystemExit:
            interrupted = True
        finally:
            sys.settrace(traced)
        if interrupted:
            with RunLock(tmp_path) as again:
                again.check()
        else:
            lock.release()
        assert left_in(tmp_path) == [], n
        assert threading.active_count() == threads
    assert n > 50
