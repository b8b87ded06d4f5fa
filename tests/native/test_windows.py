"""Windows that are alike: found, gathered and added up as NumPy does it window by window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dqn_port.native.library import kernels
from dqn_port.native.windows import find_windows, number_pixels


@pytest.fixture(autouse=True)
def _compiled():
    assert kernels() is not None, "the tests need a C compiler: apt-get install gcc"


def cut(picture, side, stride):
    """Return every window: [B, out, out, side, side]."""
    views = np.lib.stride_tricks.sliding_window_view(picture, (side, side), axis=(1, 2))
    return views[:, ::stride, ::stride]


@given(
    batch=st.integers(1, 3),
    height=st.integers(4, 12),
    width=st.integers(4, 12),
    side=st.integers(1, 4),
    stride=st.integers(1, 3),
    colours=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_windows_are_of_one_kind_where_they_show_the_same(
    batch, height, width, side, stride, colours, seed
):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, colours, (batch, height, width), dtype=np.int32)
    found = find_windows(kernels(), torch.from_numpy(picture), side=side, stride=stride)
    windows = cut(picture, side, stride)
    assert found.kinds.shape == windows.shape[:3]
    flat, kinds = windows.reshape(-1, side * side), found.kinds.numpy().reshape(-1)
    n = len(np.unique(flat, axis=0))
    assert len(found.begins) == n == len(set(kinds.tolist()))
    assert found.share == n / len(flat)
    # The first windows of each kind, numbered as they come.
    firsts = [int(np.flatnonzero(kinds == kind)[0]) for kind in range(n)]
    assert firsts == sorted(firsts)
    np.testing.assert_array_equal(flat, flat[firsts][kinds])
    b, i, j = np.unravel_index(firsts, windows.shape[:3])
    expected = (b * height + i * stride) * width + j * stride
    np.testing.assert_array_equal(found.begins.numpy(), expected)

    table = torch.from_numpy(rng.standard_normal((colours, 5)).astype(np.float32))
    table.requires_grad_()
    rows = found.of_table(table)
    np.testing.assert_array_equal(
        rows.detach().numpy(), table.detach().numpy()[flat[firsts]].reshape(n, -1)
    )
    gradient = rng.standard_normal(rows.shape).astype(np.float32)
    rows.backward(torch.from_numpy(gradient))
    of_table = np.zeros((colours, 5), dtype=np.float32)
    # One after the other, in this order.
    np.add.at(of_table, flat[firsts].reshape(-1), gradient.reshape(-1, 5))
    np.testing.assert_array_equal(table.grad.numpy(), of_table)

    values = torch.from_numpy(rng.standard_normal((n, 3)).astype(np.float32)).requires_grad_()
    whole = found.whole(values)
    np.testing.assert_array_equal(
        whole.detach().numpy(), values.detach().numpy()[found.kinds.numpy()]
    )
    gradient = rng.standard_normal(whole.shape).astype(np.float32)
    whole.backward(torch.from_numpy(gradient))
    of_values = np.zeros((n, 3), dtype=np.float32)
    np.add.at(of_values, kinds, gradient.reshape(-1, 3))
    np.testing.assert_array_equal(values.grad.numpy(), of_values)


def test_pixels_are_alike_where_all_planes_are_and_their_bytes_are_shares_of_255():
    stacks = np.random.default_rng(1).integers(0, 2, (2, 4, 9, 7), dtype=np.uint8) * 255
    stacks[0, 0, 0, :3] = 1, 2, 254
    picture = number_pixels(kernels(), torch.from_numpy(stacks))
    planes = stacks.astype(np.int64)
    number = sum(planes[:, p] << 8 * p for p in range(4))
    np.testing.assert_array_equal(picture.numpy().astype(np.uint32), number)
    found = find_windows(kernels(), picture, side=3, stride=2)
    windows = np.stack([cut(stacks[:, p], 3, 2) for p in range(4)], axis=3)
    flat = windows.reshape(-1, 4 * 9)
    firsts = [int(np.flatnonzero(found.kinds.numpy().reshape(-1) == kind)[0])
              for kind in range(len(found.begins))]  # fmt: skip
    np.testing.assert_array_equal(
        found.of_bytes(torch.from_numpy(stacks)).numpy(),
        flat[firsts].astype(np.float32) / np.float32(255),
    )
