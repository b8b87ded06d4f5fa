"""The network of the Nature paper. Lua: convnet_atari3.lua."""

from __future__ import annotations

from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.networks.convnet import create_network
from dqn_port.systems.lua_dqn.networks.sequential import Sequential
from dqn_port.systems.lua_dqn.slots import NetworkArgs


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
