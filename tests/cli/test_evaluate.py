"""``dqn-port evaluate``."""

from __future__ import annotations

import json
import re
import statistics

import pytest

from dqn_port.cli import evaluate
from dqn_port.torch7.t7 import load, save
from tests.cli.running import run, write_pong, write_toy


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    from dqn_port.runs.run import Run
    from dqn_port.systems.lua_dqn.setup import load_options
    from dqn_port.systems.lua_dqn.system import SYSTEM

    folder = tmp_path_factory.mktemp("evaluate")
    opt = load_options(args_file=write_toy(folder, name="t", actrep=2))
    for _ in Run(SYSTEM, opt, folder).train("cpu"):
        pass
    return folder / "t" / "t.t7"


def test_the_same_seed_gives_the_same_bytes(capsys, snapshot, tmp_path):
    words = ["evaluate", snapshot, "--episodes", "3", "--seed", "4", "--json"]
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    first = run(capsys, *words, one)
    assert (first.code, first.err) == (0, "")
    assert run(capsys, *words, other) == first
    assert one.read_bytes() == other.read_bytes()
    words[5] = "5"
    assert run(capsys, *words, other).code == 0
    episodes = [json.loads(path.read_text())["episodes"] for path in (one, other)]
    assert episodes[0] != episodes[1]


def test_games_that_are_repeated_or_not_comparable_are_told(capsys, monkeypatch, tmp_path):
    args = write_pong(tmp_path, steps=20, random_starts=1)
    assert run(capsys, "train", "--args", args, "--out", tmp_path).code == 0
    words = ["evaluate", tmp_path / "t", "--episodes", "3", "--max-frames", "80", "--epsilon"]
    told = (
        "Different episodes: 1 of 3; the others repeat one step by step. A larger --epsilon makes "
        "them differ.\n"
    )
    assert told in run(capsys, *words, "0").out
    random = run(capsys, *words, "1").out
    assert "Different" not in random
    assert random.endswith("before the paper's limit: the mean is not comparable.\n")
    # A whole game of random play has some 3,600 frames.
    monkeypatch.setattr(evaluate, "MAX_FRAMES", 2_000)
    whole = run(capsys, "evaluate", tmp_path / "t", "--episodes", "1", "--max-frames", "0")
    assert whole.out.endswith("than the paper's limit: the mean is not comparable.\n")


@pytest.mark.parametrize("words", [["evaluate", "--steps", "1"], ["play", "--max-frames", "1"]])
def test_what_may_not_be_meant_in_an_argument_file_is_told(capsys, snapshot, tmp_path, words):
    args = write_toy(tmp_path, pool_frms="type=max,size=2")
    result = run(capsys, *words, snapshot, "--args", args)
    assert result.code == 0
    assert result.err == (
        f"dqn-port: {args}: pool_frms.type: the bare name max is nil in Lua, so type is absent and "
        "takes its default\n"
    )


def test_what_is_printed_and_written_is_the_same(capsys, snapshot, tmp_path):
    path = tmp_path / "e.json"
    result = run(capsys, "evaluate", snapshot, "--best", "--episodes", "4", "--json", path)
    assert (result.code, result.err) == (0, "")
    table = json.loads(path.read_text())
    episodes = table["episodes"]
    scores = [episode["reward"] for episode in episodes]
    assert table == {
        "snapshot": str(snapshot),
        "network": "best",
        "game": "toyB",
        "epsilon": 0.05,
        "seed": 1,
        "max_frames": 18000,
        "mean": statistics.fmean(scores),
        "std": statistics.stdev(scores),
        "max": max(scores),
        "episodes": episodes,
        "compare": None,
    }
    assert len(episodes) == 4
    assert all(e["frames"] == 2 * e["steps"] and not e["cut"] for e in episodes)
    lines = result.out.splitlines()
    assert lines[:3] == [
        f"toyB: the best network of {snapshot}, ε 0.05, seed 1",
        "",
        "episode      score    steps    frames",
    ]
    assert [line.split() for line in lines[3:7]] == [
        [str(i), f"{e['reward']:g}", str(e["steps"]), str(e["frames"])]
        for i, e in enumerate(episodes, start=1)
    ]
    assert lines[7:] == [
        "",
        f"mean {table['mean']:.2f} ± {table['std']:.2f} (standard deviation), "
        f"max {table['max']:g}, 4 episodes",
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["e.json"]


def test_steps_play_so_many_agent_steps(capsys, snapshot, tmp_path):
    path = tmp_path / "e.json"
    assert run(capsys, "evaluate", snapshot, "--steps", "300", "--json", path).code == 0
    episodes = json.loads(path.read_text())["episodes"]
    assert 0 < sum(episode["steps"] for episode in episodes) <= 300


def test_too_few_steps_for_an_episode(capsys, snapshot, tmp_path):
    path = tmp_path / "e.json"
    result = run(capsys, "evaluate", snapshot, "--steps", "1", "--json", path)
    assert result.code == 0
    assert result.out.endswith("\nNo episode ended: play more steps.\n")
    table = json.loads(path.read_text())
    assert (table["episodes"], table["mean"], table["std"], table["max"]) == ([], None, None, None)


def test_one_episode_has_no_deviation(capsys, snapshot):
    result = run(capsys, "evaluate", snapshot, "--episodes", "1")
    assert re.search(r"\nmean -?\d+\.\d\d, max -?\d+, 1 episode\n", result.out)
    assert result.out.endswith(", 1 episode\n")


def test_max_frames_cuts_an_episode(capsys, snapshot, tmp_path):
    path = tmp_path / "e.json"
    words = ["evaluate", snapshot, "--episodes", "2", "--json", path]
    result = run(capsys, *words, "--max-frames", "20")
    episodes = json.loads(path.read_text())["episodes"]
    assert [(e["steps"], e["frames"], e["cut"]) for e in episodes] == [(10, 20, True)] * 2
    assert [line.endswith("        20  cut at 20 frames") for line in result.out.splitlines()[3:5]]
    assert result.out.count("  cut at 20 frames\n") == 2
    assert run(capsys, *words, "--max-frames", "0").code == 0
    episodes = json.loads(path.read_text())["episodes"]
    assert all(not e["cut"] and e["frames"] > 20 for e in episodes)


def test_epsilon_of_1_is_random_play_whatever_the_network(capsys, snapshot):
    words = ["evaluate", snapshot, "--episodes", "2", "--epsilon", "1"]
    last, best = run(capsys, *words).out, run(capsys, *words, "--best").out
    assert last.replace("the last", "the best") == best


def test_without_a_best_network_the_last_one_plays_and_this_is_said(capsys, snapshot, tmp_path):
    table = load(snapshot)
    del table["best_model"]
    path = tmp_path / "a.t7"
    save(path, table)
    words = ["--best", "--episodes", "1", "--json", tmp_path / "e.json"]
    result = run(capsys, "evaluate", path, *words)
    assert result.code == 0
    assert result.out.splitlines()[:2] == [
        f"toyB: the last network of {path}, ε 0.05, seed 1",
        "No best network was kept in training, so this is the last one.",
    ]
    assert json.loads((tmp_path / "e.json").read_text())["network"] == "last"


def test_a_snapshot_under_another_name_is_played(capsys, snapshot, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_bytes(snapshot.read_bytes())
    words = ["--episodes", "1"]
    result = run(capsys, "evaluate", "mine", *words)
    assert result.code == 0
    assert (
        result.out.splitlines()[3:]
        == (run(capsys, "evaluate", snapshot, *words).out.splitlines()[3:])
    )


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (
            ["{0}", "--episodes", "1", "--steps", "1"],
            2,
            "--episodes, --steps: expected one of them, got both",
        ),
        (
            ["{0}.no"],
            1,
            "{0}.no: cannot be read: No such file or directory",
        ),
        (["{1}"], 1, "{1}: expected a run's folder, got none with args.json"),
        ([], 2, "RUN, --network: expected one of them, got neither"),
        (["{0}", "--network", "{0}"], 2, "RUN, --network: expected one of them, got both"),
        (
            ["{0}", "--episodes", "0"],
            2,
            "invalid value for '--episodes': 0 is not in the range x>=1; see `dqn-port evaluate "
            "--help`",
        ),
    ],
)
def test_faults(capsys, snapshot, tmp_path, words, code, fault):
    words = [word.format(snapshot, tmp_path) for word in words]
    result = run(capsys, "evaluate", *words)
    assert (result.code, result.out) == (code, "")
    assert result.error == fault.format(snapshot, tmp_path)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("", "{}: cannot be written: it is not a file; what was there is unchanged"),
        ("no/e.json", "--json {}: its folder does not exist; make it first"),
    ],
)
def test_results_that_cannot_be_written(capsys, snapshot, tmp_path, place, why):
    path = tmp_path / place
    result = run(capsys, "evaluate", snapshot, "--episodes", "1", "--json", path)
    assert result.code == 1
    assert result.error == why.format(path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_snapshot(capsys, snapshot, tmp_path):
    path = tmp_path / "a.t7"
    path.write_bytes(snapshot.read_bytes()[:-100])
    result = run(capsys, "evaluate", path)
    assert (result.code, result.out) == (1, "")
    assert result.error.startswith(f"{path}: byte ")
