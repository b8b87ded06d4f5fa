"""Minibatch updates and rewards against the original's qLearnMinibatch, getQUpdate, perceive."""

from __future__ import annotations

import pytest

from tests.verify.shipped import UPDATES, assert_same


@pytest.mark.parametrize("group", UPDATES)
def test_updates_and_rewards_are_the_originals(group):
    assert_same(group)
