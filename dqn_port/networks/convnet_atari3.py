"""The network of the Nature paper. Lua: convnet_atari3.lua."""

from __future__ import annotations

from dqn_port.interfaces import NetworkArgs
from dqn_port.networks.convnet import create_network
from dqn_port.networks.sequential import Sequential
from dqn_port.torch7.generator import Generator


def convnet_atari3(args: NetworkArgs, generator: Generator) -> Sequential:
    """Return convolutions of 32, 64 and 64 filters and a hidden layer of 512 units."""
    return create_network(
        args,
        generator,
        n_units=(32, 64, 64),
        filter_size=(8, 4, 3),
        filter_stride=(4, 2, 1),
        n_hid=(512,),
    )
