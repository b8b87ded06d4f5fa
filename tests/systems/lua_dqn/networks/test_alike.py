"""What looks alike is summed once, and gets the numbers it would have got by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dqn_port.native.alike import AlikeProducts
from dqn_port.native.library import kernels
from dqn_port.native.products import (
    Products,
    ends_of_blocks,
    rows_with_two_chains,
)
from dqn_port.systems.lua_dqn.networks.layers import Linear, Rectifier, Reshape, SpatialConvolution
from dqn_port.systems.lua_dqn.networks.lua_convolution import WORTH_LOOKING, ConvolutionStep
from dqn_port.systems.lua_dqn.networks.sequential import Sequential

LIBRARY = kernels()


@pytest.fixture(autouse=True)
def _compiled():
    assert LIBRARY is not None, "the tests need a C compiler: apt-get install gcc"


def screens(seed, batch, planes, height, width, *, patches=3):
    """Return bytes [B, C, H, W]: a background of stripes, and patches that differ by sample."""
    generator = np.random.default_rng(seed)
    x = np.zeros((batch, planes, height, width), np.uint8)
    x[:, :, : height // 3] = 87
    x[:, :, :, :2] = generator.integers(0, 256, (planes, 1, 2))
    for sample in x:
        for _ in range(patches):
            y, at = generator.integers(height), generator.integers(width)
            sample[:, y : y + 2, at : at + 3] = generator.integers(0, 256)
    return torch.from_numpy(x)


def windows_of(picture, kernel, stride):
    """Return int32 [B · out_height · out_width, kh · kw]."""
    of = np.lib.stride_tricks.sliding_window_view(picture, kernel, axis=(1, 2))
    return of[:, :: stride[0], :: stride[1]].reshape(-1, kernel[0] * kernel[1])


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 4),
    size=st.tuples(st.integers(5, 14), st.integers(5, 14)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    rows=st.sampled_from([1, 4, 12, 17, 32]),
    colours=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_windows_that_show_the_same_have_the_same_sums(
    batch, size, kernel, stride, rows, colours, seed
):
    generator = np.random.default_rng(seed)
    picture = generator.integers(0, colours, (batch, *size), dtype=np.int32)
    a = generator.standard_normal(colours, np.float32)[picture]
    out_size = tuple((s - k) // d + 1 for s, k, d in zip(size, kernel, stride, strict=True))
    n_terms, positions = kernel[0] * kernel[1], out_size[0] * out_size[1]
    windows = np.arange(a.size).reshape(a.shape)[
        :, : size[0] - kernel[0] + 1 : stride[0], : size[1] - kernel[1] + 1 : stride[1]
    ].reshape(-1)  # fmt: skip
    terms = np.add.outer(np.arange(kernel[0]) * size[1], np.arange(kernel[1])).reshape(-1)
    of = np.repeat(np.arange(batch), positions) * (rows * positions)
    two = np.tile(rows_with_two_chains(positions, rows), batch)
    products = Products(
        LIBRARY,
        lanes=(windows, of + np.tile(np.arange(positions), batch)),
        rows=(np.arange(rows) * n_terms, np.arange(rows) * positions),
        terms=(terms, np.arange(n_terms)),
        two_chains=two,
        ends=ends_of_blocks(n_terms),
    )
    alike = AlikeProducts(
        LIBRARY,
        products,
        windows=windows,
        two_chains=two,
        rows=rows,
        picture=picture.shape,
        kernel=kernel,
        out_size=out_size,
        stride=stride,
    )
    b, first = (torch.from_numpy(generator.standard_normal(n, np.float32))
                for n in (rows * n_terms, rows))  # fmt: skip
    expected, got = torch.empty(2, batch, rows, positions)
    products.into(expected, torch.from_numpy(a), b, first=first, rectify=True)
    for _ in range(2):
        tensors = map(torch.from_numpy, (picture, a))
        found = alike.into(got, *tensors, b, first=first, rectify=True)
        assert torch.equal(got, expected)
        distinct, kinds = np.unique(
            np.column_stack([windows_of(picture, kernel, stride), two]), axis=0, return_inverse=True
        )
        assert found == len(distinct)
        # The same numbers at the same windows, and at no others.
        pairs = np.column_stack([alike.kinds.numpy().reshape(-1), kinds.reshape(-1)])
        assert len(np.unique(pairs, axis=0)) == len(distinct) == len(np.unique(pairs[:, 0]))


def test_windows_that_differ_in_one_frame_only_have_hashes_of_their_own():
    for plane in range(4):
        s = torch.zeros(4, 4, 84, 84, dtype=torch.uint8)
        noise = np.random.default_rng(0).integers(0, 256, (4, 84, 84), dtype=np.uint8)
        s[:, plane] = torch.from_numpy(noise)
        made = network(4, 84, 84)
        made.forward(s)
        (steps,) = made._lua_order._passes.values()
        alike = next(step for step in steps if isinstance(step, ConvolutionStep))._alike
        slots = (lambda x: (x ^ x >> 15) % 4096)(alike._tables["hashes"].view(np.uint32))
        assert len(np.unique(slots)) > 1200  # 1,600 numbers at random: 1,330 of 4,096


def network(planes, height, width, *, one_plane=False):
    convolutions = [
        SpatialConvolution(planes, 1 if one_plane else 13, 8, 8, 4, 4, 1, 1),
        SpatialConvolution(1 if one_plane else 13, 14, 4, 4, 2, 2, 0, 0),
        SpatialConvolution(14, 16, 3, 3, 1, 1, 0, 0),
    ]
    layers = [Reshape((planes, height, width))]
    for convolution in convolutions:
        height, width = convolution.output_size(height, width)
        layers += [convolution, Rectifier()]
    n = 16 * height * width
    made = Sequential([*layers, Reshape((n,)), Linear(n, 30), Rectifier(), Linear(30, 4)])
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        made.w.copy_(torch.randn(made.w.shape, generator=generator) / 8)
    return made


def values_and_gradient(made, s):
    q = made.forward_for_update(s)
    targets = torch.randn(q.shape, generator=torch.Generator().manual_seed(2))
    made.backward(targets)
    return q, made.dw.clone()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("planes", [1, 3, 4, 5])
@pytest.mark.parametrize("batch", [1, 5, 33])
def test_bytes_and_their_floats_give_the_same_numbers(batch, planes, threads):
    """Of floats no pictures are made: every window is summed by itself."""
    made = network(planes, 60, 52)
    s = screens(0, batch, planes, 60, 52)
    LIBRARY.set_threads(threads)
    try:
        of_bytes = values_and_gradient(made, s)
        of_floats = values_and_gradient(made, s.to(torch.float32) / 255)
    finally:
        LIBRARY.set_threads(1)
    assert all(map(torch.equal, of_bytes, of_floats))
    assert torch.equal(made.forward(s), of_bytes[0])
    assert of_bytes[0].unique().numel() > 1


def test_a_layer_of_a_single_plane_takes_bytes():
    made = network(4, 60, 52, one_plane=True)
    s = screens(0, 2, 4, 60, 52)
    assert torch.equal(made.forward(s), made.forward(s.to(torch.float32) / 255))


@pytest.fixture
def looked_at(monkeypatch):
    """Note of which layers' windows were compared, and how many differed."""
    found = []
    into = AlikeProducts.into

    def noting(self, *tensors, **more):
        found.append((self.kinds.numel(), into(self, *tensors, **more)))
        return found[-1][1]

    monkeypatch.setattr(AlikeProducts, "into", noting)
    return found


def test_layers_are_looked_at_as_long_as_much_is_alike(looked_at):
    made = network(4, 84, 84)
    made.forward(screens(0, 32, 4, 84, 84, patches=0))
    assert [windows for windows, _ in looked_at] == [32 * 400, 32 * 81, 32 * 49]
    assert all(distinct < windows / 20 for windows, distinct in looked_at)
    looked_at.clear()
    noise = np.random.default_rng(0).integers(0, 256, (32, 4, 84, 84), dtype=np.uint8)
    made.forward(torch.from_numpy(noise))
    assert looked_at == [(32 * 400, 32 * 400)]
    assert WORTH_LOOKING == 3


def test_an_update_allocates_nothing_for_what_looks_alike():
    made = network(4, 84, 84)
    for seed in range(2):
        made.forward_for_update(screens(seed, 8, 4, 84, 84))
    (steps,) = made._lua_order._passes.values()
    convolution = next(step for step in steps if isinstance(step, ConvolutionStep))
    before = convolution._alike, convolution._alike.kinds.data_ptr(), convolution.y.data_ptr()
    made.forward_for_update(screens(3, 8, 4, 84, 84))
    after = convolution._alike, convolution._alike.kinds.data_ptr(), convolution.y.data_ptr()
    assert before == after
