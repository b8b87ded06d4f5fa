"""Whole runs of train_agent against the original's: every perceive call, update and draw."""

from __future__ import annotations

import pytest

from tests.verify.shipped import LOOPS, assert_same


@pytest.mark.parametrize("group", LOOPS)
def test_the_run_is_the_originals_in_every_call(group):
    assert_same(group)
