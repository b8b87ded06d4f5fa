"""Build convolutional networks. Lua: convnet.lua, create_network."""

from __future__ import annotations

from collections.abc import Sequence

from dqn_port.errors import ArgsError
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.networks.layers import (
    Layer,
    Linear,
    Rectifier,
    Reshape,
    SpatialConvolution,
)
from dqn_port.systems.lua_dqn.networks.sequential import Sequential
from dqn_port.systems.lua_dqn.slots import NetworkArgs


def create_network(
    args: NetworkArgs,
    generator: Generator,
    *,
    n_units: Sequence[int],
    filter_size: Sequence[int],
    filter_stride: Sequence[int],
    n_hid: Sequence[int],
) -> Sequential:
    """Return convolutions, then fully connected layers, with Rectifiers between; draw the weights.

    Lua quirk: the first convolution is padded by 1 on every side, the others are not
    (tests/systems/lua_dqn/test_quirks.py).

    Raises:
        ArgsError: input_dims is not [channels, height, width], or too small for the filters.
    """
    where = f"agent_params.input_dims: expected [{args.hist_len * args.ncols}, height, width]"
    if len(args.input_dims) != 3 or args.input_dims[0] != args.hist_len * args.ncols:
        raise ArgsError(f"{where} (hist_len · ncols channels), got {list(args.input_dims)}")
    layers: list[Layer] = [Reshape(args.input_dims)]
    channels, height, width = args.input_dims
    for i, (units, size, stride) in enumerate(
        zip(n_units, filter_size, filter_stride, strict=True)
    ):
        padding = 1 if i == 0 else 0
        convolution = SpatialConvolution(
            channels, units, size, size, stride, stride, padding, padding
        )
        height, width = convolution.output_size(height, width)
        if height < 1 or width < 1:
            raise ArgsError(
                f"{where} large enough for filters of {list(filter_size)}, "
                f"got {list(args.input_dims)}"
            )
        layers += [convolution, Rectifier()]
        channels = units
    n_inputs = channels * height * width
    layers.append(Reshape((n_inputs,)))
    for hidden in n_hid:
        layers += [Linear(n_inputs, hidden), Rectifier()]
        n_inputs = hidden
    layers.append(Linear(n_inputs, args.n_actions))
    # Lua: convnet.lua; nl is a class, which Torch7 saves as an empty table.
    settings = {
        "n_units": list(n_units),
        "filter_size": list(filter_size),
        "filter_stride": list(filter_stride),
        "n_hid": list(n_hid),
        "nl": {},
    }
    network = Sequential(layers, settings=settings)
    network.reset(generator)
    return network
