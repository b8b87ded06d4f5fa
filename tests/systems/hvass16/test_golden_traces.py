"""Every trace of the original's, replayed."""

from __future__ import annotations

import pytest

from dqn_port.verify.groups import find_groups, verify
from tests.systems.hvass16.golden import FOLDER

GROUPS = [group.name for group in find_groups(FOLDER)]
EMPTY = {"run_fail1": 1}
"""Groups with a note: its burst ended before an update was made."""


@pytest.mark.parametrize("group", GROUPS)
def test_a_trace_is_met(group):
    (result,) = verify(FOLDER, system="hvass16", only=(group,))
    assert (result.error, list(map(str, result.differences))) == ("", [])
    assert result.same
    assert result.n_values > 10
    assert len(result.notes) == EMPTY.get(group, 0)


def test_no_trace_is_left_out():
    assert GROUPS == [
        "epsilon", "logs", "net", "optimize", "preproc", "replay", "run_breakout", "run_fail1",
        "run_tf1", "run_train1", "run_train2", "signals",
    ]  # fmt: skip
