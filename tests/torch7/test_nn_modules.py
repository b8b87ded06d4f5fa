"""Networks of Torch7's nn: read in any layout, written as nn saves them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dqn_port.errors import T7Error
from dqn_port.systems.lua_dqn.networks.sequential import from_lua
from dqn_port.torch7.nn_modules import rows_of, sequential_of
from dqn_port.torch7.t7 import dumps, load, loads
from dqn_port.torch7.tensors import Storage, Tensor
from dqn_port.torch7.values import LuaTable, TorchObject
from tests.golden_files import GOLDEN

RNG = np.random.default_rng(1)


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def module(name, **fields):
    made = {
        key: Tensor.from_array(value) if isinstance(value, np.ndarray) else value
        for key, value in fields.items()
    }
    return TorchObject(name, LuaTable(made.items()))


def sequential(*modules):
    # Through the bytes: lists become tables.
    return loads(dumps(module("nn.Sequential", modules=list(modules))))


def reshape(*size):
    return module("nn.Reshape", size=Storage("torch.LongStorage", np.array(size)))


CONV = {"nInputPlane": 3, "nOutputPlane": 5, "kW": 2, "kH": 4, "dW": 1, "dH": 2}
WEIGHT, BIAS = floats(5, 3, 4, 2), floats(5)


def conv(name="nn.SpatialConvolution", **changes):
    return module(name, **(CONV | {"weight": WEIGHT, "bias": BIAS} | changes))


def run(network, x):
    return from_lua(network, "n").forward(torch.from_numpy(x)).numpy()


X = floats(2, 3, 9, 7)


def expected(padding=(0, 0)):
    out = torch.nn.functional.conv2d(
        *map(torch.from_numpy, (X, WEIGHT, BIAS)), stride=(2, 1), padding=padding
    )
    return out.numpy()


@pytest.mark.parametrize(
    ("name", "changes", "padding"),
    [
        ("nn.SpatialConvolution", {}, (0, 0)),
        ("nn.SpatialConvolution", {"padding": 1}, (1, 1)),
        ("nn.SpatialConvolution", {"padW": 1, "padH": 2}, (2, 1)),
        ("nn.SpatialConvolution", {"padding": 1, "padH": 0}, (0, 1)),
        ("nn.SpatialConvolutionMM", {"weight": WEIGHT.reshape(5, -1), "padW": 1}, (0, 1)),
        ("cudnn.SpatialConvolution", {"padW": 0, "padH": 1}, (1, 0)),
    ],
)
def test_every_layout_and_padding_of_a_convolution(name, changes, padding):
    network = sequential(reshape(3, 9, 7), conv(name, **changes))
    np.testing.assert_allclose(run(network, X), expected(padding), atol=1e-5)


def transpose(*pairs):
    return module("nn.Transpose", permutations=[list(pair) for pair in pairs])


THERE, BACK = ((1, 2), (2, 3), (3, 4)), ((4, 3), (3, 2), (2, 1))


def test_the_layers_of_2014_for_the_gpu():
    linear = floats(6, 5 * 3 * 6)
    weight = WEIGHT.transpose(1, 2, 3, 0).copy()
    network = sequential(
        reshape(3, 9, 7),
        transpose(*THERE),
        conv("nn.SpatialConvolutionCUDA", weight=weight),
        module("nn.Rectifier"),
        transpose(*BACK),
        reshape(5 * 3 * 6),
        module("nn.Linear", weight=linear, bias=np.zeros(6, dtype=np.float32)),
    )
    out = np.maximum(expected(), 0).reshape(2, -1) @ linear.T
    np.testing.assert_allclose(run(network, X), out, rtol=1e-5, atol=1e-5)
    classes = [row["class"] for row in rows_of(network)]
    assert classes == ["nn.Reshape", "nn.SpatialConvolution", "nn.Rectifier", "nn.Reshape",
                       "nn.Linear"]  # fmt: skip


def test_an_order_that_is_not_turned_back_moves_into_the_linear_layer():
    linear = floats(6, 5 * 3 * 6)
    # Batch first, then height, width, channel: what the linear layer was trained on.
    network = sequential(
        reshape(3, 9, 7),
        conv(),
        transpose((2, 3), (3, 4)),
        reshape(5 * 3 * 6),
        module("nn.Linear", weight=linear, bias=np.zeros(6, dtype=np.float32)),
    )
    out = expected().transpose(0, 2, 3, 1).reshape(2, -1) @ linear.T
    np.testing.assert_allclose(run(network, X), out, rtol=1e-5, atol=1e-5)


def test_rectifiers_of_any_name_and_sequentials_in_sequentials():
    linear = module("nn.Linear", weight=np.eye(3, dtype=np.float32))
    rectifiers = [module("nn.ReLU"), module("cudnn.ReLU"), module("nn.Rectifier"),
                  module("nn.Threshold", threshold=0, val=0)]  # fmt: skip
    network = sequential(linear, sequential(*rectifiers, sequential(linear)), module("nn.Identity"))
    x = np.array([[-1, 0, 2]], dtype=np.float32)
    np.testing.assert_array_equal(run(network, x), [[0, 0, 2]])
    assert [row["class"] for row in rows_of(network)].count("nn.Rectifier") == 4


def test_doubles_and_cuda_tensors_become_floats():
    for name in ("torch.DoubleTensor", "torch.CudaTensor", "torch.CudaDoubleTensor"):
        weight = Tensor.from_array(floats(2, 3), name)
        network = sequential(TorchObject("nn.Linear", LuaTable([("weight", weight)])))
        (row,) = rows_of(network)
        assert row["weight"].dtype == np.float32
        np.testing.assert_array_equal(row["weight"], weight.numpy().astype(np.float32))
        np.testing.assert_array_equal(row["bias"], [0, 0])


@pytest.mark.parametrize("name", ["net_mlp_flat.t7", "net_mlp_flat.ascii.t7", "snap_toyB.t7"])
def test_a_network_read_and_written_is_the_same_network(name):
    there = load(GOLDEN / "t7" / name)
    there = there["model"] if isinstance(there, LuaTable) else there
    network = from_lua(there, "n")
    again = from_lua(loads(dumps(network.to_lua())), "n")
    assert torch.equal(network.w, again.w)
    assert str(network) == str(again)
    for ours, theirs in zip(
        network.to_lua()["modules"].to_list(), there["modules"].to_list(), strict=True
    ):
        assert ours.class_name == theirs.class_name
        for field in ("weight", "bias"):
            if field in theirs:
                np.testing.assert_array_equal(ours[field].numpy(), theirs[field].numpy())
                assert ours[field].offset == theirs[field].offset


def test_weights_and_gradients_are_views_of_two_storages():
    w, dw = floats(8), floats(8)
    row = {"class": "nn.Linear", "weight": w[:6].reshape(2, 3), "bias": w[6:]}
    (linear,) = sequential_of([row], w, dw)["modules"].to_list()
    assert linear["weight"].storage is linear["bias"].storage
    assert linear["gradWeight"].storage is linear["gradBias"].storage
    np.testing.assert_array_equal(linear["bias"].numpy(), w[6:])
    np.testing.assert_array_equal(linear["gradWeight"].numpy(), dw[:6].reshape(2, 3))


LINEAR = module("nn.Linear", weight=floats(2, 3))
EXPANDED = Tensor("torch.FloatTensor", (10**6, 10**6), (0, 0), 0,
                  Storage("torch.FloatStorage", floats(1)))  # fmt: skip


@pytest.mark.parametrize(
    ("network", "fault"),
    [
        (5.0, "n: expected an nn module, got 5.0"),
        (None, "n: expected an nn module, got nothing"),
        (module("nn.Linear"), "n: expected nn.Sequential, got nn.Linear"),
        (module("nn.Sequential"), "n.modules: expected a list of modules, got nothing"),
        (sequential(), "n: expected a layer with weights, got none"),
        (sequential(LINEAR, 5), "n.modules[2]: expected an nn module, got 5.0"),
        (
            sequential(LINEAR, module("nn.Tanh")),
            "n.modules[2]: expected a layer that DQN's networks use, got nn.Tanh",
        ),
        (
            sequential(module("nn.Linear")),
            "n.modules[1].weight: expected a matrix, got nothing",
        ),
        (
            sequential(module("nn.Linear", weight=EXPANDED)),
            "n.modules[1].weight: expected a number for every place, got an expanded view",
        ),
        (
            sequential(module("nn.Linear", weight=floats(2, 3), bias=floats(3))),
            "n.modules[1].bias: expected a tensor of 2, got torch.FloatTensor of 3",
        ),
        (
            sequential(module("nn.Linear", weight=np.zeros((2, 3), dtype=np.int64))),
            "n.modules[1].weight: expected floats, got torch.LongTensor",
        ),
        (
            sequential(conv(kW=3)),
            "n.modules[1].weight: expected a tensor of 5x3x4x3 or 5x36, got torch.FloatTensor of "
            "5x3x4x2",
        ),
        (
            sequential(conv(dW=0)),
            "n.modules[1].dW: expected a whole number of at least 1, got 0.0",
        ),
        (
            sequential(conv(padW=0.5)),
            "n.modules[1].padW: expected a whole number of at least 0, got 0.5",
        ),
        (
            sequential(reshape(3, 9, 7), conv(padW=2**30)),
            "n.modules[2]: expected at most 67108864 features, got 5x3x2147483654",
        ),
        (
            sequential(reshape(4, 9, 7), conv()),
            "n.modules[2].nInputPlane: expected 4, got 3",
        ),
        (
            sequential(reshape(3, 0)),
            "n.modules[1].size: expected one to three sizes of at least 1, got [3, 0]",
        ),
        (
            sequential(module("nn.Reshape", size="x")),
            "n.modules[1].size: expected the sizes of dimensions, got str",
        ),
        (
            sequential(reshape(3, 9, 7), transpose(*THERE), conv()),
            "n.modules[3]: expected dimensions in the order it works in, got others, by "
            "nn.Transpose",
        ),
        (
            sequential(reshape(3, 9, 7), conv("nn.SpatialConvolutionCUDA")),
            "n.modules[2]: expected dimensions in the order it works in, got others, by "
            "nn.Transpose",
        ),
        (
            sequential(reshape(3, 9, 7), conv(), transpose((1, 2)), reshape(90)),
            "n.modules[4]: expected the batch as the first dimension, got another, by nn.Transpose",
        ),
        (
            sequential(reshape(3, 9, 7), conv(), transpose((2, 3)), reshape(90)),
            "n: expected a linear layer after nn.Transpose and nn.Reshape, got none",
        ),
        (
            sequential(reshape(3, 9, 7), conv(), transpose((2, 3)), reshape(90), LINEAR),
            "n.modules[5].weight: expected 90 columns, got 3",
        ),
        (
            sequential(transpose((0, 2))),
            "n.modules[1].permutations[1]: expected two dimensions of 1 to 4, got a table",
        ),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(network, fault):
    with pytest.raises(T7Error) as caught:
        rows_of(network, "n")
    assert str(caught.value) == fault


def test_a_network_within_itself_is_refused():
    network = module("nn.Sequential")
    network.fields["modules"] = LuaTable.from_list([network])
    with pytest.raises(T7Error, match="n: expected at most 10000 modules, got more"):
        rows_of(network, "n")
