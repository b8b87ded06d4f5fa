"""Run the program inside a test, and make a snapshot for it to play."""

from __future__ import annotations

from pathlib import Path

import pytest

from dqn_port.cli.main import main
from dqn_port.systems.lua_dqn.histories import Histories
from dqn_port.systems.lua_dqn.old_arguments import to_options_table
from dqn_port.systems.lua_dqn.setup import load_options, setup
from dqn_port.systems.lua_dqn.snapshot import snapshot_table
from dqn_port.torch7.t7 import save

TOY_A = (
    "framework=toyfw",
    "env=toyA",
    "agent=NeuralQLearner",
    "actrep=4",
    "agent_params.hist_len=4",
    "agent_params.preproc=net_downsample_2x_full_y",
    "agent_params.network=net_small",
)
TOY_B = (
    "framework=toyfw",
    "env=toyB",
    "agent=NeuralQLearner",
    "actrep=2",
    "agent_params.preproc=preproc_toy",
    "agent_params.network=net_toy_mlp",
    "agent_params.input_dims=[100]",
)


def sets(assignments):
    """Return the words of ``--set`` for every assignment."""
    return [word for assignment in assignments for word in ("--set", assignment)]


def run(capsys, *argv):
    """Return (exit code, stdout, stderr) of ``dqn-port ARGV``."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in argv])
    out = capsys.readouterr()
    return stop.value.code, out.out, out.err


def make_snapshot(path: Path, assignments, *, best_seed: int | None = None) -> Path:
    """Save an untrained network; its best network, if any, is that of another seed."""
    assignments = [*assignments, "agent_params.learn_start=600"]
    ready = setup(load_options(assignments=assignments))
    best = None
    if best_seed is not None:
        other = setup(load_options(assignments=[*assignments, f"seed={best_seed}"]))
        best = other.agent.network
    arguments = to_options_table(ready.opt)
    table = snapshot_table(
        ready.agent, best, Histories(), arguments=arguments, actions=ready.actions
    )
    save(path, table)
    return path
