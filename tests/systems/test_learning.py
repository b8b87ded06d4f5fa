"""The shipped files of toyA learn it: far above random play, and above the network at first."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from dqn_port.events import Started
from dqn_port.registry import system_of_file
from dqn_port.runs.run import Run
from dqn_port.runs.run_folder import snapshot_in
from dqn_port.runs.scores import play_scores

LEGACY_ARGS = Path(__file__).parents[2] / "legacy_args"
TOYS = ("lua_toy", "simple_dqn_small", "labml_toy", "practical_rl_toy", "hvass16_toy")
"""Each learns for minutes on one core; docs/results.md."""


@pytest.mark.slow
@pytest.mark.parametrize("file", TOYS)
def test_toy_a_is_learnt(file, tmp_path):
    path = LEGACY_ARGS / f"{file}.json"
    system = system_of_file(path)
    run = Run(system, system.load(args_file=path), tmp_path)
    others = []
    for event in run.train():
        if isinstance(event, Started):
            first = run.save_networks(event.training)
            others = [play_scores(system, first, seed=1, epsilon=epsilon) for epsilon in (0.05, 1)]
    learnt = play_scores(system, snapshot_in(run.folder), seed=1)
    assert len(others) == 2
    for other in others:
        error = math.sqrt((learnt["sd"] ** 2 + other["sd"] ** 2) / 20)
        assert learnt["score"] - other["score"] > 3 * error, (learnt, other)
