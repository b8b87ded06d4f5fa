"""The league table: hand-computed scores, and intervals whose coverage is checked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqn_port.errors import HistoryError
from dqn_port.exports.league import interquartile_mean, league


def of_one(scores, **more):
    """The league of one system: game → scores."""
    return league({(game, "lua_dqn"): found for game, found in scores.items()}, **more)


FINITE = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("scores", "mean"),
    [
        ([7], 7),
        ([1, 2, 6], 3),
        # One of four at either end goes: the mean of 2 and 3.
        ([100, 3, 2, -100], 2.5),
        # One of seven, 7 // 4: the mean of 2 to 6.
        ([1, 2, 3, 4, 5, 6, 99], 4),
        # Two of eight: of 3 to 6.
        ([[1, 2, 3, 4], [5, 6, 7, 80]], 4.5),
    ],
)
def test_interquartile_mean_by_hand(scores, mean):
    assert interquartile_mean(scores) == mean


def test_interquartile_mean_of_nothing():
    with pytest.raises(ValueError, match="expected at least one score, got none"):
        interquartile_mean([])


@given(st.lists(FINITE, min_size=1, max_size=40), st.randoms())
def test_interquartile_mean_lies_between_and_knows_no_order(scores, random):
    mean = interquartile_mean(scores)
    assert min(scores) - 1e-6 <= mean <= max(scores) + 1e-6
    random.shuffle(scores)
    assert interquartile_mean(scores) == mean


def test_rows_by_hand():
    table = of_one({"toyB": [5, 7], "pong": [9.3, -20.7]})
    pong, toy = table.rows
    # Pong: random -20.7, human 9.3, the paper's agent 18.9.
    assert (pong.game, pong.scores, pong.mean) == ("pong", (9.3, -20.7), pytest.approx(-5.7))
    assert (pong.random, pong.human, pong.paper) == (-20.7, 9.3, 18.9)
    assert pong.human_normalised == pytest.approx(0.5)
    assert pong.paper_normalised == pytest.approx(39.6 / 30)
    assert (toy.game, toy.mean, toy.scores) == ("toyB", 6, (5, 7))
    assert {toy.random, toy.human, toy.paper, toy.human_normalised, toy.paper_normalised} == {None}
    assert (table.games, table.fewest_seeds) == (1, 2)


def points(game_random, game_human, *normalised):
    return [game_random + x * (game_human - game_random) for x in normalised]


def test_aggregates_by_hand():
    # Random and human scores of the three games, from the paper's table.
    table = of_one(
        {
            "pong": points(-20.7, 9.3, 0.0, 1.0),
            "breakout": points(1.7, 31.8, 2.0, 4.0),
            "boxing": points(0.1, 4.3, 0.5, 0.7),
        }
    )
    # Means over seeds 0.5, 3 and 0.6; of six scores one at either end goes.
    assert table.median is not None
    assert table.interquartile_mean is not None
    assert table.median.value == pytest.approx(0.6)
    assert table.interquartile_mean.value == pytest.approx((0.5 + 0.7 + 1 + 2) / 4)
    # Drawn means are {0, .5, 1}, {2, 3, 4} and {.5, .6, .7}: a median of .5 to .7, or 1.
    assert (table.median.low, table.median.high) == (pytest.approx(0.5), pytest.approx(1))
    paper = sorted([39.6 / 30, (401.2 - 1.7) / 30.1, (71.8 - 0.1) / 4.2])
    assert table.median.paper == pytest.approx(paper[1])
    assert table.interquartile_mean.paper == pytest.approx(sum(paper) / 3)


def test_systems_in_a_game_have_rows_of_their_own():
    scores = {("pong", "hvass16"): [9.3], ("pong", "lua_dqn"): [-20.7, -5.7]}
    table = league(scores | {("boxing", "lua_dqn"): [4.3]})
    places = [(row.game, row.system, row.scores) for row in table.rows]
    assert places == [
        ("boxing", "lua_dqn", (4.3,)),
        ("pong", "hvass16", (9.3,)),
        ("pong", "lua_dqn", (-20.7, -5.7)),
    ]
    # 1, 1 and 0.25: a median of 1, which one row of pong, of mean −5.7, would have made 0.75.
    assert table.median is not None
    assert (table.games, table.median.value) == (3, pytest.approx(1.0))


def test_games_without_scores_stand_in_the_table_only():
    table = of_one({"toyB": [1, 2]})
    assert len(table.rows) == 1
    assert (table.games, table.fewest_seeds) == (0, 0)
    assert table.median is None
    assert table.interquartile_mean is None
    with_pong = of_one({"pong": [1.0, 2.0]})
    assert of_one({"pong": [1.0, 2.0], "toyB": [1, 2]}).median == with_pong.median


def test_one_seed_a_game_gives_no_interval():
    table = of_one({"pong": [1.0], "breakout": [2.0]})
    assert table.median is not None
    assert (table.median.low, table.median.high, table.fewest_seeds) == (None, None, 1)
    mixed = of_one({"pong": [1.0], "breakout": [2.0, 200.0]}).interquartile_mean
    assert mixed is not None
    assert mixed.low is not None
    assert mixed.high is not None
    assert mixed.low < mixed.value < mixed.high


def test_the_same_scores_give_the_same_intervals():
    scores = {"pong": [1.0, 5.0, -3.0], "breakout": [30.0, 50.0, 10.0]}
    turned = {game: found[::-1] for game, found in reversed(scores.items())}
    assert of_one(scores).median == of_one(turned).median
    assert of_one(scores).median != of_one(scores, seed=1).median


def test_the_interval_covers_what_it_should():
    generator = np.random.default_rng(0)
    games = ["pong", "breakout", "boxing", "tennis", "freeway"]
    truth = np.mean([0.5] * 5)
    held = 0
    for _ in range(200):
        scores = {}
        for game in games:
            # Scores that are normalised to a mean of 0.5 and a deviation of 0.2.
            row = of_one({game: [0.0]}).rows[0]
            assert row.random is not None
            assert row.human is not None
            drawn = generator.normal(0.5, 0.2, 10)
            scores[game] = points(row.random, row.human, *drawn)
        found = of_one(scores, resamples=400).interquartile_mean
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    # 95 % is meant; the percentile bootstrap of ten seeds falls a little short of it.
    assert 0.88 <= held / 200 <= 0.99


@pytest.mark.parametrize("scores", [[], [1.0, float("nan")], [float("inf")]])
def test_scores_that_are_none(scores):
    with pytest.raises(HistoryError) as refused:
        of_one({"pong": scores})
    assert str(refused.value) == (
        f"league: pong, lua_dqn: expected at least one finite score, got {scores}"
    )
