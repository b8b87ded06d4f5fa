"""Histories as text: sparklines by hand, rows that fit a terminal, CSV that is read again."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqn_port.exports.hdf5 import export_hdf5
from dqn_port.exports.hdf5_reading import read_hdf5
from dqn_port.exports.history_table import (
    exported_lines,
    run_lines,
    shortened,
    sparkline,
    write_csv,
)
from dqn_port.runs.record import read_run
from tests.exports.building import ROWS, evaluation_of, write_run


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([3], "▄"),
        ([1, 1], "▄▄"),
        ([0, 7], "▁█"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([0, math.nan, 7], "▁ █"),
        ([-1.7e308, 0, 1.7e308], "▁▅█"),
    ],
)
def test_sparklines_by_hand(values, line):
    assert sparkline(values) == line


def test_a_long_history_is_averaged():
    # Parts of two: means 0.5, 2.5, 4.5.
    assert sparkline([0, 1, 2, 3, 4, 5], width=3) == "▁▅█"


@given(st.lists(st.floats(), max_size=200), st.integers(1, 60))
def test_any_numbers_fit(values, width):
    with np.errstate(all="ignore"):
        assert len(sparkline(values, width)) == min(len(values), width)


def test_the_table_by_hand(tmp_path):
    lines = list(run_lines(read_run(write_run(tmp_path / "a"))))
    assert lines == [
        "a: pong, seed 3, finished",
        "",
        "      steps       frames     reward episodes rewards         V  TD error  best",
        "        100          400      -19.5        1       7     0.125       0.5  *",
        "        200          800        -18        2      14      0.25      0.25  *",
        "        300        1,200      -16.5        3      21     0.375    0.1667  *",
        "",
        "reward    ▁▅█  -19.5 to -16.5",
        "V         ▁▅█  0.125 to 0.375",
        "TD error  █▃▁  0.1667 to 0.5",
    ]


def test_a_run_without_an_evaluation(tmp_path):
    run = read_run(write_run(tmp_path / "a", rows=[], finished=False))
    assert list(run_lines(run)) == ["a: pong, seed 3, unfinished", "no evaluation yet"]


def test_the_paper_s_whole_run_fits_80_columns(tmp_path):
    rows = [
        ROWS[0]
        | {"step": 250_000 * i, "frames": 10**6 * i, "episodes": 9999, "rewards": 125_000,
           "reward": -123456.789 * i, "v": -1.23456e-7, "td": 1.23456e-9}
        for i in range(1, 201)
    ]  # fmt: skip
    name = "a" * 100
    lines = list(run_lines(read_run(write_run(tmp_path / name, rows=rows))))
    assert len(lines) == 3 + 200 + 4
    assert max(map(len, lines)) <= 80


def test_numbers_without_a_sum_warn_of_nothing(tmp_path):
    """Of a stranger's file: the warnings of NumPy would be errors here."""
    assert sparkline([math.inf, -math.inf, 1e308, 1e308, 0.0], 2) == " ▄"
    run = read_run(write_run(tmp_path / "a"))
    export_hdf5(tmp_path / "a.h5", [(run, [evaluation_of(run)])])
    (found,) = read_hdf5(tmp_path / "a.h5").runs
    found.episodes["return"][:2] = math.inf, -math.inf
    assert list(exported_lines(found))[-2] == "evaluated, last network: nan ± nan, 2 episodes"
    found.episodes["return"][:2] = 1.7e308
    assert list(exported_lines(found))[-2] == "evaluated, last network: inf ± inf, 2 episodes"


def test_what_moves_the_cursor_is_not_shown():
    assert shortened("a\x1b[2J\rb\u202e") == "a�[2J�b�"
    assert shortened("a" * 80) == "a" * 80
    assert shortened("a" * 81) == "a" * 79 + "…"


def test_csv_is_the_history_with_its_time(tmp_path):
    run = read_run(write_run(tmp_path / "a"))
    path = tmp_path / "a.csv"
    write_csv(path, [run])
    lines = (run.folder / "history.csv").read_text().splitlines()
    times = ["time", "1.5", "4.0", "7.5"]
    assert path.read_text().splitlines() == [
        f"{line},{time}" for line, time in zip(lines, times, strict=True)
    ]


def test_csv_of_several_runs_names_them(tmp_path):
    runs = [read_run(write_run(tmp_path / name)) for name in ("a,b", "c")]
    path = tmp_path / "all.csv"
    write_csv(path, runs)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["a,b"] * 3 + ["c"] * 3
    assert [float(row["reward"]) for row in rows] == [row["reward"] for row in ROWS] * 2
