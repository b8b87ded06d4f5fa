"""What the original printed and logged in its runs, to the letter."""

from __future__ import annotations

import pytest

from dqn_port.systems.hvass16.lines import statistics
from tests.systems.hvass16.golden import FOLDER, course


@pytest.mark.parametrize("key", ["train1", "train2", "fail1", "breakout", "tf1"])
def test_every_line_and_both_logs_are_the_originals(key):
    played = course(f"run_{key}")
    played.play()
    with (FOLDER / "logs" / f"{key}_stdout.txt").open(newline="") as file:
        assert played.stdout == file.read()
    for name, text in played.logs.items():
        assert text == (FOLDER / "logs" / f"{key}_{name}").read_text(), name


def test_the_statistics_at_the_end():
    assert list(statistics([2.0, -5.0, -4.0, 0.0])) == [
        "",
        "Rewards for 4 episodes:",
        "- Min:    -5.0",
        "- Mean:   -1.75",
        "- Max:    2.0",
        "- Stdev:  2.8613807855648994",
    ]
