"""rgb2y, image.scale and the preprocessing against the original's floats and bytes."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.errors import ArgsError
from dqn_port.systems.lua_dqn.preprocs.net_downsample_2x_full_y import NetDownsample2xFullY
from tests.golden_files import arrays
from tests.verify.shipped import SCREENS, assert_same


def test_floats_and_stored_bytes_are_the_originals_bit_for_bit():
    assert_same(SCREENS)


def test_the_original_truncated_bytes_and_did_not_round_them():
    data = arrays("preproc")
    for name in (name.removesuffix("_byte") for name in data if name.endswith("0_byte")):
        rounded = np.rint(data[f"{name}_out"].reshape(-1) * 255).astype(np.uint8)
        assert (data[f"{name}_byte"] != rounded).any()


def test_of_a_batch_of_screens_only_the_first_is_used():
    batch = np.random.default_rng(1).random((2, 3, 210, 160), dtype=np.float32)
    preproc = NetDownsample2xFullY()
    np.testing.assert_array_equal(preproc.forward(batch), preproc.forward(batch[0]))


def test_another_shape_is_refused_in_one_line():
    with pytest.raises(ArgsError) as caught:
        NetDownsample2xFullY().forward(np.zeros((210, 160), np.float32))
    assert str(caught.value) == (
        "net_downsample_2x_full_y: expected RGB of shape [3, height, width], got [210, 160]; "
        "set env_params.useRGB to true"
    )
