"""A short run of the fuzz command; docs/torch7.md has the figures of a long one."""

from __future__ import annotations

import subprocess
import sys

from dqn_port.torch7 import t7
from tests.torch7 import fuzz_t7


def test_damaged_files_are_read_or_refused_in_one_line():
    figures = fuzz_t7.run(4000, seed=20, batch=2000)
    assert figures["failures"] == []
    assert figures["outcomes"].keys() == {"T7Error", "read"}
    assert sum(figures["outcomes"].values()) == 4000
    assert figures["outcomes"]["read"] > 100
    assert figures["slowest"][0] < fuzz_t7.SECONDS_PER_INPUT
    assert figures["grown_kb"] < 100_000


def test_another_error_is_found(monkeypatch):
    fuzz_t7.golden_bytes()
    monkeypatch.setattr(t7, "_read", lambda *_, **__: 1 / 0)
    monkeypatch.setattr(fuzz_t7.signal, "signal", lambda *_: None)
    monkeypatch.setattr(fuzz_t7.resource, "setrlimit", lambda *_: None)
    figures = fuzz_t7.worker(1, 0, 20)
    assert figures["outcomes"]["ZeroDivisionError"] > 10
    assert len(figures["failures"]) == figures["outcomes"]["ZeroDivisionError"]


def test_a_process_that_dies_is_found(monkeypatch):
    died = subprocess.CompletedProcess([], -11, "", "Segmentation fault")
    monkeypatch.setattr(fuzz_t7.subprocess, "run", lambda *_, **__: died)
    figures = fuzz_t7.run(10, seed=1)
    assert figures["outcomes"] == {"crash": 1}
    assert figures["failures"] == [(0, "exit -11: Segmentation fault")]


def test_an_input_is_told_by_the_seed_and_its_number():
    assert fuzz_t7.damaged(3, 5) == fuzz_t7.damaged(3, 5)
    assert fuzz_t7.damaged(3, 5) != fuzz_t7.damaged(4, 5)


def test_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "tests.torch7.fuzz_t7", "--inputs", "200", "--seed", "1"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("inputs: 200, seed 1\n  T7Error: ")
    assert "slowest input: " in done.stdout
    assert "peak memory of a process: " in done.stdout
