"""What the scheduler and the log are told."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from luigi.rpc import RPCError
from luigi.worker import TaskException

from dqn_port.errors import ArgsError
from pipelines import reporter as module
from pipelines.logs import OneLine
from pipelines.reporter import Reporter


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_the_scheduler_has_the_progress_and_the_last_lines(clock):
    said, percentages = [], []
    task = SimpleNamespace(
        set_status_message=said.append, set_progress_percentage=percentages.append
    )
    reporter = Reporter(task, "toy/1")
    reporter.tell({"event": "said", "text": "begins"})
    for percentage in (1, 2, 3):
        reporter.tell({"event": "progress", "text": f"step {percentage}", "percentage": percentage})
        clock.now += 1.5
    assert said == ["begins", "step 1\nbegins", "step 3\nbegins"]
    assert percentages == [1, 3]


def test_a_scheduler_that_is_away_is_left_alone_for_a_minute(clock):
    """Luigi tries each message for a minute: many that wait would hold up a finished training."""
    tried = []

    def away(text):
        tried.append(text)
        raise RPCError("away")

    reporter = Reporter(SimpleNamespace(set_status_message=away), "toy/1")
    for text in ("one", "two", "three"):
        reporter.tell({"event": "said", "text": text})
    assert tried == ["one"]
    clock.now += 61
    reporter.tell({"event": "said", "text": "four"})
    assert tried == ["one", "one\ntwo\nthree\nfour"]


def shown(error: BaseException | None):
    record = logging.LogRecord("luigi-interface", logging.ERROR, "f", 1, "failed", (), None)
    record.exc_info = (type(error), error, None) if error is not None else (None, None, None)
    assert OneLine().filter(record)
    return logging.Formatter().format(record)


def test_a_fault_is_one_line_and_a_bug_a_traceback():
    assert shown(OSError(28, "No space left on device")) == (
        "failed: [Errno 28] No space left on device"
    )
    fault = ArgsError("env: got nothing")
    fault.add_note("a.json: the bare name pong\nis nil in Lua")
    assert shown(fault) == "failed: env: got nothing; a.json: the bare name pong is nil in Lua"
    assert shown(TaskException("complete() is still returning false")) == (
        "failed: complete() is still returning false"
    )
    assert shown(None) == "failed"
    assert shown(KeyError("bug")) == "failed\nKeyError: 'bug'"
