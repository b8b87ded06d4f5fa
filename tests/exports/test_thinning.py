"""Lines of many rows."""

from __future__ import annotations

import numpy as np

from dqn_port.exports.thinning import MOST_POINTS, thinned


def test_a_peak_of_one_row_among_a_million_stays():
    x, y = np.arange(1_000_000), np.sin(np.arange(1_000_000) / 5e4)
    y[[123_456, 654_321]] = 7, -9
    few_x, few_y = thinned(x, y)
    assert len(few_x) == len(few_y) == MOST_POINTS == 2_000
    assert (few_x[few_y.argmax()], few_y.max()) == (123_456, 7)
    assert (few_x[few_y.argmin()], few_y.min()) == (654_321, -9)
    assert (np.diff(few_x) > 0).all()


def test_of_each_bin_the_smallest_and_the_largest_stay_in_their_order():
    y = np.array([1.0, 5, 3, 0, 2, 2, 2, 2, 4, 3, 2, 1])
    x = np.arange(12) * 10
    # Three bins of four: 1 5 3 0, 2 2 2 2, 4 3 2 1.
    assert [each.tolist() for each in thinned(x, y, most=6)] == [
        [10, 30, 40, 80, 110],
        [5, 0, 2, 4, 1],
    ]


def test_few_rows_are_left_as_they_are_without_those_that_have_no_number():
    x, y = np.array([1, 2, 3, 4]), np.array([1.0, np.nan, 3, np.inf])
    assert [each.tolist() for each in thinned(x, y, most=4)] == [[1, 3], [1, 3]]
