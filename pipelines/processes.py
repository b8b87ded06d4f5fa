"""Separate processes for heavy work, which report their progress and end with their worker.

Luigi forks, which CUDA and threads do not survive, so a job runs in a fresh Python. The job's
parameters come as one line of JSON on its stdin, its events go as lines of JSON to its stdout, and
its stderr goes into the worker's log. It ends with the process that started it, even if that is
killed with -9: through PR_SET_PDEATHSIG on Linux, and anywhere because its stdin is closed.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import json
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import IO, Any, Final

from dqn_port.errors import DqnPortError
from pipelines.logs import logger

_PR_SET_PDEATHSIG: Final = 1
_GRACE_SECONDS: Final = 120.0
"""Seconds that a job has to write its checkpoint after SIGTERM, before it is killed."""
_TAIL: Final = 50
"""Number of lines of a job's stderr that are kept."""


class JobError(DqnPortError):
    """A job of the pipelines has failed."""

    def __init__(self, message: str, *, retry: str) -> None:
        """``retry``: see DqnPortError."""
        super().__init__(message)
        self.retry = retry


def die_with(parent: int, number: signal.Signals) -> None:
    """Ask the system to send this process signal ``number`` when the process ``parent`` ends.

    If it has ended already, this process exits at once. Does nothing if the system is not Linux.
    """
    if sys.platform != "linux":
        return
    # It refers to the thread that forked, which must be the parent's main thread.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def die_with_worker() -> None:
    """Make a process that Luigi has forked for a task end with its worker.

    It receives SIGTERM and passes it on, so that a job writes a checkpoint even if its worker was
    terminated. A job whose own parent is killed is killed.
    """
    worker = multiprocessing.parent_process()
    if worker is not None and worker.pid is not None:
        die_with(worker.pid, signal.SIGTERM)


def run_job(name: str, words: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    """Run ``pipelines.jobs`` ``name`` in a separate process, and pass on its events until it ends.

    Temporary failures, such as a full disk or a process that was killed, are retried once. SIGTERM
    is passed on to it, and handled when it has ended; so is Ctrl-C.

    Raises:
        JobError: it has failed; the message is the job's own if it could send one.
    """
    try:
        _run_once(name, words, tell)
    except JobError as error:
        if error.retry != "now":
            raise
        tell({"event": "said", "text": f"{error}; it is tried once more"})
        _run_once(name, words, tell)


def _run_once(name: str, words: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.jobs", name, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Ctrl-C of the terminal reaches it through this process only.
        start_new_session=True,
    )
    try:
        with _stopping(process) as stop, _ended(process):
            fault = _follow(process, words, tell)
    except KeyboardInterrupt:
        if multiprocessing.parent_process() is None:
            raise
        # The worker that has forked this process was interrupted, too, and says so.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        raise
    if stop:
        # The signal was deferred until the job had written its checkpoint.
        os.kill(os.getpid(), signal.SIGTERM)
    if fault is not None:
        raise fault


@contextlib.contextmanager
def _stopping(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Pass SIGTERM on to ``process``; the list is not empty if one came."""
    came: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        came.append(number)
        _terminate(process)

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    previous = signal.signal(signal.SIGTERM, pass_on)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Make sure that ``process`` is gone at the end, whatever happens."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()


def _terminate(process: subprocess.Popen[bytes]) -> None:
    """Let a job write its checkpoint and end, or kill it after a while."""
    process.terminate()
    killing = threading.Timer(_GRACE_SECONDS, process.kill)
    killing.daemon = True
    killing.start()


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_GRACE_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


def _follow(
    process: subprocess.Popen[bytes],
    words: dict[str, Any],
    tell: Callable[[dict[str, Any]], None],
) -> JobError | None:
    """Send a job its parameters and pass on its events; return its fault, or None.

    Raises:
        KeyboardInterrupt: once the job has ended, too.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    tail: collections.deque[str] = collections.deque(maxlen=_TAIL)
    events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    readers = [
        threading.Thread(target=_read_events, args=(process.stdout, events), daemon=True),
        threading.Thread(target=_read_lines, args=(process.stderr, tail), daemon=True),
    ]
    for reader in readers:
        reader.start()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(words).encode() + b"\n")
        process.stdin.flush()
    fault: JobError | None = None
    interrupted = False
    while True:
        try:
            if (event := events.get()) is None:
                break
            if event["event"] == "fault":
                fault = JobError(str(event["text"]), retry=event["retry"])
            else:
                tell(event)
        except KeyboardInterrupt:
            if interrupted:
                process.kill()
                raise
            interrupted = True
            _terminate(process)
    _wait(process)
    if interrupted:
        raise KeyboardInterrupt
    readers[1].join(1)
    if fault is None and process.returncode != 0:
        text = f"its process {_how(process.returncode)}"
        if tail:
            # Most likely a bug's traceback: all of it is needed to fix the bug.
            logger.error("the job's last words:\n%s", "\n".join(tail))
            text += f"; its last line: {tail[-1]}"
        fault = JobError(text, retry="now")
    return fault


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with {code}"
    memory = ", as the system does when memory runs out" if code == -signal.SIGKILL else ""
    return f"was ended by {signal.Signals(-code).name}{memory}"


def _read_events(pipe: IO[bytes], events: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    try:
        for line in pipe:
            events.put(json.loads(line))
    finally:
        events.put(None)


def _read_lines(pipe: IO[bytes], tail: collections.deque[str]) -> None:
    for line in pipe:
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            tail.append(text)


class Teller:
    """The job's side: its parameters, its events, and ending with its parent."""

    def __init__(self, parent: int) -> None:
        """Tie this process to ``parent``, which started it."""
        die_with(parent, signal.SIGKILL)
        # Output of a library must not come between the events.
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self.words: dict[str, Any] = json.loads(sys.stdin.buffer.readline() or b"{}")
        threading.Thread(target=self._watch, daemon=True).start()
        self._told = 0.0

    def _watch(self) -> None:
        # Past the buffered reader, whose lock a thread may not hold when Python ends.
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    def tell(self, event: str, **values: Any) -> None:
        """Send an event."""
        line = json.dumps({"event": event} | values) + "\n"
        try:
            self._out.write(line.encode())
            self._out.flush()
        except BrokenPipeError:
            os.kill(os.getpid(), signal.SIGKILL)

    def due(self, seconds: float) -> bool:
        """Return whether so many seconds have passed since this last returned True."""
        now = time.monotonic()
        if now - self._told < seconds:
            return False
        self._told = now
        return True
