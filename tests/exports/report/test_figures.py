"""How figures are written, and what is reckoned with."""

from __future__ import annotations

import pytest

from dqn_port.exports.report import figures
from dqn_port.fields import number as number_of
from tests.exports.report.building import episodes_of, evaluation_of, run_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0"),
        (-20.66, "−20.7"),
        (-0.04, "0.0"),
        (999.94, "999.9"),
        (1234.5, "1,234"),
        (-12345.6, "−12,346"),
        (1e12, "1e+12"),
        (float("nan"), "–"),
    ],
)
def test_scores(value, text):
    assert figures.score(value) == text


@pytest.mark.parametrize(("value", "text"), [(21.0, "21"), (-3.5, "−3.5"), (10_000.0, "10,000")])
def test_returns(value, text):
    assert figures.points(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.6, "1 min"),
        (185, "3 min 5 s"),
        (3600, "1 h"),
        (3725, "1 h 2 min"),
        (180_000, "2 d 2 h"),
        (86_400 + 60, "1 d"),
        (float("inf"), "–"),
    ],
)
def test_times(seconds, text):
    assert figures.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (950, "950"), (12_300, "12.3k"), (4e6, "4M"), (5e7, "50M"), (-2e9, "−2G")],
)
def test_large_numbers(value, text):
    assert figures.large(value) == text


def test_shares():
    assert [figures.percent(share) for share in (None, 0.123, -0.5, 21.83)] == [
        "–",
        "12.3%",
        "−50.0%",
        "2,183.0%",
    ]


@pytest.mark.parametrize(
    ("words", "text"), [("", ""), ("a", "a"), ("ab", "a and b"), ("abc", "a, b and c")]
)
def test_lists(words, text):
    assert figures.listing(list(words)) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3.0), (2.5, 2.5), (True, None), ("3", None), (None, None), (10**400, None),
     (float("nan"), None), (float("-inf"), None)],
)  # fmt: skip
def test_numbers_of_a_file(value, number):
    assert number_of(value) == number


def test_results_are_of_each_network():
    record = evaluation_of(
        run_of(), episodes=tuple(episodes_of("last", [1.0, 2.0, 6.0, 7.0], cut=2))
    )
    (result,) = figures.results_of(record)
    assert (result.network, result.episodes, result.cut) == ("last", 4, 2)
    assert (result.mean, result.median, result.least, result.most) == (4.0, 4.0, 1.0, 7.0)
    assert result.std == pytest.approx((26 / 3) ** 0.5)
    assert result.steps == 500
    # 24.7 points above random play, of 30 to the human tester.
    assert result.human == pytest.approx(24.7 / 30)
