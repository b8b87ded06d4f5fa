"""A network's gradients in Neon's order, term by term as native/plain.py sums them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dqn_port.native import plain
from dqn_port.native.direct import Lanes, Rows
from dqn_port.native.library import kernels
from dqn_port.native.products import ends_of_blocks, rows_with_two_chains
from dqn_port.systems.simple_dqn.linear_order import Size
from dqn_port.systems.simple_dqn.neon_order import NeonOrder

F32 = np.float32
SIZE, SIDE, STRIDE = 9, 3, 2
OUT = (SIZE - SIDE) // STRIDE + 1


@pytest.fixture
def threads():
    yield kernels().set_threads
    kernels().set_threads(1)


def with_zeros(draw, *shape):
    """Return numbers of which a half, and some whole planes, are 0."""
    x = draw.standard_normal(shape).astype(F32) * (draw.random(shape) < 0.5)
    return np.ascontiguousarray(x * (draw.random((1, *shape[1:])) < 0.7), F32)


def network(draw, batch, channels, filters):
    """Return a network of two convolutions and a linear layer, for screens of 9 × 9 bytes."""
    shapes = ((filters, channels, 3, 3), (8, filters, OUT, OUT), (5, 8))
    weights = [torch.from_numpy(draw.standard_normal(shape).astype(F32)) for shape in shapes]
    convolutions = [(weights[0], STRIDE), (weights[1], 1)]
    order = NeonOrder(convolutions, weights[2:], (channels, SIZE, SIZE), Size(batch, batch))
    return order, [weight.numpy() for weight in weights]


def summed(a, b, out=None):
    """Add Neon's product of a [k, lanes] and b [k, rows] to out: [rows, lanes]."""
    two = rows_with_two_chains(a.shape[1], b.shape[1])
    total = plain.sum_products(a, b, two=two, ends=ends_of_blocks(len(a)))
    return total if out is None else out + total


def windows(x):
    """Return for each position what its window shows: [taps, B]."""
    for i in range(0, SIZE - SIDE + 1, STRIDE):
        for j in range(0, SIZE - SIDE + 1, STRIDE):
            yield x[:, :, i : i + SIDE, j : j + SIDE].reshape(len(x), -1).T


@settings(max_examples=25, deadline=None)
@given(batch=st.sampled_from([1, 2, 7, 8, 20, 32, 33, 64]), channels=st.integers(1, 14),
       filters=st.sampled_from([5, 8, 16, 32, 40]), seed=st.integers(0, 2**32 - 1))  # fmt: skip
def test_gradients_of_a_convolution(batch, channels, filters, seed):
    draw = np.random.default_rng(seed)
    order, (weight, *_) = network(draw, batch, channels, filters)
    layer = order._convolutions[0]
    x, of_y = (
        with_zeros(draw, batch, channels, SIZE, SIZE),
        with_zeros(draw, batch, filters, OUT**2),
    )
    turned = layer.turn_gradient(torch.from_numpy(of_y))
    of_weight = torch.empty(filters, channels, SIDE, SIDE)
    layer.weight_gradient(torch.from_numpy(x), turned, of_weight)
    expected = np.zeros((channels * SIDE**2, filters), F32)
    for position, window in enumerate(windows(x)):
        expected = summed(of_y[:, :, position], window.T, expected)
    np.testing.assert_array_equal(of_weight.numpy().reshape(filters, -1), expected.T)

    of_x = layer._samples.in_order(layer.backward(turned).values.flatten(0, 1)).T.numpy()
    expected = np.zeros(x.shape, F32)
    for i, j in np.ndindex(SIZE, SIZE):
        terms = [
            (filter_, (i - y) // STRIDE * OUT + (j - z) // STRIDE, y, z)
            for filter_ in range(filters)
            for y in reversed(range(SIDE)) for z in reversed(range(SIDE))
            if all((at - tap) % STRIDE == 0 and 0 <= at - tap <= SIZE - SIDE
                   for at, tap in ((i, y), (j, z)))
        ]  # fmt: skip
        a = np.array([of_y[:, filter_, position] for filter_, position, _, _ in terms])
        b = np.array([weight[filter_, :, y, z] for filter_, _, y, z in terms])
        expected[:, :, i, j] = summed(a, b).T
    expected[x <= 0] = 0
    np.testing.assert_array_equal(of_x.reshape(x.shape), expected)


@settings(max_examples=25, deadline=None)
@given(batch=st.integers(1, 40), outputs=st.integers(1, 30), inputs=st.integers(1, 700),
       rectify=st.booleans(), seed=st.integers(0, 2**32 - 1))  # fmt: skip
def test_a_linear_layer_forward(batch, outputs, inputs, rectify, seed):
    draw = np.random.default_rng(seed)
    weight, x = draw.standard_normal((outputs, inputs)).astype(F32), with_zeros(draw, batch, inputs)
    conv = torch.from_numpy(draw.standard_normal((8, 1, 3, 3)).astype(F32))
    order = NeonOrder([(conv, 1)], [torch.from_numpy(weight)], (1, SIZE, SIZE), Size(batch, batch))
    layer = order._linears[0]
    layer.forward(torch.from_numpy(x), rectify=rectify)
    expected = summed(x.T, weight.T).T
    np.testing.assert_array_equal(layer.y, plain.rectify(expected) if rectify else expected)


def test_another_minibatch_and_other_threads_leave_nothing_behind(threads):
    """What is kept from one minibatch to the next changes no number of the next."""
    outs = []
    for n, before in ((1, False), (1, True), (2, False), (3, True)):
        threads(n)
        draw = np.random.default_rng(0)
        order, _ = network(draw, 32, 4, 32)
        batches = [draw.integers(0, 256, (32, 4, SIZE, SIZE), np.uint8) for _ in range(2)]
        batches[1][:, :, :5] = 0
        of_q = [torch.from_numpy(draw.standard_normal((32, 5)).astype(F32)) for _ in range(2)]
        for states, of in list(zip(batches, of_q, strict=True))[0 if before else 1 :]:
            q = order.forward(torch.from_numpy(states)).clone()
            gradients = [gradient.clone() for gradient in order.backward(of)]
        outs.append([q, *gradients])
    for out in outs:
        assert all(torch.equal(x, y) for x, y in zip(out, outs[0], strict=True))


@pytest.mark.parametrize("n", [1, 4, 7, 8, 27])
@pytest.mark.parametrize("dtype", [np.uint8, F32])
def test_samples_become_lanes(n, dtype):
    draw = np.random.default_rng(n)
    lanes = Lanes(kernels(), draw.integers(0, 3, 11).astype(np.uint8))
    out = Rows(3, n, len(lanes))
    for _ in range(2):
        x = (draw.integers(0, 256, (11, 3, n)) * (draw.random((1, 3, n)) < 0.5)).astype(dtype)
        lanes.turn(torch.from_numpy(x), out, each=3 * n, step=n)
        values = plain.spread_bytes(x) if dtype == np.uint8 else x
        expected = np.zeros((3, n, len(lanes)), F32)
        expected[:, :, lanes.lanes] = values.transpose(1, 2, 0)
        np.testing.assert_array_equal(out.values, expected)
        np.testing.assert_array_equal(out.alive, expected.any(2))
