"""Reports of snapshots alone: what they do not tell is neither drawn nor said."""

from __future__ import annotations

import pytest

from dqn_port.exports.league import league
from dqn_port.exports.report import suite_scores, write_report, write_suite_report
from dqn_port.systems.lua_dqn.old_runs import read_old_run
from dqn_port.torch7 import save
from tests.exports.report.building import run_of
from tests.exports.report.reading import charts_of, texts_of
from tests.exports.report.reading import read_page as read
from tests.systems.lua_dqn.test_old_runs import ARGUMENTS, LISTS


@pytest.fixture
def page(tmp_path):
    """Return what writes the report of a snapshot of some fields, and reads it."""

    def write(**fields):
        save(tmp_path / "old.t7", fields)
        path = tmp_path / "old.html"
        write_report(path, read_old_run(tmp_path / "old.t7"), [])
        return read(path), [chart.get("aria-label") for chart in charts_of(path)][::2]

    return write


def test_what_it_tells_is_shown(page):
    found, charts = page(arguments=ARGUMENTS | {"agent_params": {"lr": 0.5}}, **LISTS)
    assert "DQN: a training and its results, from its snapshot alone" in found.text
    assert "Breakout old · seed 1 Best evaluation 31" in found.text
    assert (
        "Trained 750k steps 3M frames Training time 5 min 30 s 2,273 steps a second" in found.text
    )
    assert (
        "Mean return of the episodes that ended within each of 3 evaluations: 2 to 4 episodes. The "
        "ring marks the best, whose network was kept."
    ) in found.text
    assert charts == [
        "Score of 3 evaluations in training, against frames",
        "Score of the evaluations in training against frames, closer",
        "V of the held-out states against frames",
        "Mean absolute TD error against frames",
        "Qmax against frames",
    ]
    assert (
        "2 options of this run differ from those of DQN3_0_1, the program of the paper; all others "
        "in the file are equal."
    ) in found.text
    assert [row[:2] for row in found.rows if len(row) == 3][1:] == [
        ["agent_params.lr", "0.5"],
        ["steps", "750,000"],
    ]
    for word in ("unfinished", "training with ε", "nan"):
        assert word not in found.text


def test_without_arguments_it_is_drawn_against_the_evaluations_numbers(page):
    found, charts = page(**LISTS)
    assert "Unknown game old Best evaluation 31" in found.text
    assert charts == [
        "Score of 3 evaluations in training, against evaluations",
        "V of the held-out states against evaluations",
        "Mean absolute TD error against evaluations",
        "Qmax against evaluations",
    ]
    assert "None of those in the file." in found.text
    assert "seed" not in found.text
    assert "Trained" not in found.text


def test_one_list_alone(page):
    found, charts = page(v_history=[0.5, 0.25], arguments={"env": "pong"})
    assert "The file does not hold the scores of its 2 evaluations." in found.text
    assert charts == ["V of the held-out states against evaluations"]
    found, charts = page(reward_history=[3.5])
    assert (
        "Mean return of the episodes that ended within the one evaluation. The ring" in found.text
    )
    assert charts == ["Score of 1 evaluation in training, against evaluations"]


def test_several_have_a_league_page_of_their_own_and_with_whole_runs(tmp_path):
    runs = []
    for name, arguments in (("first", ARGUMENTS), ("second", ARGUMENTS), ("third", {})):
        save(tmp_path / f"{name}.t7", LISTS | {"arguments": arguments})
        runs.append((read_old_run(tmp_path / f"{name}.t7"), []))
    runs.append((run_of(game="breakout", name="mine"), []))
    path = tmp_path / "suite.html"
    write_suite_report(path, runs, league(suite_scores(runs)), title="Old ones")
    found = read(path)
    assert (
        "Mean return of the evaluations in training in which an episode ended, one line per seed, "
        "against evaluations and frames."
    ) in found.text
    assert "Unknown game third Breakout first seed 1 second" in found.text
    assert "Without a recorded evaluation: first, mine, second and third." in found.text
    unknown, breakout = charts_of(path)
    assert "evaluations" in texts_of(unknown)
    assert "frames" in texts_of(breakout)
