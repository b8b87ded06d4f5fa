"""The homework's pass mark."""

from __future__ import annotations

import pytest

from dqn_port.systems.practical_rl.final_score import FinalScore, final_score
from dqn_port.systems.practical_rl.system import SYSTEM
from tests.cli.running import run
from tests.systems.practical_rl.running import options
from tests.systems.test_every_system import SMALL


def test_lives_count_times_their_number_and_pass_from_15_on():
    score = FinalScore(per_life=3.0, n_lives=5, cut=2, by_lives=True)
    assert score.passed
    assert list(score.lines()) == [
        "final score: 15.0",
        "mean of 30 lives 3, unclipped, 2 cut by t_max, times 5 lives; passed (at least 15): yes; "
        "by 2023's rule (a life at least 3): yes",
    ]
    assert not FinalScore(per_life=2.9, n_lives=5, cut=0, by_lives=True).passed


def test_episodes_pass_above_300():
    assert not FinalScore(per_life=300.0, n_lives=1, cut=0, by_lives=False).passed
    score = FinalScore(per_life=300.5, n_lives=1, cut=4, by_lives=False)
    assert list(score.lines()) == [
        "final score: 300.5",
        "mean of 30 episodes, 4 cut by t_max; passed (above 300): yes",
    ]


@pytest.mark.parametrize(("environment", "n_lives"), [("CartPole-v1", 1), ("toyA", 3)])
def test_thirty_are_played(environment, n_lives):
    opt = options(environment, n_lives=n_lives, t_max=20)
    score = final_score(opt, SYSTEM.training(opt).agent)
    assert score.n_lives == n_lives
    assert score.by_lives == (environment == "toyA")
    assert score.per_life < 0 if score.by_lives else 8 < score.per_life <= 20
    assert not score.passed


def test_evaluate_prints_it_beside_whole_games(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [f"{key}={value}" for key, value in SMALL["practical_rl"].items() if key != "system"]
    sets = [word for each in [*words, "environment=toyA", "t_max=20"] for word in ("--set", each)]
    assert run(capsys, "train", "--system", "practical_rl", "--name", "it", *sets).code == 0
    result = run(capsys, "evaluate", "artifacts/it", "--episodes", "2", "--homework")
    assert (result.code, result.err) == (0, "")
    first, *_, mean, empty, above, score, told = result.out.splitlines()
    assert first.endswith(", ε 0.05, seed 1")
    assert mean.startswith("mean ")
    assert (empty, score[:13], told[:16]) == ("", "final score: ", "mean of 30 lives")
    assert above == "the mean above: whole games, unclipped, ε 0.05"
    words = ("--episodes", "1", "--homework", "--epsilon", "0")
    result = run(capsys, "evaluate", "artifacts/it", *words)
    assert "the mean above: whole games, unclipped, ε 0\n" in result.out


def test_evaluate_refuses_it_for_other_systems(capsys, tmp_path):
    words = ["--system", "hvass16", "--name", "it", "--out", tmp_path]
    sets = [word for key, value in SMALL["hvass16"].items() if key != "system"
            for word in ("--set", f"{key}={value}")]  # fmt: skip
    assert run(capsys, "train", *words, *sets).code == 0
    result = run(capsys, "evaluate", tmp_path / "it", "--homework")
    assert (result.code, result.err) == (
        2,
        "dqn-port: error: --homework: expected a homework's network, got one of hvass16\n",
    )
