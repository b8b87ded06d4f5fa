"""The report of a suite."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dqn_port.exports.league import league
from dqn_port.exports.report import suite_scores, write_suite_report
from tests.exports.report.building import episodes_of, evaluation_of, run_of, unfinished
from tests.exports.report.reading import charts_of, read_page, texts_of


@pytest.fixture
def path(tmp_path):
    return tmp_path / "suite.html"


def entry(game, seed, rewards, **changes):
    run = run_of(3, game=game, name=f"{game}_{seed}", seed=seed)
    episodes = tuple(episodes_of("last", [0.0]) + episodes_of("best", rewards))
    return run, [evaluation_of(run, episodes=episodes, **changes)]


def write(path, runs, title="Suite"):
    write_suite_report(path, runs, league(suite_scores(runs)), title=title)
    return read_page(path)


RUNS = [
    entry("pong", 1, [9.3]),
    entry("pong", 2, [-20.7]),
    entry("breakout", 1, [401.0]),
    entry("toyB", 1, [5.0]),
]


def test_a_runs_score_is_that_of_its_best_network():
    run = run_of()
    last = evaluation_of(run, episodes=tuple(episodes_of("last", [4.0, 5.0])))
    runs = [(run, [evaluation_of(run), last]), (run, [last]), (run, []), *RUNS[2:]]
    assert suite_scores(runs) == {
        ("pong", "lua_dqn"): [15.0, 4.5],
        ("breakout", "lua_dqn"): [401.0],
        ("toyB", "lua_dqn"): [5.0],
    }


def test_the_league_table(path):
    page = write(path, RUNS, title="A few games")
    assert page.rows[:4] == [
        ["Game", "Mean", "Human-normalised", "± std ofthe seeds",
         "Seeds", "Random", "Human", "Paper", "0100%200%"],
        ["Breakout", "401.0", "1,326.6%", "", "1", "1.7", "31.8", "401.2", ""],
        ["Pong", "−5.7", "50.0%", "21.2", "2", "−20.7", "9.3", "18.9", ""],
        ["toyB", "5.0", "–", "", "1", "", "", "", ""],
    ]  # fmt: skip
    assert "A few games" in page.text
    assert "Human-normalised median 688.3% 95% interval 663.3% to 713.3%" in page.text
    assert "Games 3 4 runs" in page.text
    assert (
        "Mean return of each run's best network; ε 0.05; 1 episode a run; at most 18,000 frames "
        "an episode; up to 30 null actions at its start; no action is repeated at random (sticky "
        "actions off)."
    ) in page.text
    bars = [a["style"] for a in page.all("i")] + [a["style"] for a in page.all("b")]
    assert bars == ["width: 100%", "width: 25%", "left: 100%", "left: 66%"]


def test_the_aggregates_have_intervals_and_the_papers_beside(path):
    page = write(path, RUNS)
    rows = [row for row in page.rows if len(row) == 4]
    assert [row[0] for row in rows] == [
        "Human-normalised",
        "Median over the games",
        "Interquartile mean over the runs",
    ]
    # Between 50 % in Pong and 1326.6 % in Breakout; the paper's 132 % and 1327.2 %.
    assert (rows[1][1], rows[1][3]) == ("688.3%", "729.6%")
    assert " to " in rows[1][2]
    assert "Over 2 games of the paper" in page.text
    assert (
        "Intervals: 95%, from a bootstrap over seeds; with fewer than three seeds a game they say "
        "little."
    ) in page.text


def test_runs_of_several_systems_are_told_apart(path):
    (run, evaluations), *others = RUNS
    page = write(path, [*others, (replace(run, system="labml_dqn"), evaluations)])
    assert "Pong labml_dqn, seed 1 lua_dqn, seed 2" in page.text
    assert page.rows[0][:3] == ["Game", "System", "Mean"]
    assert [row[:3] for row in page.rows[1:5]] == [
        ["Breakout", "lua_dqn", "401.0"],
        ["Pong", "labml_dqn", "9.3"],
        ["Pong", "lua_dqn", "−20.7"],
        ["toyB", "lua_dqn", "5.0"],
    ]
    assert "Over 3 rows of the paper's games" in page.text
    assert "The annotated PyTorch DQN of labml-nn 0.4.103 (2020–21)." in page.text


def test_steps_of_different_kinds_are_not_added(path):
    page = write(path, RUNS)
    assert "Trained 3M steps 3 h of training, all runs together" in page.text
    (run, evaluations), *others = RUNS
    clock = replace(run.table.column(run.table.clock), heading="updates")
    columns = tuple(clock if c.name == clock.name else c for c in run.table.columns)
    counted = replace(run, table=replace(run.table, columns=columns))
    page = write(path, [*others, (counted, evaluations)])
    assert "Training time 3 h all runs together" in page.text
    assert "Trained" not in page.text


def test_every_game_has_its_curves_a_line_a_seed(path):
    page = write(path, RUNS)
    charts = charts_of(path)
    assert [chart.get("aria-label") for chart in charts] == [
        f"Learning curves of {game}, one line per seed" for game in ("breakout", "pong", "toyB")
    ]
    assert "Human" in texts_of(charts[1])
    assert "Human" not in texts_of(charts[2])
    assert "Breakout seed 1 Pong seed 1 seed 2 toyB seed 1" in page.text
    before = path.read_bytes()
    write(path, RUNS[::-1])
    assert path.read_bytes() == before


def test_the_same_runs_give_the_same_bytes(path):
    write(path, RUNS)
    first = path.read_bytes()
    write(path, RUNS)
    assert path.read_bytes() == first


def test_what_is_missing_or_not_comparable_is_told(path):
    silent = (unfinished(run_of(0, name="begun", seed=9)), [])
    page = write(path, [entry("pong", 1, [3.0], epsilon=0.01), silent])
    assert "Not comparable with the paper, Pong: the paper's evaluations use ε 0.05." in page.text
    assert "Without a recorded evaluation: begun." in page.text
    assert "There is no interval with one seed a game." in page.text
    assert "seed 9 (unfinished)" in page.text
    assert page.rows[1][2] == "79.0%*"


def test_a_suite_without_evaluations(path):
    page = write(path, [(unfinished(run_of(0)), [])])
    assert "No evaluation was recorded, so there is no score." in page.text
    assert "No evaluation in training yet, or none in which an episode ended." in page.text
    assert page.rows == []


def test_runs_are_linked_where_their_reports_lie_beside(path, tmp_path):
    runs = []
    for seed, name in ((1, "a b"), (2, "c")):
        run, (evaluation,) = entry("pong", seed, [3.0])
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        runs.append((run, [replace(evaluation, folder=folder / "evaluation-x1")]))
    (tmp_path / "runs" / "a b" / "report-x1.html").write_text("<p>mine</p>")
    page = write(path, runs)
    assert [link["href"] for link in page.all("a")] == ["runs/a%20b/report-x1.html"]


def test_a_score_beyond_the_scale_has_an_arrow(path):
    said = "An arrow marks a score off the scale."
    run, evaluations = entry("breakout", 1, [1.0])
    low = np.array([0.5, 1.0, 2.0])
    page = write(path, [(replace(run, history={**run.history, "reward": low}), evaluations)])
    (chart,) = charts_of(path)
    assert {"Random", "Human ↑", "Paper ↑"} <= set(texts_of(chart))
    assert said in page.text
    page = write(path, RUNS[:2])
    assert not any("↑" in text or "↓" in text for c in charts_of(path) for text in texts_of(c))
    assert said not in page.text
