"""What the charts are drawn from."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dqn_port.exports.nature_scores import nature_scores
from dqn_port.exports.report.charts import (
    returns_are_beyond,
    returns_chart,
    stacked,
)
from dqn_port.systems.lua_dqn.schedule import epsilon_curve
from tests.exports.report.building import arguments_of, episodes_of, evaluation_of, run_of


def test_epsilon_is_that_of_the_agent_at_its_steps():
    frames, ep = epsilon_curve(arguments_of())
    # 4 frames a step: 1 until learn_start, then down to 0.1 within ep_endt.
    np.testing.assert_array_equal(frames, [0, 200_000, 4_200_000, 200_000_000])
    np.testing.assert_array_equal(ep, [1, 1, 0.1, 0.1])


def test_epsilon_of_a_run_that_ends_early():
    frames, ep = epsilon_curve(arguments_of(steps=550_000))
    np.testing.assert_array_equal(frames, [0, 200_000, 2_200_000])
    np.testing.assert_allclose(ep, [1, 1, 0.55])
    frames, ep = epsilon_curve(arguments_of(steps=1000))
    np.testing.assert_array_equal(frames, [0, 4000])
    np.testing.assert_array_equal(ep, [1, 1])


@pytest.mark.parametrize("key", ["steps", "actrep", "agent_params.ep", "agent_params.learn_start"])
@pytest.mark.parametrize(
    "value", [None, True, "7", -3, 10**400, float("nan"), [], {}], ids=lambda v: str(v)[:9]
)
def test_arguments_that_do_not_tell_give_no_epsilon(key, value):
    assert epsilon_curve(arguments_of(**{key.replace(".", "__"): value})) is None


def test_no_table_of_the_agent_gives_no_epsilon():
    assert epsilon_curve({"steps": 10, "actrep": 4, "agent_params": "ep=1"}) is None


def dots_of(svg):
    """Return how many dots a chart of returns has, wide and narrow together."""
    return svg.count("<use ")


def test_every_episode_is_a_dot():
    run = run_of()
    few, more = (
        dots_of(returns_chart("returns", evaluation_of(run, episodes=tuple(episodes)), None))
        for episodes in (
            episodes_of("last", [1.0, 2.0, 3.0]),
            episodes_of("last", [1.0, 2.0, 3.0, 3.0, 3.0]),
        )
    )
    assert more - few == 2 * 2


def test_piles_stand_amid_their_values_and_apart():
    assert stacked([5.0, 5.0, -1.0], 2.0) == [(-1, 0), (5, 0), (5, 1)]
    # The second pile, of 2 alone, has to make room for the first.
    assert stacked([0.0, 1.5, 2.0], 2.0) == [(0.75, 0), (0.75, 1), (2.75, 0)]
    values = np.random.default_rng(1).normal(size=500)
    piles = stacked(values.tolist(), 0.1)
    places = np.unique([place for place, _ in piles])
    assert np.diff(places).min() > 0.1 - 1e-9
    assert np.abs(np.array([place for place, _ in piles]) - np.sort(values)).max() <= 0.1
    assert len(piles) == 500


def test_many_equal_returns_are_a_column():
    run = run_of()
    charts = [
        returns_chart(
            "returns", evaluation_of(run, episodes=tuple(episodes_of("last", [5.0] * n))), None
        )
        for n in (100, 200)
    ]
    few, more = map(dots_of, charts)
    assert more == few


def test_lines_that_would_squash_the_returns_are_arrows():
    run = run_of(game="breakout")
    scores = nature_scores()["breakout"]
    for low, names in ((0.0, {"Random", "Human →", "Paper →"}), (900.0, {"Random ←"})):
        record = evaluation_of(run, episodes=tuple(episodes_of("last", [low, low + 11.0])))
        assert names <= names_in(returns_chart("returns", record, scores))
        assert returns_are_beyond(record, scores)
    for rewards in ([0.0, 0.0], [0.0, 300.0]):
        record = evaluation_of(run, episodes=tuple(episodes_of("last", rewards)))
        assert {"Random", "Human", "Paper"} <= names_in(returns_chart("returns", record, scores))
        assert not returns_are_beyond(record, scores)


def names_in(svg):
    """Return what is written in a chart."""
    return set(re.findall(r">([^<>]+)</text>", svg))
