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

import pytest

from dqn_port.assemble import load_options
from dqn_port.cli.progress import RemainingTime
from tests.trace_options import words_of_trace

WORDS = [*words_of_trace("loop_B_s1"), "-steps", "1000", "-eval_freq", "400", "-eval_steps", "100"]


def test_steps_before_learning_learning_and_evaluating_are_timed_apart():
    opt = load_options(lua_words=WORDS)
    remaining = RemainingTime(opt, 200)
    assert remaining.left == {"playing": 200, "learning": 800, "evaluating": 200}
    assert remaining.total == 1200
    for _ in range(200):
        remaining.tick("playing", 0.001)
    assert remaining.seconds() is None, "what learning costs is not known yet"
    for _ in range(200):
        remaining.tick("learning", 0.01)
    assert remaining.seconds() == pytest.approx(600 * 0.01 + 200 * 2 * 0.001)
    for _ in range(100):
        remaining.tick("evaluating", 0.003)
    assert remaining.seconds() == pytest.approx(600 * 0.01 + 100 * 0.003)


def test_a_terminal_shows_the_bar_and_a_pipe_only_the_lines(tmp_path):
    command = [sys.executable, "-m", "dqn_port", "train", "--out", str(tmp_path), "--", *WORDS]
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 140, 0, 0))
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
    text = shown.decode()
    bar = re.search(
        r"\d+% \|.*?\| step [\d,]+/1,000 · [\d,]+ frames · [\d,]+ frames/s · "
        r"ε \d\.\d\d",
        text,
    )
    assert bar, text[-2000:]
    assert "left" in text
    assert "Steps: 400 (frames: 400), reward: " in text

    piped = subprocess.run([*command[:6], "--overwrite", *command[6:]], capture_output=True,
                           text=True, check=True)  # fmt: skip
    assert "Steps: 400 (frames: 400), reward: " in piped.stdout
    assert "frames/s" not in piped.stdout + piped.stderr
    assert piped.stderr == ""
