"""Luigi as processes of their own, and what the pipelines' tests look at."""

from __future__ import annotations

import csv
import logging
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import luigi
from luigi.execution_summary import LuigiRunResult
from luigi.setup_logging import InterfaceLogging

from dqn_port.runs.run_folder import HISTORY
from dqn_port.systems.lua_dqn.histories import HISTORY as TABLE
from pipelines import TrainEvalReport
from pipelines.configuration import SHIPPED
from pipelines.logs import LUIGI

MARK = "DQN_PORT_TEST_MARK"
"""An environment variable that every descendant of a test's processes inherits."""

CLIENT = """
[core]
log_level = INFO
no_lock = true
[worker]
check_complete_on_run = true
ping_interval = 0.5
wait_interval = 0.3
wait_jitter = 0
[retcode]
already_running = 10
missing_data = 20
not_run = 25
task_failed = 30
scheduling_error = 35
unhandled_exception = 40
"""


class Processes:
    """Processes that a test has started, and all that they have started."""

    def __init__(self, folder: Path) -> None:
        self.mark = secrets.token_hex(8)
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def start(
        self, *words: str | Path, cwd: Path | None = None, log: str = "log", **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start a process in a group of its own; what it says goes to a file."""
        with (self._folder / log).open("ab") as file:
            process = subprocess.Popen(
                [str(word) for word in words],
                cwd=cwd or self._folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment, MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def luigi(self, *words: str | Path, log: str = "log", **rest: Any) -> subprocess.Popen[bytes]:
        """Start ``python -m luigi --module pipelines`` with words."""
        luigi = (sys.executable, "-m", "luigi", "--module", "pipelines")
        rest.setdefault("LUIGI_CONFIG_PATH", str(SHIPPED))
        return self.start(*luigi, *words, log=log, **rest)

    def log(self, name: str = "log") -> str:
        """Return what a process has said so far."""
        return (self._folder / name).read_text()

    def alive(self) -> list[int]:
        """Return the processes that live, descendants included, whoever is their parent now."""
        found, mark = [], f"{MARK}={self.mark}".encode()
        for path in Path("/proc").iterdir():
            try:
                if path.name.isdecimal() and mark in (path / "environ").read_bytes().split(b"\0"):
                    found.append(int(path.name))
            except OSError:
                continue
        return found

    def end(self) -> None:
        """Kill what lives."""
        for pid in self.alive():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self._started:
            process.wait()


@contextmanager
def processes(folder: Path) -> Iterator[Processes]:
    """Have processes in a folder, and none of them left at the end."""
    folder.mkdir(exist_ok=True)
    all_of_them = Processes(folder)
    try:
        yield all_of_them
    finally:
        all_of_them.end()


def wait_for(what: Callable[[], Any], *, seconds: float = 60, every: float = 0.05) -> Any:
    """Return what ``what`` returns as soon as that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(every)
    raise AssertionError(f"waited {seconds} s in vain")


def parent_of(pid: int) -> int:
    """Return a process' parent."""
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])


def history(run: Path) -> list[dict[str, str]]:
    """Return a run's rows without what is measured."""
    with (run / HISTORY).open(newline="") as file:
        return [
            {key: value for key, value in row.items() if key not in TABLE.measured}
            for row in csv.DictReader(file)
        ]


@dataclass(frozen=True)
class Chain:
    """A chain that has run: its last task, what Luigi said, and its words."""

    task: TrainEvalReport
    log: str
    words: tuple[str | Path, ...]

    def of(self, kind: Any) -> Any:
        """Return one of its tasks."""
        return self.task.of(kind)


def build(*tasks: luigi.Task, **rest: Any) -> LuigiRunResult:
    """Run tasks in this process, jobs in their own, and return what Luigi says of it."""
    result = luigi.build(
        tasks, local_scheduler=True, detailed_summary=True, log_level="INFO", **rest
    )
    assert isinstance(result, LuigiRunResult)
    return result


def attempts(out: Path) -> list[Path]:
    """Return the attempts that stand anywhere, each once."""
    return sorted({path.resolve() for path in out.glob("*/*/.attempt-*")})


@contextmanager
def luigi_as_it_was() -> Iterator[None]:
    """Take back what a run of Luigi in this process has set up for its whole life."""
    try:
        yield
    finally:
        # Its handler writes to the stderr of the test that was the first.
        logging.getLogger(LUIGI).handlers.clear()
        InterfaceLogging._configured = False
        config = luigi.configuration.get_config()
        if config.has_section("resources"):
            config.remove_option("resources", "memory_gb")
