"""Every trace of the original's, replayed and compared."""

from __future__ import annotations

import pytest

from dqn_port.verify.groups import verify
from dqn_port.verify.traces import find_groups
from tests.systems.simple_dqn.building import SHIPPED

GROUPS = [group.name for group in find_groups(SHIPPED)]


@pytest.mark.parametrize("group", GROUPS)
def test_the_group_is_the_same(group):
    (result,) = verify(SHIPPED, system="simple_dqn", only=(group,))
    assert not result.error
    assert not result.differences
    assert result.same
    assert not [note for note in result.notes if "unknown" in note or "not in the trace" in note]


def test_the_traces_are_all_there():
    assert len(GROUPS) == 15


@pytest.mark.parametrize("group", ["updates", "loop_A"])
def test_the_group_is_near_without_the_kernels(group, monkeypatch):
    monkeypatch.setattr("dqn_port.systems.simple_dqn.passes.kernels_for", lambda weight: None)
    monkeypatch.setattr("dqn_port.systems.simple_dqn.optimizers.kernels", lambda: None)
    (result,) = verify(SHIPPED, system="simple_dqn", only=(group,))
    assert not result.differences
    assert result.largest > 0
