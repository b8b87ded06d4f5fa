from __future__ import annotations

import pytest

from dqn_port.bench.figures import Figure, digits, ratio, table
from dqn_port.systems.lua_dqn.bench.peers import derived


def figure(*values):
    return Figure("something", "µs", values)


def test_a_figure_tells_median_spread_and_every_repeat():
    assert figure(4.0, 1.0, 2.0, 3.0, 100.0).to_json() == {
        "what": "something",
        "unit": "µs",
        "median": 3.0,
        "low": 1.0,
        "high": 100.0,
        "quartiles": [2.0, 4.0],
        "values": [4.0, 1.0, 2.0, 3.0, 100.0],
    }


def test_one_repeat_is_its_own_quartiles():
    assert figure(2.0).quartiles == (2.0, 2.0)


def test_a_ratio_is_taken_repeat_by_repeat():
    """Of a machine that gets twice as slow for both nothing is left in it."""
    slowing = ratio("ours ÷ theirs", figure(200.0, 100.0, 90.0), figure(100.0, 50.0, 30.0))
    assert slowing.values == (2.0, 2.0, 3.0)
    assert (slowing.median, slowing.unit) == (2.0, "×")


def test_a_ratio_needs_as_many_repeats_of_both():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        ratio("ours ÷ theirs", figure(1.0, 2.0), figure(1.0))


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234"), (99.96, "100"), (99.9, "99.9"), (9.994, "9.99"), (0.12345, "0.123"),
     (0.99951, "1.00"), (0.0, "0.000")],
)  # fmt: skip
def test_numbers_show_three_digits(value, text):
    assert digits(value) == text


def test_columns_are_aligned():
    lines = table(("what", "µs"), [("a", "1,234"), ("longer", "5")])
    assert lines == ["what       µs", "a       1,234", "longer      5"]


def test_the_others_are_derived_through_the_row_of_stable_baselines3():
    others = derived(figure(2.0, 2.2), 1)
    assert sorted(others) == ["CleanRL", "Lua original", "PFRL", "dqn_zoo (JAX)"]
    assert others["PFRL"].values == pytest.approx((2 * 124.4 / 138.3, 2.2 * 124.4 / 138.3))
    assert others["Lua original"].values == pytest.approx((2 * 99 / 61, 2.2 * 99 / 61))
    assert others["Lua original"].what == "÷ Lua original, derived"
    assert derived(figure(2.0), 8) == {}
