"""Programs measured in separate processes, with a line protocol.

A worker reads one line of JSON, its settings, gets ready and answers with a line of JSON. Then, for
every line ``run N``, it does N steps and answers with a line of JSON, ``{"seconds": …}``. In
between it waits, blocked, and costs nothing. It ends with its standard input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from dqn_port.errors import BenchError

LIMIT_S: Final = 900.0
"""A worker that does not answer for this long is considered lost."""


def serve(prepare: Callable[[dict[str, Any]], Callable[[int], dict[str, Any]]]) -> None:
    """Be a worker: ``prepare`` takes the settings and returns what ``run`` does.

    Other output to standard output goes to standard error, because the protocol uses it
    exclusively.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)

        def answer(table: dict[str, Any]) -> None:
            answers.write(json.dumps(table) + "\n")
            answers.flush()

        run = prepare(json.loads(sys.stdin.readline()))
        answer({"ready": True})
        for line in sys.stdin:
            word, _, number = line.strip().partition(" ")
            assert word == "run", line
            answer(run(int(number)))


class Worker:
    """The other side: a worker's process."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        settings: Mapping[str, Any],
        *,
        environment: Mapping[str, str] | None = None,
        limit_s: float = LIMIT_S,
    ) -> None:
        """Start ``command`` and wait until it is ready.

        Raises:
            BenchError: it cannot be started, ends, or does not answer in time.
        """
        self.name, self._limit_s = name, limit_s
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, **(environment or {})},
                text=True,
            )
        except OSError as error:
            self._errors.close()
            raise BenchError(
                f"{name}: cannot be started: {command[0]}: {error.strerror}"
            ) from error
        try:
            self.about = self.ask(json.dumps(dict(settings)))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line and return the answer.

        Raises:
            BenchError: it ends, or does not answer in time.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(self._limit_s, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            text = self._process.stdout.readline()
            answer: dict[str, Any] = json.loads(text)
        except (OSError, ValueError):
            raise BenchError(f"{self.name}: expected an answer, got {self._last_words()}") from None
        finally:
            timer.cancel()
        return answer

    def run(self, steps: int) -> float:
        """Let it do ``steps`` steps and return the seconds.

        Raises:
            BenchError: see ask.
        """
        return float(self.ask(f"run {steps}")["seconds"])

    def _last_words(self) -> str:
        """Return how the process ended and the last line it wrote."""
        self._process.kill()
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"its end with {code}: {lines[-1] if lines else 'without a word'}"

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()
