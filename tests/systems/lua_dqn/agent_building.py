"""Build an agent as assemble does, with only some parameters named."""

from __future__ import annotations

import torch

from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.neural_q_learner import NeuralQLearner
from dqn_port.systems.lua_dqn.parts import find
from dqn_port.systems.lua_dqn.preprocs.net_downsample_2x_full_y import NetDownsample2xFullY
from dqn_port.systems.lua_dqn.slots import NetworkArgs
from dqn_port.systems.lua_dqn.transition_table import TransitionTable


def make_agent(params, *, n_actions, network, seed=1, device=torch.device("cpu")):  # noqa: B008
    table = {p.name: p.default for p in NeuralQLearner.PARAMS} | {"hist_len": 4} | params
    for key in ("lr", "ep"):
        if table[f"{key}_end"] is None:
            table[f"{key}_end"] = table[key]
    generator = Generator(seed)
    generator.random()
    args = NetworkArgs(n_actions=n_actions, hist_len=4, ncols=1, input_dims=(4, 84, 84))
    return NeuralQLearner(
        table,
        n_actions=n_actions,
        network=find("network", network)(args, generator).to(device),
        preproc=NetDownsample2xFullY(),
        transitions=TransitionTable(
            state_dim=7056, hist_len=4, max_size=1000, buffer_size=64, generator=generator
        ),
        generator=generator,
        device=device,
    )
