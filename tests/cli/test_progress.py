"""The estimate of the time left, and the bar on a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from dqn_port.cli.progress import RemainingTime, fitting
from dqn_port.systems.lua_dqn.evaluation import EvaluationState
from dqn_port.systems.lua_dqn.setup import load_options, setup
from dqn_port.systems.lua_dqn.train_agent import Training
from tests.systems.lua_dqn.trace_options import words_of_trace
from tests.test_legacy_args import LEGACY_ARGS

WORDS = [*words_of_trace("loop_B_s1"), "-steps", "1000", "-eval_freq", "400", "-eval_steps", "100"]


@pytest.fixture(scope="module")
def training():
    """A training of 1,000 steps, 150 of them before learning, with evaluations of 100."""
    opt = load_options(lua_words=WORDS)
    return Training(*setup(opt)[::2], opt, save=lambda state: Path())


def test_steps_before_learning_learning_and_evaluating_are_timed_apart(training):
    remaining = RemainingTime(training.left())
    assert remaining.left == {"playing": 150, "learning": 850, "evaluating": 200}
    assert remaining.total == 1200
    for _ in range(150):
        remaining.tick("playing", 0.001)
    assert remaining.seconds() is None, "what learning costs is not known yet"
    for _ in range(200):
        remaining.tick("learning", 0.01)
    assert remaining.seconds() == pytest.approx(650 * 0.01 + 200 * 2 * 0.001)
    for _ in range(100):
        remaining.tick("evaluating", 0.003)
    assert remaining.seconds() == pytest.approx(650 * 0.01 + 100 * 0.003)


def test_of_a_run_that_goes_on_only_the_rest_is_left(training):
    training.state.step = 50
    assert training.left() == {"playing": 100, "learning": 850, "evaluating": 200}
    training.state.step = 400
    assert training.left() == {"playing": 0, "learning": 600, "evaluating": 100}
    training.state.evaluation = EvaluationState(steps=30)
    assert training.left() == {"playing": 0, "learning": 600, "evaluating": 170}


def test_a_phase_that_was_not_planned_is_no_fault():
    remaining = RemainingTime({"learning": 10})
    remaining.tick("saving", 1.0)
    assert remaining.total == 9


FIELDS = [
    "score -20.73",
    "123:45:12 left",
    "step 12,345,678/50,000,000",
    "1,234 frames/s",
    "ε 0.10",
    "49,382,712 frames",
]


@pytest.mark.parametrize(("columns", "shown"), [(30, 1), (60, 2), (80, 3), (120, 5), (None, 6)])
def test_what_matters_most_comes_first_and_the_rest_is_left_out_whole(columns, shown):
    assert fitting(FIELDS, columns) == " " + " · ".join(FIELDS[:shown])
    assert fitting(FIELDS, 20) == ""


PONG = [
    "--args", LEGACY_ARGS / "pong_quick.json", "--steps", "1250", "--set", "prog_freq=625",
    "--set", "agent_params.learn_start=1200", "--set", "agent_params.replay_memory=1250",
]  # fmt: skip
"""A game of Pong by random actions, and some learning."""


@pytest.mark.parametrize("columns", [60, 80])
def test_a_terminal_shows_the_bar_of_pong_as_far_as_it_fits(tmp_path, columns):
    command = [sys.executable, "-m", "dqn_port", "train", "--out", tmp_path, *PONG]
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    with subprocess.Popen(command, stdout=terminal, stderr=terminal, stdin=terminal) as process:
        os.close(terminal)
        shown = b""
        while True:
            try:
                if select.select([controller], [], [], 60)[0]:
                    shown += os.read(controller, 65536)
            except OSError:
                break
    os.close(controller)
    assert process.returncode == 0
    lines = re.split(r"[\r\n]+", shown.decode())
    bars = [line for line in lines if re.match(r"\s*\d+% \|", line)]
    assert max(map(len, bars)) <= columns
    rest = r"step 1,250/1,250( · [\d,]+ frames/s)?" + (r"( · ε 0\.\d\d)?" if columns > 60 else "")
    end = re.compile(rf"100% \|█{{10}}\| score -\d+ · 00:00 left · {rest}")
    assert end.fullmatch(bars[-1].rstrip()), bars[-1]
    # verbose is 1: the step alone, without the layers' norms.
    assert "Steps: \t625" in lines
    assert not [line for line in lines if line.startswith("Weight")]


def test_a_pipe_has_the_lines_and_no_bar(tmp_path):
    command = [sys.executable, "-m", "dqn_port", "train", "--out", str(tmp_path), "--", *WORDS]
    piped = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Steps: 400 (frames: 400), reward: " in piped.stdout
    assert "Weight norms:" in piped.stdout
    assert "frames/s" not in piped.stdout
    assert piped.stderr == ""
