"""Show a job's progress and log in the scheduler and in the worker's log."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable
from typing import Any, Final

import luigi
from luigi.rpc import RPCError

from pipelines.logs import logger

_REPORTED_EVERY: Final = 2.0
"""Seconds between two messages to the scheduler."""
_QUIET_SECONDS: Final = 60.0
"""Seconds without messages after the scheduler did not answer: Luigi tries each for a minute."""
_SHOWN_LINES: Final = 10
"""Lines of a job's log that are sent to the scheduler."""


class Reporter:
    """Show a job's progress in the scheduler, and its lines there and in the worker's log."""

    def __init__(self, task: luigi.Task, name: str) -> None:
        self._task, self._name = task, name
        self._lines: collections.deque[str] = collections.deque(maxlen=_SHOWN_LINES)
        self._progress = ""
        self._next = self._away_until = 0.0

    def tell(self, event: dict[str, Any]) -> None:
        """Take one event of a job."""
        if event["event"] == "said":
            self._lines.append(event["text"])
            logger.info("%s: %s", self._name, event["text"])
            self._report("set_status_message", self._text())
        elif time.monotonic() >= self._next:
            self._progress = event["text"]
            self._report("set_status_message", self._text())
            self._report("set_progress_percentage", event["percentage"])
            self._next = time.monotonic() + _REPORTED_EVERY

    def _text(self) -> str:
        return "\n".join(filter(None, [self._progress, *self._lines]))

    def _report(self, name: str, value: Any) -> None:
        report: Callable[[Any], None] | None = getattr(self._task, name, None)
        if report is None or time.monotonic() < self._away_until:
            return
        try:
            report(value)
        except (RPCError, OSError):
            # A training is not harmed if the scheduler is unreachable for a while.
            self._away_until = time.monotonic() + _QUIET_SECONDS
