"""The report of one run."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqn_port.errors import RunFolderError
from dqn_port.exports.report import write_report
from tests.exports.report.building import (
    clip_of,
    episodes_of,
    evaluation_of,
    run_of,
    seen_of,
    unfinished,
)
from tests.exports.report.reading import charts_of, read_page, texts_of


@pytest.fixture
def path(tmp_path):
    return tmp_path / "report.html"


def with_history(run, **columns):
    return replace(run, history={**run.history, **columns})


def test_the_headline_figures(path):
    run = run_of()
    write_report(path, run, [evaluation_of(run)])
    text = read_page(path).text
    # (15 + 20.7) / (9.3 + 20.7)
    assert "Pong mine · seed 1 Best network 15.0 ± 3.0 mean ± std of 3 episodes" in text
    assert "Last network 6.0 ± 3.6 mean ± std of 3 episodes" in text
    assert "Human-normalised 119.0% best network; 0% random, 100% human" in text
    assert "Trained 1M steps 4M frames Training time 1 h 278 steps a second" in text


def test_the_same_run_gives_the_same_bytes(path, tmp_path):
    run = run_of()
    evaluation = evaluation_of(run, clip=clip_of(), seen=seen_of())
    write_report(path, run, [evaluation])
    write_report(tmp_path / "again.html", run, [evaluation])
    assert path.read_bytes() == (tmp_path / "again.html").read_bytes()
    read_page(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.html", "report.html"]


def test_the_score_stands_beside_random_human_and_paper(path):
    run = run_of()
    write_report(path, run, [])
    wide, narrow = [c for c in charts_of(path) if c.get("aria-label", "").startswith("Score")]
    assert {"Random −20.7", "Human 9.3", "Paper 18.9", "frames of training"} <= set(texts_of(wide))
    assert {"Random", "Human", "Paper", "0", "4M"} <= set(texts_of(narrow))
    page = read_page(path)
    assert (
        "Mean return of the episodes that ended within each of 4 evaluations: 11 to 14 episodes "
        "in 125,000 steps with ε 0.05. The ring marks the best, whose network was kept."
    ) in page.text
    assert "Hollow" not in page.text
    assert (
        "Random play (−20.7), a human tester (9.3) and the paper's agent (18.9): over episodes of"
    ) in page.text


CLOSER = "Score of the evaluations in training against frames, closer"


def test_a_score_that_the_lines_squash_is_drawn_closer(path):
    run = with_history(run_of(), reward=np.array([-20.5, -20.0, -20.25, 0.0]))
    run = with_history(run, episodes=np.array([2, 3, 2, 0]))
    write_report(path, run, [])
    closer = [chart for chart in charts_of(path) if chart.get("aria-label") == CLOSER]
    # The hollow point, of no episode, is not in it.
    assert [text for text in texts_of(closer[0]) if text.startswith("−")] == [
        "−20.4",
        "−20.2",
        "−20",
    ]
    assert "Close-up The same scores on a scale of their own." in read_page(path).text
    for reward in ([-20.0] * 4, [-20.5, -10.0, 0.0, 10.0]):
        write_report(path, with_history(run_of(), reward=np.array(reward)), [])
        assert CLOSER not in [chart.get("aria-label") for chart in charts_of(path)]
    # Without lines there is nothing that squashes.
    write_report(path, replace(run, game="toyB"), [])
    assert CLOSER not in [chart.get("aria-label") for chart in charts_of(path)]


def test_every_curve_is_drawn_for_a_wide_page_and_for_a_phone(path):
    run = run_of()
    write_report(path, run, [evaluation_of(run)])
    labels = [chart.get("aria-label") for chart in charts_of(path)]
    assert labels == [
        label
        for label in (
            "Score of 4 evaluations in training, against frames",
            "V of the held-out states against frames",
            "Mean absolute TD error against frames",
            "ε of training against frames",
            "Frames a second in training and evaluation, against frames of training",
            "Returns of the 6 episodes, by network",
        )
        for _ in range(2)
    ]
    text = read_page(path).text
    assert "Qmax is not drawn: as in the original, it is always 1." in text


def test_a_qmax_that_changes_is_drawn(path):
    run = with_history(run_of(), qmax=np.arange(4.0))
    write_report(path, run, [])
    assert "Qmax against frames" in [chart.get("aria-label") for chart in charts_of(path)]
    assert "Qmax is not drawn" not in read_page(path).text


def test_the_evaluation_is_told_as_it_was(path):
    run = run_of()
    write_report(path, run, [evaluation_of(run)])
    page = read_page(path)
    assert (
        "Played with ε 0.05; 3 episodes a network, evaluation seed 1; at most 18,000 frames an "
        "episode; up to 30 null actions at its start; sticky actions off "
        "(repeat_action_probability 0)."
    ) in page.text
    assert page.rows[:7] == [
        ["Network", "Mean", "± std", "Human-normalised", "Median", "Lowest", "Highest",
         "Episodes", "Steps each"],
        ["best", "15.0", "3.0", "119.0%", "15.0", "12", "18", "3", "500"],
        ["last", "6.0", "3.6", "89.0%", "5.0", "3", "10", "3", "500"],
        ["best − last", "9.0", "", "", "10.0", "", "", "", ""],
        ["Paper's DQN", "18.9", "1.3", "132.0%", "", "", "", "30", ""],
        ["Human", "9.3", "", "100.0%", "", "", "", "", ""],
        ["Random", "−20.7", "", "0.0%", "", "", "", "", ""],
    ]  # fmt: skip
    assert "3 episodes a network: a rough figure; the paper's agent played 30." in page.text
    assert "cut" not in page.text
    assert "Not comparable" not in page.text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epsilon": 0.01}, "the paper's evaluations use ε 0.05"),
        ({"random_starts": 0}, "the paper's episodes start with up to 30 null actions"),
        (
            {"max_frames": 2000, "episodes": tuple(episodes_of("last", [3.0], cut=1))},
            "episodes were cut before the paper's limit of 18,000 frames",
        ),
        (
            {
                "max_frames": 0,
                "episodes": tuple(
                    replace(e, steps=5000, frames=20_000) for e in episodes_of("last", [3.0])
                ),
            },
            "an episode is longer than the paper's limit of 18,000 frames",
        ),
    ],
)
def test_what_cannot_be_compared_is_not(path, changes, reason):
    run = run_of()
    write_report(path, run, [evaluation_of(run, **changes)])
    page = read_page(path)
    assert f"Not comparable with the paper: {reason}." in page.text
    assert "Human-normalised" not in page.text.split("Score in training")[0]
    assert all("%" not in cell for row in page.rows for cell in row)
    assert "Paper's DQN" not in page.text


def test_other_ways_to_play_are_told(path):
    run = run_of()
    episodes = [replace(e, seed=s) for s in (1, 2) for e in episodes_of("best", [2.0, 4.0], cut=1)]
    changes = {"seeds": (1, 2), "max_frames": 0, "random_starts": 0, "rom_md5": None}
    write_report(path, run, [evaluation_of(run, episodes=tuple(episodes), **changes)])
    page = read_page(path)
    assert (
        "Played with ε 0.05; 2 episodes a network for each evaluation seed, 1 and 2; no limit on "
        "an episode's length; no null actions at its start; no action is repeated at random."
    ) in page.text
    assert (
        "2 episodes of the best network were cut at the limit; the score until then counts."
    ) in page.text
    assert "best − last" not in page.text


def test_another_snapshot_is_told(path):
    run = run_of()
    write_report(path, run, [evaluation_of(run, snapshot_sha256="ef" * 32)])
    assert ("It was played with a snapshot other than the one this run ended with.") in read_page(
        path
    ).text


def test_several_evaluations_have_a_section_each(path):
    run = run_of()
    other = evaluation_of(run, epsilon=0.01, episodes=tuple(episodes_of("last", [1.0])))
    write_report(path, run, [evaluation_of(run), other])
    text = read_page(path).text
    assert text.index("Evaluation 1 Played with ε 0.05;") < text.index(
        "Evaluation 2 Played with ε 0.01;"
    )
    assert "Best network 15.0" in text


def test_the_clip_and_what_the_agent_sees_are_in_the_page(path):
    run = run_of()
    evaluation = evaluation_of(run, clip=clip_of(episode=5), seen=seen_of())
    write_report(path, run, [evaluation])
    page = read_page(path)
    clip, screen = page.all("img")
    assert clip["src"].startswith("data:image/webp;base64,")
    assert evaluation.clip is not None
    assert base64.b64decode(clip["src"].split(",")[1]) == evaluation.clip.video.content
    assert (clip["width"], clip["height"]) == ("16", "21")
    # Who wants no motion sees the screen of one moment.
    (still,) = page.all("source")
    assert still["media"] == "(prefers-reduced-motion: reduce)"
    assert still["srcset"] == screen["src"]
    frames = [a for a in page.all("div") if a.get("aria-label", "").startswith("Frame ")]
    assert [a["aria-label"] for a in frames] == [f"Frame {i} of 4" for i in (1, 2, 3, 4)]
    assert (
        "The best network, evaluation seed 1, ε 0.05: return 18, the highest of 3 episodes. "
        "The whole episode, 0 s, in the game's own time."
    ) in page.text
    assert (
        "The game's screen after 58 steps of the clip's episode, 16 × 21 in colour; then the "
        "agent's state at that step: 4 frames of 84 × 84 bytes, the oldest first, one every 4 "
        "emulator frames."
    ) in page.text


def test_planes_that_are_no_frames_are_named(path):
    run = run_of()
    seen = replace(seen_of(frames=2), labels=("image", "motion trace"))
    write_report(path, run, [evaluation_of(run, clip=clip_of(), seen=seen)])
    page = read_page(path)
    assert "agent's state at that step: image, motion trace; 84 × 84 bytes each." in page.text
    labels = [a["aria-label"] for a in page.all("div") if a.get("role") == "img"]
    assert labels == ["image", "motion trace"]


PAPER = (
    "Paper: Mnih et al., Human-level control through deep reinforcement learning, Nature 518 "
    "(2015); random, human and DQN scores from its Extended Data Table 2."
)


@pytest.mark.parametrize(
    ("system", "game", "cited"),
    [
        ("lua_dqn", "pong",
         f"DQN 3.0, the program of Mnih et al. (2015), in Lua and Torch7. {PAPER}"),
        ("labml_dqn", "toyA", "The annotated PyTorch DQN of labml-nn 0.4.103 (2020–21)."),
        ("hvass16", "breakout",
         f"Magnus Erik Hvass Pedersen's TensorFlow tutorial 16 (2017). {PAPER}"),
    ],
)  # fmt: skip
def test_what_the_system_is_is_cited(path, system, game, cited):
    run = replace(run_of(game=game), system=system, arguments={})
    write_report(path, run, [])
    footer = read_page(path).text.partition("Written by dqn-port report")[2]
    assert footer.lstrip(" .") == cited


def test_a_clip_that_shows_a_part_says_so(path):
    run = run_of()
    evaluation = evaluation_of(run, clip=clip_of(episode=4, whole=False))
    write_report(path, run, [evaluation])
    assert (
        "The best network, evaluation seed 1, ε 0.05: return 15. Its first 0 s of 33 s, "
        "in the game's own time."
    ) in read_page(path).text
    episodes = tuple(episodes_of("last", [3.0], cut=1))
    write_report(path, run, [evaluation_of(run, clip=clip_of(), episodes=episodes)])
    assert (
        "The last network, evaluation seed 1, ε 0.05: return 3. All of it, 0 s, cut at the "
        "limit, in the game's own time."
    ) in read_page(path).text


def test_an_episode_like_all_others_is_not_called_the_highest(path):
    run = run_of()
    evaluation = evaluation_of(run, clip=clip_of(), episodes=tuple(episodes_of("last", [3.0] * 3)))
    write_report(path, run, [evaluation])
    text = read_page(path).text
    assert (
        "The last network, evaluation seed 1, ε 0.05: return 3, as in all 3 episodes. The whole"
        in text
    )


def test_a_single_episode_has_no_spread(path):
    run = run_of()
    write_report(path, run, [evaluation_of(run, episodes=tuple(episodes_of("last", [3.0])))])
    text = read_page(path).text
    assert "Last network 3.0 1 episode Human" in text
    assert "1 episode a network: a rough figure; the paper's agent played 30." in text
    episodes = tuple(episodes_of("last", [3.0] * 10))
    write_report(path, run, [evaluation_of(run, episodes=episodes)])
    assert "a rough figure" not in read_page(path).text


def test_a_state_of_one_frame(path):
    run = run_of()
    write_report(path, run, [evaluation_of(run, seen=seen_of(frames=1))])
    assert "1 frame of 84 × 84 bytes" in read_page(path).text


def test_without_evaluations_the_page_says_how_to_get_one(path):
    write_report(path, run_of(), [])
    text = read_page(path).text
    assert "Best evaluation 11.0 in training" in text
    assert (
        "None recorded. dqn-port record plays the run's networks and keeps scores, a clip and "
        "what the agent sees."
    ) in text


def test_a_run_that_has_just_begun(path):
    write_report(path, unfinished(run_of(0)), [])
    page = read_page(path)
    assert "unfinished" in page.text
    assert "Score in training There was no evaluation in training yet." in page.text
    assert "Trained 0 steps 0 frames" in page.text
    assert charts_of(path) == []
    write_report(path, run_of(0), [])
    assert "Score in training There was no evaluation in training." in read_page(path).text


def test_one_evaluation_in_training(path):
    write_report(path, unfinished(run_of(1)), [])
    assert (
        "Mean return of the episodes that ended within the one evaluation: 11 episodes in"
    ) in read_page(path).text


def test_evaluations_in_which_no_episode_ended_are_hollow(path):
    write_report(path, with_history(run_of(3), episodes=np.array([0, 2, 0])), [])
    text = read_page(path).text
    assert "Hollow: no episode ended in 2 evaluations; the original counts that as 0." in text
    write_report(path, with_history(run_of(2), episodes=np.zeros(2, dtype=int)), [])
    text = read_page(path).text
    assert "0 episodes in 125,000 steps with ε 0.05, too few for an episode." in text
    assert "The ring" not in text
    assert "Best evaluation" not in text


def test_a_game_the_paper_does_not_know(path):
    run = run_of(game="toyB")
    write_report(path, run, [evaluation_of(run, rom_md5=None)])
    page = read_page(path)
    assert "Human-normalised" not in page.text.split("Score in training")[0]
    assert "Not comparable" not in page.text
    assert all("Human" not in texts_of(chart) for chart in charts_of(path))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
def test_numbers_that_cannot_be_drawn_are_left_out(path, value):
    run = run_of()
    for rows in (slice(1, 2), slice(None)):
        columns = {}
        for column in ("reward", "v", "td", "training_rate", "testing_rate"):
            columns[column] = np.array(run.history[column], dtype=np.float64)
            columns[column][rows] = value
        write_report(path, with_history(run, **columns), [])
        read_page(path)
        assert charts_of(path)


@pytest.mark.parametrize("value", [None, 10**400, {"a": {"b": []}}], ids=["nil", "huge", "table"])
def test_arguments_of_any_kind(path, value):
    run = run_of(1)
    params = run.arguments["agent_params"]
    about = run.about | {"training_seconds": value, "device": value}
    for changes in (
        dict.fromkeys(("steps", "eval_steps", "actrep", "agent_params"), value),
        {"agent_params": params | dict.fromkeys(("ep", "ep_endt", "learn_start"), value)},
    ):
        write_report(path, replace(run, arguments=run.arguments | changes, about=about), [])
        read_page(path)


def test_what_differs_from_the_paper_is_told(path):
    run = run_of()
    run = replace(run, arguments=run.arguments | {"seed": 7, "threads": 1, "steps": 50_000_000})
    write_report(path, run, [])
    page = read_page(path)
    assert [row for row in page.rows if row[0] in ("seed", "threads")] == [
        ["seed", "7", "1"],
        ["threads", "1", "4"],
    ]
    assert (
        "2 options of this run differ from those of DQN3_0_1, the program of the paper; all "
        "others are equal. Those in gray, at the end, change no result."
    ) in page.text
    write_report(path, replace(run, arguments=run.arguments | {"seed": 1, "threads": 4}), [])
    assert "None: they are those of DQN3_0_1, the program of the paper." in read_page(path).text


def test_the_environment_is_told(path):
    run = run_of()
    other = evaluation_of(run, versions={"python": "3.13.0"})
    write_report(path, run, [other])
    rows = [row for row in read_page(path).rows if len(row) == 2]
    assert rows == [
        ["Game", "pong"],
        ["ROM, md5", "60e0ea3cbe0913d39803477945e9e5ec"],
        ["Arguments, hash", "0123456789"],
        ["Seed", "1"],
        ["Device", "cpu"],
        ["Threads", "4"],
        ["Platform", "Linux x86_64"],
        ["Finished", "2026-02-03T04:05:06+00:00"],
        ["Versions", "python 3.11.7, torch 2.13.0, zlib 1"],
        ["Versions in evaluation", "python 3.13.0"],
    ]
    snapshot = Path("artifacts/mine/mine.t7")
    write_report(path, replace(unfinished(run), snapshot=snapshot), [])
    rows = [row for row in read_page(path).rows if len(row) == 2]
    assert rows == [["Game", "pong"], ["Seed", "1"], ["Snapshot", "mine.t7"]]


def test_a_page_that_cannot_be_written(tmp_path):
    path = tmp_path / "none" / "report.html"
    with pytest.raises(RunFolderError) as error:
        write_report(path, run_of(1), [])
    assert str(error.value) == (
        f"{path}: cannot be written: its folder does not exist; make it first"
    )
