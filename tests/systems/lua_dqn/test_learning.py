"""The agent learns: a toy game in seconds, Pong in the better part of an hour (slow)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dqn_port.runs.playing import episodes as played
from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.player import Player
from dqn_port.systems.lua_dqn.setup import load_options, setup
from dqn_port.systems.lua_dqn.system import SYSTEM
from dqn_port.systems.lua_dqn.train_agent import Evaluated

CPU = torch.device("cpu")
TOY_B = {
    "framework": "toyfw",
    "env": "toyB",
    "name": "toyB",
    "agent": "NeuralQLearner",
    "steps": 20_000,
    "seed": 3,
    "eval_freq": 10_000,
    "eval_steps": 4000,
    "save_freq": 20_000,
    "random_starts": 5,
    "pool_frms": {"type": "max", "size": 2},
    "agent_params": {
        "lr": 0.005,
        "ep_end": 0.1,
        "ep_endt": 10_000,
        "discount": 0.95,
        "hist_len": 2,
        "learn_start": 1000,
        "replay_memory": 20_000,
        "network": "net_toy_mlp",
        "preproc": "preproc_toy",
        "input_dims": [2, 10, 10],
        "minibatch_size": 32,
        "bufferSize": 256,
        "valid_size": 200,
        "target_q": 200,
        "clip_delta": 1,
        "min_reward": -1,
        "max_reward": 1,
    },
}


def mean_of_random_play(opt, steps):
    episodes = list(played(Player(setup(opt), epsilon=1.0, random_start=False), steps=steps))
    return sum(e.reward for e in episodes) / len(episodes)


def test_a_toy_game_is_learnt_in_seconds(tmp_path):
    path = tmp_path / "toyB.json"
    path.write_text(json.dumps(TOY_B))
    opt = load_options(args_file=path)
    assert mean_of_random_play(opt, 4000) < 0
    events = [e for e in Run(SYSTEM, opt, tmp_path).train("cpu") if isinstance(e, Evaluated)]
    assert [e.episodes > 5 for e in events] == [True, True]
    assert events[-1].reward > 5


@pytest.mark.slow
def test_pong_rises_above_random_play(tmp_path):
    path = Path(__file__).parents[3] / "legacy_args" / "pong_tiny.json"
    opt = load_options(args_file=path, assignments=["steps=250000"])
    events = [e for e in Run(SYSTEM, opt, tmp_path).train("cpu") if isinstance(e, Evaluated)]
    # Random play scores -20.7; without a finished episode an evaluation scores 0.
    assert max(e.reward for e in events if e.episodes >= 2) > -18.5
