"""rgb2y, image.scale and the preprocessing against the original's floats and bytes."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.errors import ArgsError
from dqn_port.frameworks.alewrap.game_screen import PooledScreen
from dqn_port.preprocs.image_scale import Scale
from dqn_port.preprocs.net_downsample_2x_full_y import NetDownsample2xFullY, rgb2y
from dqn_port.torch7.generator import Generator
from tests.agents.building import make_agent
from tests.golden_files import arrays, meta

SCREENS = sorted(name.removesuffix("_rgb") for name in arrays("preproc") if name.endswith("_rgb"))


def test_image_scale_is_torchs_bit_for_bit():
    data, generator = arrays("preproc"), Generator(99)
    for c, h, w, height, width in meta("preproc")["order"]:
        x = generator.uniform_float(c * h * w, 0, 1).reshape(c, h, w)
        stem = f"scale_{c}x{h}x{w}_to_{height}x{width}"
        if f"{stem}_in" in data:
            np.testing.assert_array_equal(x, data[f"{stem}_in"].reshape(c, h, w))
        else:
            np.testing.assert_array_equal(x.reshape(-1)[:16], data[f"{stem}_in_sha_probe"])
        out = Scale((h, w), (height, width)).forward(x)
        np.testing.assert_array_equal(out, data[f"{stem}_out"].reshape(out.shape), stem)


@pytest.mark.parametrize("screen", SCREENS)
def test_floats_and_stored_bytes_are_the_originals_bit_for_bit(screen):
    data = arrays("preproc")
    rgb = data[f"{screen}_rgb"].transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(rgb2y(rgb), data[f"{screen}_y"][0])
    preproc = NetDownsample2xFullY()
    expected = data[f"{screen}_out"].reshape(-1)
    np.testing.assert_array_equal(preproc.forward(rgb), expected)
    agent = make_agent({}, n_actions=4, network="net_small")
    stored = agent.preprocess(rgb)
    np.testing.assert_array_equal(stored, data[f"{screen}_byte"].reshape(-1))
    np.testing.assert_array_equal(stored / np.float32(255), data[f"{screen}_recent"].reshape(-1))
    rounded = np.rint(expected * 255).astype(np.uint8)
    assert (stored != rounded).any(), "bytes are truncated, not rounded"


@pytest.mark.parametrize("screen", SCREENS)
def test_the_path_of_palette_indices_gives_the_same_bytes(screen):
    data = arrays("preproc")
    rgb = data[f"{screen}_rgb"]
    colours, indices = np.unique(rgb.reshape(-1, 3), axis=0, return_inverse=True)
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[: len(colours)] = colours
    frame = indices.reshape(1, 210, 160).astype(np.uint8)
    pooled = PooledScreen(frame, palette, "max")
    np.testing.assert_array_equal(
        NetDownsample2xFullY().forward(pooled), data[f"{screen}_out"].reshape(-1)
    )


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
