"""The lines of a run against what the original printed in the same run."""

from __future__ import annotations

import re

import pytest
import torch

from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.lines import lines_of, lua_number
from dqn_port.systems.lua_dqn.system import SYSTEM
from dqn_port.systems.lua_dqn.train_agent import Reported
from tests.golden_files import GOLDEN
from tests.systems.lua_dqn.trace_options import options_of_trace

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
TIMED = re.compile(r"(time: )\d+(s)|(rate: )\d+(fps)")


def split(lines):
    """Return (header, set of options, rest) of a log."""
    begin = lines.index("Set up Torch using these options:")
    end = next(i for i, line in enumerate(lines) if line.startswith("Iteration"))
    return lines[:begin], {line.split("\t")[0] for line in lines[begin + 1 : end]}, lines[end:]


def words_and_numbers(line):
    line = TIMED.sub(r"\1\3N\2\4", line)
    if line.startswith("Saved:"):
        line = "Saved:\t" + re.split(r"[\t/]", line)[-1].removesuffix(".t7").removesuffix(".pt")
        return line, []
    return NUMBER.sub("#", line), [float(number) for number in NUMBER.findall(line)]


@pytest.mark.parametrize("group", ["loop_A_s1", "loop_B_s1", "loop_breakout"])
def test_a_run_prints_what_the_original_printed(group, tmp_path):
    expected = (GOLDEN / "logs" / f"{group}.txt").read_text().rstrip("\n").split("\n")
    opt = options_of_trace(group)
    device = torch.device("cpu")
    events = list(Run(SYSTEM, opt, tmp_path).train(str(device)))
    lines = [line for event in events for text in lines_of(event) for line in text.split("\n")]
    header, options, rest = split(lines)
    expected_header, expected_options, expected_rest = split(expected)
    assert header == expected_header
    assert options == expected_options - {"tensorType"}
    assert len(rest) == len(expected_rest)
    for got, wanted in zip(rest, expected_rest, strict=True):
        assert words_and_numbers(got) == words_and_numbers(wanted)
    # Below verbose 2 a report is its first line, the step.
    for event in events:
        reported = isinstance(event, Reported)
        assert len(list(lines_of(event))) == 9 or not reported
        assert list(lines_of(event, verbose=1)) == list(lines_of(event))[: 1 if reported else None]


def test_numbers_are_written_as_lua_writes_them():
    assert [lua_number(x) for x in (1.0, 0.1, 1e15, 1 / 3, 5e-7, float("inf"), float("nan"))] == [
        "1",
        "0.1",
        "1e+15",
        "0.33333333333333",
        "5e-07",
        "inf",
        "nan",
    ]
