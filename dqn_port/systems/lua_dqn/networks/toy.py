"""The small networks of the original's traces, for quick experiments."""

from __future__ import annotations

import math

from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.networks.convnet import create_network
from dqn_port.systems.lua_dqn.networks.layers import Linear, Rectifier, Reshape
from dqn_port.systems.lua_dqn.networks.sequential import Sequential
from dqn_port.systems.lua_dqn.slots import NetworkArgs


def net_small(args: NetworkArgs, generator: Generator) -> Sequential:
    """Return the Nature network with 4, 8 and 8 filters and 16 hidden units."""
    return create_network(
        args,
        generator,
        n_units=(4, 8, 8),
        filter_size=(8, 4, 3),
        filter_stride=(4, 2, 1),
        n_hid=(16,),
    )


def net_toy_conv(args: NetworkArgs, generator: Generator) -> Sequential:
    """Return convolutions of 4 and 4 filters and 8 hidden units, for 10 × 10 screens."""
    return create_network(
        args, generator, n_units=(4, 4), filter_size=(3, 3), filter_stride=(2, 1), n_hid=(8,)
    )


def net_toy_mlp(args: NetworkArgs, generator: Generator) -> Sequential:
    """Return one hidden layer of 24 units."""
    n = math.prod(args.input_dims)
    network = Sequential([Reshape((n,)), Linear(n, 24), Rectifier(), Linear(24, args.n_actions)])
    network.reset(generator)
    return network


def net_tie(args: NetworkArgs, generator: Generator) -> Sequential:
    """Return one linear layer whose values are all 0 at first; the usual draws are made."""
    n = math.prod(args.input_dims)
    network = Sequential([Reshape((n,)), Linear(n, args.n_actions)])
    network.reset(generator)
    network.w.zero_()
    return network
