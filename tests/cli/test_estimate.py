"""``dqn-port estimate``, and the line of ``train`` about a long run."""

from __future__ import annotations

import itertools
import re
import types

import pytest

from dqn_port.cli import progress
from dqn_port.cli.progress import LongRun
from dqn_port.events import EpisodeEnded, Ticked
from dqn_port.tools import estimate
from tests.cli.running import run, write_pong, write_toy
from tests.comparing import assert_same_runs
from tests.systems.test_every_system import SMALL, args_of


@pytest.fixture
def ten_ms(monkeypatch):
    """A clock that goes on by 10 ms whenever it is read: once a tick."""
    clock = itertools.count().__next__
    monkeypatch.setattr(
        estimate, "time", types.SimpleNamespace(perf_counter=lambda: 0.01 * clock())
    )


def test_pong_is_estimated_by_phases(capsys, monkeypatch, tmp_path, ten_ms):
    args = write_pong(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = run(capsys, "estimate", "--args", args, "--length", "1000000")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    # 80 steps are played before learning; 6,250 evaluations have 40 steps each.
    assert lines[:7] == [
        "lua_dqn, pong: 1,000,000 agent steps, on cpu",
        "",
        "phase         times  ms each  hours",
        "playing          80    10.00  0.000",
        "learning    999,920    10.00   2.78",
        "evaluating  250,000    10.00  0.694",
        "together                       3.47",
    ]
    assert re.fullmatch(r"memory  [\d.,]+ [MG]B, once the replay memory is full", lines[8])
    disk = re.fullmatch(
        r"disk    ([\d.]+) MB: networks ([\d.]+) MB, tables up to ([\d.]+) MB, a checkpoint up to "
        r"([\d.]+) MB",
        lines[9],
    )
    assert disk is not None, lines[9]
    whole, networks, tables, checkpoint = map(float, disk.groups())
    assert whole == pytest.approx(networks + tables + checkpoint, abs=0.2)
    # A row of some 100 bytes an evaluation.
    assert 0.4 < tables < 1.5
    assert lines[10] == f"        and {disk[4]} MB more while a checkpoint replaces another"
    # Nothing of it is kept.
    assert [path.name for path in tmp_path.iterdir()] == ["pong.json"]


@pytest.mark.parametrize("name", SMALL)
def test_every_system_learns_at_once_to_be_measured(capsys, tmp_path, ten_ms, name):
    result = run(capsys, "estimate", "--args", args_of(name, tmp_path))
    assert (result.code, result.err) == (0, "")
    rows = [line.split() for line in result.out.split("\n\n")[1].splitlines()[1:-1]]
    expected = {
        "lua_dqn": {"playing": 40, "learning": 80, "evaluating": 260},
        "simple_dqn": {"random": 60, "train": 60, "test": 160},
        # Of 8 updates the first two fill the buffer.
        "labml_dqn": {"playing": 16, "learning": 12},
        # Three calls of four steps, and steps 0 to 12; two evaluations of 3 games of 100 steps.
        "practical_rl": {"filling": 12, "training": 13, "evaluating": 600},
    }
    times = {row[0]: int(row[1].replace(",", "")) for row in rows}
    if name == "hvass16":
        assert times.keys() == {"playing", "learning", "evaluating"}
        # A burst has ten epochs at most, of 10 states ÷ 8 rounded down, after 10 states.
        assert 0.1 <= times["learning"] / times["playing"] <= 1.3
        assert result.out.startswith("hvass16, toyA: no known end, so 1,000,000 states, on cpu")
    else:
        assert expected[name].items() <= times.items()
    assert "?" not in result.out


def test_a_phase_that_did_not_come_up_is_said(capsys, monkeypatch, tmp_path, ten_ms):
    monkeypatch.setattr(estimate.estimate, "__kwdefaults__", {"device": "cpu", "seconds": 1.0})
    result = run(capsys, "estimate", "--args", write_pong(tmp_path))
    # 80 steps of playing, and 21 of learning, are more than a second.
    lines = [line.split() for line in result.out.splitlines()]
    assert ["evaluating", "40", "?", "?"] in lines
    assert ["together", "at", "least", "0.001"] in lines
    assert "\n?: did not occur while measuring.\n" in result.out


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


def said(monkeypatch, left, ticks):
    """What LongRun says: (at second, line) for (step, phase, seconds) of ticks."""
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    long_run, lines = LongRun(left, "states", 0), []
    for step, phase, seconds in ticks:
        clock.now += seconds
        if line := long_run.consume(Ticked(step, phase=phase, text="")):
            lines.append((round(clock.now), line))
    assert long_run.consume(EpisodeEnded(0, 0.0)) == ""
    return lines


def test_a_long_run_is_said_once_after_a_minute(monkeypatch):
    ticks = [(i, "learning", 0.5) for i in range(1, 400)]
    # 120 ticks in the first minute; 14,280 more take 7,140 s.
    line = "at this pace the run takes about 2.0 hours"
    assert said(monkeypatch, {"learning": 14_400}, ticks) == [(60, line)]
    assert said(monkeypatch, {"learning": 7_000}, ticks) == []


def test_it_waits_for_learning_but_not_for_evaluations(monkeypatch):
    ticks = [(i, "playing", 0.5) for i in range(200)] + [(i, "learning", 1.0) for i in range(50)]
    # At the 21st tick of learning; 100 + 9,979 + the rest of evaluating at twice 0.5 s.
    left = {"playing": 200, "learning": 10_000, "evaluating": 3600}
    line = "at this pace the run takes about 3.8 hours"
    assert said(monkeypatch, left, ticks) == [(121, line)]


def test_of_a_run_without_end_the_pace_is_said(monkeypatch):
    ticks = [(i, "playing", 0.1) for i in range(1, 700)]
    line = "at this pace a million states take about 27.8 hours"
    assert said(monkeypatch, None, ticks) == [(60, line)]


def test_train_says_so_once_and_is_the_same_run(capsys, monkeypatch, tmp_path):
    args = write_toy(tmp_path)
    assert run(capsys, "train", "--args", args, "--out", tmp_path / "before").err == ""
    monkeypatch.setattr(progress, "LONG", 0.0)
    monkeypatch.setattr(progress, "_TOLD_AFTER", 0.0)
    result = run(capsys, "train", "--args", args, "--out", tmp_path / "after")
    said = r"dqn-port: at this pace the run takes about 0\.0 hours; .* estimate says more\n"
    assert re.fullmatch(said, result.err)
    assert_same_runs(tmp_path / "before" / "toy", tmp_path / "after" / "toy")
    words = ("--out", tmp_path / "quiet", "--quiet")
    assert run(capsys, "train", "--args", args, *words).err == ""


def test_a_dry_run_multiplies_by_games_seeds_and_workers(capsys, monkeypatch, tmp_path, ten_ms):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(estimate, "resident_bytes", lambda: 5 * 10**8)
    words = ("pipeline", "run", "--args", write_pong(tmp_path), "--out", tmp_path / "out")
    suite = ("--games", "pong,breakout", "--seeds", "1-2", "--workers", "3", "--dry-run")
    result = run(capsys, *words, *suite, "--length", "1000000")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[6] == "together                       3.47"
    disk, _, _, checkpoint = map(float, re.findall(r"([\d.]+) MB", lines[9]))
    # Four trainings in two turns; what three workers write at once, and what is left of four.
    said = re.fullmatch(
        r"4 trainings of 2 games, 3 at a time: 6\.94 hours, 1\.5 GB of memory, ([\d.]+) MB of disk",
        lines[12],
    )
    assert said is not None, lines[12]
    assert float(said[1]) == pytest.approx(4 * (disk - checkpoint) + 6 * checkpoint, abs=1)
    assert lines[13:] == [
        "Measured in pong alone, and without the evaluations at the end.",
        "3 × 1 thread are more than the 2 cores here: it takes longer, or more machines.",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["pong.json"]
