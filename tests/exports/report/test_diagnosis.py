"""A diagnosis as a page, and in a run's report."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.exports.report import write_diagnosis, write_report
from dqn_port.exports.report.diagnosis import value
from dqn_port.tools.diagnosis import diagnose
from tests.exports.report.building import evaluation_of, run_of
from tests.exports.report.reading import charts_of, read_page, texts_of
from tests.tools.scripted import convolved, player_of, step_of

STEPS = [
    step_of(0, [1.0, -2.0], 3.0, learnt=1.0, lives=2, convolve=convolved),
    step_of(1, [0.5, 0.25], 0.0, learnt=0.0, lives=1, terminal=True),
    step_of(2, [0.5, 0.75], -1.0, "game", learnt=-1.0, lives=0, done=1),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "values.html"


def made(steps=STEPS, episodes=1, **more):
    told = {"discount": 0.5, "actions": ("LEFT", "FIRE")} | more
    return diagnose(player_of(steps, **told), seed=4, episodes=episodes)


def page_of(path, diagnosis, **more):
    write_diagnosis(path, diagnosis, game="pong", name="mine", **({"run": None} | more))
    return read_page(path)


def test_what_was_played_and_compared_is_told(path):
    text = page_of(path, made()).text
    # Returns 1 + 0.5·0, 0, −1; values 1, 0.5, 0.75.
    assert (
        "The last network played 1 episode, 3 steps in all, with ε 0.25 and seed 4. V, the "
        "value of the best action, is compared with the return that came: rewards as they are "
        "learnt, discounted by 0.5 a step, up to what training takes for an end. Over 3 steps V "
        "averages 0.750, the return 0.000; they differ by 0.750 on average; correlation 0.500."
    ) in text
    assert "Raw returns, the game's own rewards undiscounted: 2." in text
    assert "Hollow" not in text
    assert "Written by dqn-port diagnose ." in text


def test_states_have_their_actions_by_name_and_their_place(path):
    text = page_of(path, made()).text
    assert "The values differ most" in text
    assert "LEFT 1.000 FIRE −2.000" in text
    assert (
        "Episode 1, after 0 of 3 steps (0%): V 1.000 · spread 3.000 · return 1.000 · TD error "
        "0.250 · reward 3."
    ) in text
    assert "Before a lost life" in text
    assert "No life was lost" not in text


def test_pictures_and_convolutions_are_in_the_page(path):
    page = page_of(path, made())
    images = page.all("img")
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)
    assert {"picture", "Outputs of conv1", "Kernels of conv1"} == {i["alt"] for i in images}
    kernels = next(image for image in images if image["alt"] == "Kernels of conv1")
    # Five numbers wide, and enlarged by a whole number.
    assert (kernels["width"], kernels["height"]) == ("1000", "200")
    assert "Full colour at ± 2; min −2.00000, max 1.00000, mean −0.12500, sd 1.13880." in page.text


def test_numbers_that_were_seen_are_told(path):
    steps = [step_of(0, [1.0], 1.0, "game", seen={"state": np.array([0.25, -12.5])})]
    assert "state 0.250, −12.5" in page_of(path, made(steps)).text
    many = [step_of(0, [1.0], 1.0, "game", seen={"state": np.zeros(20)})]
    assert f"state {', '.join(['0.000'] * 16)}, …" in page_of(path, made(many)).text


def test_the_scatter_has_the_line_on_which_both_are_equal(path):
    page_of(path, made())
    wide, narrow = charts_of(path)
    alt = "Values of 3 states against their returns; equal on the dashed line"
    assert wide.get("aria-label") == narrow.get("aria-label") == alt
    assert {"return, discounted", "value V"} <= set(texts_of(wide))


def test_what_cannot_be_told_is_said(path):
    steps = [step_of(0, [1.0, 2.0], 0.0), step_of(1, [1.0, 2.0], 0.0, "game")]
    text = page_of(path, made(steps, discount=None, actions=())).text
    for line in (
        "The system does not tell its discount, so there are no returns to compare with and no TD "
        "errors.",
        "The system does not name its actions, so they are numbered.",
        "No step earned a reward.",
        "No life was lost, or the system does not tell.",
        "The network has no convolutions, or the system does not show them.",
    ):
        assert line in text
    assert "action 0 1.000 action 1 2.000" in text
    text = page_of(path, made(steps)).text
    assert "The system does not tell how rewards are learnt; they are the game's own." in text
    assert "came: the game's own rewards, discounted" in text


def test_cut_and_equal_episodes_are_said(path):
    cut = [step_of(0, [1.0], 1.0), step_of(1, [1.0], 1.0, "limit")]
    text = page_of(path, made(cut, episodes=2)).text
    assert (
        "2 of 2 episodes were cut before the game's end: the value of the last state stands in "
        "for what would have come, and that state is left out."
    ) in text
    assert (
        "Different episodes: 1 of 2; the others repeat one step by step. A larger --epsilon makes "
        "them differ."
    ) in text
    assert "Hollow: the episode was cut, and the return ends in" in text
    assert "The episode was cut" in page_of(path, made(cut)).text


def test_the_runs_histories_are_drawn_too(path):
    page = page_of(path, made(), run=run_of())
    assert "During training" in page.text
    assert "Value of the held-out states" in page.text


def test_many_actions_are_shown_in_part(path):
    steps = [step_of(0, [*map(float, range(30))], 1.0, "game", done=2)]
    text = page_of(path, made(steps, actions=())).text
    assert "12 more actions." in text
    assert "action 2 2.000 action 13 13.0 action 14 14.0" in text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.5371, "0.537"), (-12.34, "−12.3"), (101.47, "101.5"), (-1e6, "−1e+06"), (None, "–")],
)
def test_values_are_written_with_as_many_digits_as_they_need(number, text):
    assert value(number) == text


def test_a_report_has_the_first_diagnosis(path):
    run, diagnosis = run_of(), made()
    write_report(path, run, [evaluation_of(run), evaluation_of(run, diagnosis=diagnosis)])
    assert "Values and returns" in read_page(path).text
    write_report(path, run, [evaluation_of(run)])
    assert "Values and returns" not in read_page(path).text


HOSTILE = "<script>alert('x')</script>\"' onload=x </style></svg>]]>{{ 1 }}&amp;"


def test_what_strangers_tell_is_text(path):
    def told(text):
        steps = [step_of(0, [1.0, 2.0], 1.0, "game", seen={text: np.zeros((2, 2))})]
        return made(steps, actions=(text, text))

    write_diagnosis(path, told("harmless"), game="g", name="n", run=None)
    harmless = read_page(path)
    write_diagnosis(path, told(HOSTILE), game=HOSTILE, name=HOSTILE, run=None)
    page = read_page(path)
    assert "<script" not in path.read_text(encoding="utf-8")
    assert page.shape == harmless.shape
    assert HOSTILE[:30] in page.text
