"""A small network for two cores, as users of the Lua program added them beside convnet_atari3."""

from __future__ import annotations

from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.networks.convnet import create_network
from dqn_port.systems.lua_dqn.networks.sequential import Sequential
from dqn_port.systems.lua_dqn.slots import NetworkArgs


def convnet_small(args: NetworkArgs, generator: Generator) -> Sequential:
    """Return convolutions of 16, 32 and 32 filters and a hidden layer of 128 units.

    With four screens of 84 x 84 and six actions it has 223,126 parameters.
    """
    return create_network(
        args,
        generator,
        n_units=(16, 32, 32),
        filter_size=(8, 4, 3),
        filter_stride=(4, 2, 1),
        n_hid=(128,),
    )
