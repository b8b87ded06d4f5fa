"""Every trace of the original's, replayed: its numbers, its printed lines and its logs."""

from __future__ import annotations

import pytest

from dqn_port.systems.hvass16.traces import runs
from dqn_port.verify.groups import verify
from dqn_port.verify.traces import find_groups
from tests.golden_files import GOLDEN

FOLDER = GOLDEN / "hvass"
GROUPS = [group.name for group in find_groups(FOLDER)]
EMPTY = {"run_fail1": 1}
"""Groups with a note: its burst ended before an update was made."""


@pytest.mark.parametrize("group", GROUPS)
def test_a_trace_is_met(group, monkeypatch):
    courses = []

    class Kept(runs.Course):
        def __init__(self, *args):
            super().__init__(*args)
            courses.append(self)

    monkeypatch.setattr(runs, "Course", Kept)
    (result,) = verify(FOLDER, system="hvass16", only=(group,))
    assert (result.error, list(map(str, result.differences))) == ("", [])
    assert result.same
    assert result.n_values > 10
    assert len(result.notes) == EMPTY.get(group, 0)
    for course in courses:
        key = group.removeprefix("run_")
        with (FOLDER / "logs" / f"{key}_stdout.txt").open(newline="") as file:
            assert course.stdout == file.read()
        for name, text in course.logs.items():
            assert text == (FOLDER / "logs" / f"{key}_{name}").read_text(), name
    assert bool(courses) == group.startswith("run_")


def test_no_trace_is_left_out():
    assert GROUPS == [
        "epsilon", "logs", "net", "optimize", "preproc", "replay", "run_breakout", "run_fail1",
        "run_tf1", "run_train1", "run_train2", "signals",
    ]  # fmt: skip
