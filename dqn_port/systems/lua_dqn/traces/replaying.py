"""Build the options, networks and agents that traces name, for their replays."""

from __future__ import annotations

from typing import Any, cast

import torch

from dqn_port.errors import ArgsError, RegistryError, TraceError
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.devices import set_up_torch
from dqn_port.systems.lua_dqn.networks.sequential import Sequential
from dqn_port.systems.lua_dqn.neural_q_learner import NeuralQLearner
from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.preprocs.net_downsample_2x_full_y import NetDownsample2xFullY
from dqn_port.systems.lua_dqn.setup import build_network, load_options
from dqn_port.systems.lua_dqn.slots import Network
from dqn_port.systems.lua_dqn.snapshot import is_snapshot
from dqn_port.systems.lua_dqn.transition_table import TransitionTable


def options_of_parts(network: str, *, seed: int = 1, **params: Any) -> Options:
    """Return options with the Atari setting's preproc and states, a network, and parameters.

    The game needs no ROM and is not played.

    Raises:
        TraceError: no network has that name.
    """
    changes = {"learn_start": 1} | params
    changes |= {"network": network, "preproc": "net_downsample_2x_full_y", "hist_len": 4}
    if ":" in network or is_snapshot(network):
        # Names in a trace are neither imported nor opened.
        raise TraceError(f"network: expected the name of a part, got {network!r}")
    values = {
        name: str(value).lower() if value is True else value for name, value in changes.items()
    }
    try:
        return load_options(
            assignments=[
                "framework=toyfw",
                "env=toyA",
                "agent=NeuralQLearner",
                "steps=1",
                f"seed={seed}",
                *(f"agent_params.{name}={value}" for name, value in values.items()),
            ]
        )
    except (ArgsError, RegistryError) as error:
        raise TraceError(str(error)) from error


def shapes_of(network: Network) -> list[tuple[int, ...]]:
    """Return the shapes of a network's parameter tensors, in the order of its flat vector."""
    return [shape for layer in cast(Sequential, network).layers for shape in layer.shapes()]


def network_of_parts(
    network: str, n_actions: int, seed: int, device: torch.device
) -> tuple[Network, Generator]:
    """Return a network as built after setup's first draw, and the generator."""
    opt = options_of_parts(network, seed=seed)
    generator = set_up_torch(opt, device)
    return build_network(opt, n_actions, generator).to(device), generator


def agent_of_parts(
    network: str, n_actions: int, device: torch.device, **params: Any
) -> NeuralQLearner:
    """Return an agent with seed 1 and a small replay, its parameters checked as a run's are."""
    opt = options_of_parts(network, replay_memory=1000, bufferSize=64, **params)
    generator = set_up_torch(opt, device)
    every = {param.name: None for param in NeuralQLearner.PARAMS} | opt.agent_params
    return NeuralQLearner(
        every,
        n_actions=n_actions,
        network=build_network(opt, n_actions, generator).to(device),
        preproc=NetDownsample2xFullY(),
        transitions=TransitionTable.from_params(every, generator),
        generator=generator,
        device=device,
    )
