"""Run the program in this process, and the small arguments that its tests train with."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dqn_port.cli.main import main

TOY_AGENT: dict[str, Any] = {
    "lr": 0.005,
    "ep": 0.9,
    "ep_end": 0.2,
    "ep_endt": 1000,
    "discount": 0.9,
    "hist_len": 3,
    "histSpacing": 2,
    "nonTermProb": 0.5,
    "learn_start": 70,
    "replay_memory": 300,
    "network": "net_toy_mlp",
    "preproc": "preproc_toy",
    "state_dim": 100,
    "input_dims": [3, 10, 10],
    "minibatch_size": 8,
    "rescale_r": 1,
    "bufferSize": 32,
    "valid_size": 20,
}
TOY: dict[str, Any] = {
    "framework": "toyfw",
    "env": "toyB",
    "agent": "NeuralQLearner",
    "agent_params": TOY_AGENT,
    "steps": 200,
    "eval_freq": 100,
    "eval_steps": 80,
    "prog_freq": 100,
    "save_freq": 100,
    "random_starts": 5,
    "pool_frms": {"type": "mean", "size": 2},
}
"""A training of a fraction of a second, with two evaluations and two snapshots."""


def toy(**changes: Any) -> dict[str, Any]:
    """Return TOY with changes; keys of agent_params are found by name."""
    agent = {key: value for key, value in changes.items() if key in TOY_AGENT}
    others = {key: value for key, value in changes.items() if key not in TOY_AGENT}
    return TOY | {"agent_params": TOY_AGENT | agent} | others


def write_toy(folder: Path, **changes: Any) -> Path:
    """Write an argument file toy.json and return its path."""
    path = folder / "toy.json"
    path.write_text(json.dumps(toy(**changes)))
    return path


PONG: dict[str, Any] = {
    "framework": "alewrap",
    "env": "pong",
    "agent": "NeuralQLearner",
    "steps": 260,
    "name": "t",
    "actrep": 4,
    "random_starts": 30,
    "pool_frms": {"type": "max", "size": 2},
    "eval_freq": 160,
    "eval_steps": 40,
    "save_freq": 100,
    "prog_freq": 1000,
    "agent_params": {
        "network": "net_small",
        "preproc": "net_downsample_2x_full_y",
        "hist_len": 4,
        "replay_memory": 150,
        "learn_start": 80,
        "bufferSize": 32,
        "minibatch_size": 8,
        "valid_size": 10,
        "update_freq": 4,
        "target_q": 40,
        "ep_endt": 200,
        "ep_end": 0.1,
        "lr": 0.001,
        "rescale_r": 1,
    },
}
"""A training of real Pong of a few seconds, with one evaluation; input_dims is derived."""


def write_pong(folder: Path, **changes: Any) -> Path:
    """Write an argument file pong.json and return its path."""
    path = folder / "pong.json"
    path.write_text(json.dumps(PONG | changes))
    return path


@dataclass(frozen=True)
class Result:
    """What a run of the program left."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of an error, without the program's name in front."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("dqn-port: error: "), self.err
        return lines[0].removeprefix("dqn-port: error: ")


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Result:
    """Run ``dqn-port`` with words in this process."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    captured = capsys.readouterr()
    assert isinstance(stop.value.code, int)
    return Result(stop.value.code, captured.out, captured.err)


_START = """
import signal
from dqn_port.cli.main import main
# A background job of a shell has SIGINT ignored, and so have its children.
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


def start(*words: str | Path) -> subprocess.Popen[str]:
    """Start ``dqn-port`` with words as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", _START, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
