"""The kernels in C give the very numbers of the NumPy they stand in for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqn_port.native.library import kernels
from dqn_port.systems.lua_dqn import game_screen
from dqn_port.systems.lua_dqn.preprocs import image_scale
from dqn_port.systems.lua_dqn.preprocs.image_scale import Scale


@pytest.fixture(autouse=True)
def _compiled():
    assert kernels() is not None, "the tests need a C compiler: apt-get install gcc"


SIZES = st.integers(1, 60)


def without_kernels(scale: Scale) -> Scale:
    scale._kernels = None
    return scale


@given(src=st.tuples(SIZES, SIZES), dst=st.tuples(SIZES, SIZES), seed=st.integers(0, 9))
def test_an_image_of_any_size_is_scaled_the_same(src, dst, seed):
    image = np.random.default_rng(seed).random(src, dtype=np.float32)
    expected = without_kernels(Scale(src, dst)).forward(image)
    got = Scale(src, dst).forward(image)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


def test_an_atari_screen_is_scaled_the_same_and_by_the_kernels(monkeypatch):
    image = np.random.default_rng(0).random((210, 160), dtype=np.float32)
    expected = without_kernels(Scale((210, 160), (84, 84))).forward(image)
    scale = Scale((210, 160), (84, 84))
    monkeypatch.setattr(image_scale, "_resample", None)
    first = scale.forward(image)
    np.testing.assert_array_equal(first, expected)
    assert scale.forward(image) is not first, "a state must not change when the next one is made"


def test_images_the_kernels_do_not_take_are_scaled_by_numpy():
    images = np.random.default_rng(0).random((2, 3, 40, 30), dtype=np.float32)
    scale = Scale((40, 30), (17, 12))
    got = scale.forward(images)
    for i in range(2):
        for k in range(3):
            np.testing.assert_array_equal(got[i, k], scale.forward(images[i, k]))
    turned = np.asfortranarray(images[0, 0])
    np.testing.assert_array_equal(scale.forward(turned), got[0, 0])


def test_pairs_are_looked_up_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    table = rng.random(256 * 256, dtype=np.float32)
    first, second = rng.integers(0, 256, (2, 210, 160), dtype=np.uint8)
    got = game_screen.look_up_pairs(table, first, second)
    monkeypatch.setattr(game_screen, "kernels", lambda: None)
    np.testing.assert_array_equal(got, game_screen.look_up_pairs(table, first, second))
    np.testing.assert_array_equal(got, table[first.astype(int) * 256 + second])


def test_rows_that_repeat_give_what_the_first_of_them_gave():
    rng = np.random.default_rng(0)
    table = rng.random(256 * 256, dtype=np.float32)
    first, second = rng.integers(0, 256, (2, 70, 160), dtype=np.uint8).repeat(3, axis=1)
    # Of a row that is repeated one frame alone may differ, and in one place.
    second[40, 159] ^= 1
    first[100, 0] ^= 1
    got = game_screen.look_up_pairs(table, first, second)
    np.testing.assert_array_equal(got, table[first.astype(int) * 256 + second])
    np.testing.assert_array_equal(
        Scale((210, 160), (84, 84)).forward(got),
        without_kernels(Scale((210, 160), (84, 84))).forward(got),
    )
