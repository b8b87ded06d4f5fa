"""Schedules by hand, and as options."""

from __future__ import annotations

import pytest

from dqn_port.errors import ArgsError
from dqn_port.systems.labml_dqn.options import BETA, EXPLORATION, schedule_of
from dqn_port.systems.labml_dqn.schedule import Piecewise


def test_lines_between_points_and_a_value_outside_of_them():
    schedule = Piecewise([(0, 1.0), (10, 0.5), (20, 0.0)], outside_value=-1)
    assert [schedule(x) for x in (-1, 0, 5, 10, 15)] == [-1, 1.0, 0.75, 0.5, 0.25]


def test_the_last_point_is_outside():
    assert Piecewise([(0, 1.0), (10, 0.5)], outside_value=7)(10) == 7


def schedules(updates):
    options = {"updates": updates, "exploration": EXPLORATION, "beta": BETA}
    return schedule_of(options, "exploration"), schedule_of(options, "beta")


def test_the_originals_schedules():
    exploration, beta = schedules(1_000_000)
    assert exploration.endpoints == ((0, 1.0), (25_000, 0.1), (500_000.0, 0.01))
    assert [exploration(x) for x in (0, 25_000, 500_000)] == [1.0, 0.1, 0.01]
    assert [beta(x) for x in (0, 500_000, 1_000_000)] == [0.4, 0.7, 1]


def test_a_short_run_leaves_the_second_segment_out():
    exploration, _ = schedules(30_000)
    assert exploration.endpoints == ((0, 1.0), (25_000, 0.1))
    assert [exploration(x) for x in (12_500, 25_000, 29_999)] == [0.55, 0.01, 0.01]
    assert schedules(50_000)[0].endpoints[2] == (25_000.0, 0.01)


@pytest.mark.parametrize(
    ("table", "got"),
    [
        ([], "another table"),
        ({"points": []}, "another table"),
        ({"points": 3, "outside": 1}, "3 as points"),
        ({"points": [[0, 1]], "outside": True}, "true outside"),
        ({"points": [[0, 1]], "outside": -0.5}, "-0.5 outside"),
        ({"points": [[0, 1.5]], "outside": 1}, "[0, 1.5]"),
        ({"points": [[0, float("nan")]], "outside": 1}, "[0, NaN]"),
        ({"points": [[10**400, 1]], "outside": 1}, f"[1{'0' * 55}…"),
        ({"points": [[0, 1, 2]], "outside": 1}, "[0, 1, 2]"),
        ({"points": [["update", 1]], "outside": 1}, '["update", 1]'),
        ({"points": [["updates / 0", 1]], "outside": 1}, '["updates / 0", 1]'),
        ({"points": [[1234568, 1], [1234567, 0]], "outside": 1}, "1234568 before 1234567"),
    ],
)
def test_other_tables_are_refused(table, got):
    with pytest.raises(ArgsError) as caught:
        schedule_of({"updates": 10, "beta": table}, "beta")
    assert str(caught.value) == (
        'beta: expected {"points": [[update, value], …], "outside": value} with updates rising and '
        f"values from 0 to 1, got {got}"
    )


def test_points_that_are_not_sorted_are_refused():
    with pytest.raises(ArgsError) as caught:
        Piecewise([(3, 1), (2, 1)])
    assert str(caught.value) == "points: expected them sorted by update, got 3 before 2"
