"""Smoothing that keeps every row; smoothen itself is in the traces."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.systems.practical_rl.smoothen import kernel, smoothed, smoothen


def test_where_a_hundred_rows_are_it_is_the_homeworks():
    values = np.random.RandomState(1).rand(250)
    found = smoothed(values)
    assert len(found) == 250
    np.testing.assert_allclose(found[50:-49], smoothen(values), rtol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 60, 99, 100])
def test_of_few_rows_there_is_no_arch(n):
    np.testing.assert_allclose(smoothed(np.full(n, 3.0)), np.full(n, 3.0), rtol=1e-12)


def test_of_two_rows_each_weighs_by_its_distance():
    first, second = smoothed(np.array([0.0, 1.0]))
    weights = kernel()
    assert first == pytest.approx(weights[48] / (weights[48] + weights[49]))
    assert second == pytest.approx(weights[49] / (weights[49] + weights[50]))
