"""``dqn-port evaluate --verbose`` prints the lines of the original's test."""

from __future__ import annotations

import re

from dqn_port.runs.run import Run
from dqn_port.systems.hvass16.system import SYSTEM
from dqn_port.systems.practical_rl.system import SYSTEM as HOMEWORK
from tests.cli.running import run
from tests.systems.hvass16.building import options
from tests.systems.practical_rl.running import options as homework_options

LINE = re.compile(
    r" {3}\d:\d+\tQ-min: +-?\d+\.\d{3}\tQ-max: +-?\d+\.\d{3}\tLives: [0-3]\t"
    r"Reward: -?\d+\.\d\tEpisode Mean: -?\d+\.\d"
)


def finished(system, opt, folder):
    for _ in Run(system, opt, folder).train("cpu"):
        pass
    return folder / opt["name"]


def test_states_in_which_something_happened_are_printed(capsys, tmp_path):
    folder = finished(SYSTEM, options(name="t", episodes=1), tmp_path)
    words = ["evaluate", folder, "--episodes", "2"]
    plain, result = run(capsys, *words), run(capsys, *words, "--verbose")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    told = [line for line in lines if LINE.fullmatch(line)]
    # Two games of three lives each, and what was earned in between.
    assert len(told) >= 6
    assert [line for line in lines if line not in told] == plain.out.splitlines()
    assert {re.search(r"Lives: (\d)", line)[1] for line in told} >= {"0", "1", "2"}


def test_other_programs_have_no_such_lines(capsys, tmp_path):
    opt = homework_options(name="t", total_steps=2)
    result = run(capsys, "evaluate", finished(HOMEWORK, opt, tmp_path), "--verbose")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "dqn-port: error: --verbose: expected a network of hvass16, got one of practical_rl\n"
    )
