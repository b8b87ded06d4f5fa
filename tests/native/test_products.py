"""The sums of products.c and network.c, term by term in the order that the traces show."""

from __future__ import annotations

import multiprocessing
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dqn_port.native import plain
from dqn_port.native.library import kernels
from dqn_port.native.products import (
    Planes,
    Products,
    Zeros,
    ends_of_blocks,
    rows_with_two_chains,
    sides_of_rows,
)
from dqn_port.systems.lua_dqn import rmsprop
from dqn_port.systems.lua_dqn.rmsprop import CentredRmsprop, add_scaled

LIBRARY = kernels()
F32 = np.float32


@pytest.fixture(autouse=True)
def _compiled():
    assert LIBRARY is not None, "the tests need a C compiler: apt-get install gcc"
    assert LIBRARY.lanes_of_a_panel() > 0


def expected_products(a, b):
    """Return [n, m] of a [k, m] and b [k, n]."""
    two = rows_with_two_chains(a.shape[1], b.shape[1])
    return plain.sum_products(a, b, two=two, ends=ends_of_blocks(len(a)))


def products(m, n, k, *, lanes_apart, terms_apart, zeros=Zeros.LANES):
    return Products(
        LIBRARY,
        lanes=(np.arange(m) * lanes_apart, np.arange(m)),
        rows=(np.arange(n), np.arange(n) * m),
        terms=(np.arange(k) * terms_apart, np.arange(k) * n),
        two_chains=rows_with_two_chains(m, n),
        ends=ends_of_blocks(k),
        zeros=zeros,
    )


def drawn(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, dtype=F32)


@settings(max_examples=60, deadline=None)
@given(m=st.integers(1, 90), n=st.integers(1, 40), k=st.integers(1, 90), turned=st.booleans())
def test_small_products_are_summed_in_order(m, n, k, turned):
    a, b = drawn(0, k, m), drawn(1, k, n)
    laid_out = torch.from_numpy(np.ascontiguousarray(a.T if turned else a))
    out = torch.empty(n, m)
    made = products(m, n, k, lanes_apart=k if turned else 1, terms_apart=1 if turned else m)
    made.into(out, laid_out, torch.from_numpy(b))
    np.testing.assert_array_equal(out.numpy(), expected_products(a, b))


@settings(max_examples=40, deadline=None)
@given(m=st.integers(1, 60), n=st.integers(1, 40), k=st.one_of(st.integers(1, 40), st.just(333)),
       zeros=st.sampled_from(Zeros), seed=st.integers(0, 2**32))  # fmt: skip
def test_lanes_and_rows_may_change_places(m, n, k, zeros, seed):
    generator = np.random.default_rng(seed)
    a, b = holed(seed, generator, k, m), holed(seed + 1, generator, k, n)
    made = Products(
        LIBRARY,
        lanes=(np.arange(n), np.arange(n)),
        rows=(np.arange(m), np.arange(m) * n),
        terms=(np.arange(k) * n, np.arange(k) * m),
        two_chains=sides_of_rows(n),
        sides=rows_with_two_chains(m, n),
        ends=ends_of_blocks(k),
        zeros=zeros,
    )
    out = torch.empty(m, n)
    made.into(out, torch.from_numpy(b), torch.from_numpy(a))
    np.testing.assert_array_equal(out.numpy().T, expected_products(a, b))


@pytest.mark.parametrize("k", [4, 15, 64, 333])
@pytest.mark.parametrize("at", [0, 9])
def test_a_single_row_may_have_two_chains(k, at):
    """As the samples of a linear layer's batch, of which only one is computed."""
    m, n = 32, 41
    a, b = drawn(0, k, m), drawn(1, k, n)
    weights, x = np.ascontiguousarray(b.T), np.ascontiguousarray(a[:, at])
    made = Products(
        LIBRARY,
        lanes=(np.arange(n) * k, np.arange(n)),
        rows=(np.zeros(1, int), np.zeros(1, int)),
        terms=(np.arange(k), np.arange(k)),
        two_chains=sides_of_rows(n),
        sides=rows_with_two_chains(m, n)[at : at + 1],
        ends=ends_of_blocks(k),
        zeros=Zeros.ROWS,
    )
    out = torch.empty(n)
    made.into(out, torch.from_numpy(weights), torch.from_numpy(x))
    np.testing.assert_array_equal(out.numpy(), expected_products(a, b)[:, at])


def holed(seed, generator, *shape):
    """Return normal numbers among zeros: single ones, whole rows and whole columns."""
    x = drawn(seed, *shape)
    x[generator.random(shape) < 0.3] = -0.0
    x[generator.random(shape[0]) < 0.4] = 0
    x[:, generator.random(shape[1]) < 0.4] = 0
    return x


@settings(max_examples=90, deadline=None)
@given(
    m=st.integers(1, 60),
    n=st.integers(1, 60),
    k=st.one_of(st.integers(1, 40), st.just(333)),
    zeros=st.sampled_from(Zeros),
    turned=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_products_with_zero_change_no_sum(m, n, k, zeros, turned, seed):
    generator = np.random.default_rng(seed)
    a, b = holed(seed, generator, k, m), holed(seed + 1, generator, k, n)
    out = torch.full((n, m), torch.nan)
    apart = {"lanes_apart": k, "terms_apart": 1} if turned else {"lanes_apart": 1, "terms_apart": m}
    made = products(m, n, k, zeros=zeros, **apart)
    laid_out = torch.from_numpy(np.ascontiguousarray(a.T if turned else a))
    for _ in range(2):
        made.into(out, laid_out, torch.from_numpy(b))
        np.testing.assert_array_equal(out.numpy(), expected_products(a, b))


@pytest.mark.parametrize("rows", [1, 5])
def test_a_weight_that_is_not_finite_is_met_where_its_factor_is_not_zero(rows):
    """In Lua 0 times infinity is NaN at once."""
    weights, x = drawn(0, 40, 16), drawn(1, 16, rows)
    weights[3, 7], x[4:8] = np.inf, 0
    made = products(40, rows, 16, lanes_apart=16, terms_apart=1, zeros=Zeros.ROWS)
    out = torch.empty(rows, 40)
    made.into(out, *map(torch.from_numpy, (weights, x)))
    assert out.isfinite().all()
    x[7] = 1e-30
    made.into(out, *map(torch.from_numpy, (weights, x)))
    assert (~out.isfinite()).sum(dim=1).eq(1).all()


@settings(max_examples=40, deadline=None)
@given(m=st.integers(1, 60), n=st.integers(1, 40), k=st.sampled_from([7, 32, 400]),
       seed=st.integers(0, 2**32))  # fmt: skip
def test_what_is_needed_is_set(m, n, k, seed):
    generator = np.random.default_rng(seed)
    a, b, needed_by = drawn(0, k, m), drawn(1, k, n), holed(2, generator, n, m)
    out = torch.full((n, m), torch.nan)
    products(m, n, k, lanes_apart=1, terms_apart=m, zeros=Zeros.ROWS).into(
        out, *map(torch.from_numpy, (a, b)), needed_by=torch.from_numpy(needed_by)
    )
    where = needed_by != 0
    np.testing.assert_array_equal(out.numpy()[where], expected_products(a, b)[where])


def test_no_more_than_what_is_needed_is_computed():
    a, b, needed_by = drawn(0, 9, 512), drawn(1, 9, 24), np.zeros((24, 512), F32)
    needed_by[7, 40] = 1
    out = torch.full((24, 512), torch.nan)
    products(512, 24, 9, lanes_apart=1, terms_apart=512).into(
        out, *map(torch.from_numpy, (a, b)), needed_by=torch.from_numpy(needed_by)
    )
    assert out[7, 40] == float(expected_products(a, b)[7, 40])
    assert 1 <= out.isfinite().sum() <= 6 * LIBRARY.lanes_of_a_panel()


@pytest.mark.parametrize("positions", [20, 33, 81])
def test_gradients_of_needed_planes_are_set(positions):
    samples, planes, taps, k = 5, 7, 4, 30
    rows, lanes = planes * taps, samples * positions
    a, b = drawn(0, k, lanes), drawn(1, k, rows)
    alive = np.random.default_rng(0).integers(0, 2, (samples, planes), dtype=np.uint8)
    two = np.tile(rows_with_two_chains(positions, rows), samples)
    out = torch.full((samples, rows, positions), torch.nan)
    of = np.repeat(np.arange(samples), positions)
    made = Products(
        LIBRARY,
        lanes=(np.arange(lanes), of * rows * positions + np.arange(lanes) % positions),
        rows=(np.arange(rows), np.arange(rows) * positions),
        terms=(np.arange(k) * lanes, np.arange(k) * rows),
        two_chains=two,
        ends=ends_of_blocks(k),
        planes=Planes(of, rows=taps),
    )
    made.into(out, *map(torch.from_numpy, (a, b)), needed_by=torch.from_numpy(alive))
    for sample, got in enumerate(out.view(samples, planes, taps, positions).numpy()):
        part = np.ascontiguousarray(a[:, sample * positions : (sample + 1) * positions])
        expected = expected_products(part, b).reshape(planes, taps, positions)
        is_alive = alive[sample] == 1
        np.testing.assert_array_equal(got[is_alive], expected[is_alive])
    assert out.isnan().any()


@pytest.mark.parametrize(
    ("m", "n", "k", "apart"), [(50, 9, 24, 24), (50, 9, 23, 23), (33, 7, 20, 1)]
)
def test_bytes_stand_for_their_255th_parts(m, n, k, apart):
    bytes_ = np.random.default_rng(0).integers(0, 256, (k, m), dtype=np.uint8)
    b, out = drawn(1, k, n), torch.empty(n, m)
    laid_out = np.ascontiguousarray(bytes_ if apart == 1 else bytes_.T)
    made = products(m, n, k, lanes_apart=apart, terms_apart=m if apart == 1 else 1)
    made.into(out, torch.from_numpy(laid_out), torch.from_numpy(b))
    np.testing.assert_array_equal(out.numpy(), expected_products(bytes_ / F32(255), b))


@pytest.mark.parametrize(("m", "n", "k"), [(400, 32, 8), (650, 20, 9), (3, 13, 700), (9, 8, 1000)])
def test_long_products_are_cut_into_blocks(m, n, k):
    a, b, out = drawn(0, k, m), drawn(1, k, n), torch.empty(n, m)
    made = products(m, n, k, lanes_apart=1, terms_apart=m)
    made.into(out, torch.from_numpy(a), torch.from_numpy(b))
    np.testing.assert_array_equal(out.numpy(), expected_products(a, b))


def test_blocks_and_chains_are_where_openblas_has_them():
    assert ends_of_blocks(320).tolist() == [320]
    assert ends_of_blocks(400).tolist() == [200, 400]
    assert ends_of_blocks(3136).tolist() == [*range(320, 2561, 320), 2848, 3136]
    two = rows_with_two_chains(400, 32)
    assert two[:8].tolist() == [1 | 4] * 8
    assert two[8:192].tolist() == [4] * 184
    assert two[192:200].tolist() == [2 | 4] * 8
    assert two[200:208].tolist() == [1] * 8
    assert two[392:].tolist() == [2] * 8
    assert rows_with_two_chains(81, 64).tolist() == [5] * 8 + [4] * 64 + [5] * 8 + [0]
    assert not rows_with_two_chains(512, 1).any()


def test_what_is_first_and_last_is_added_first_and_last():
    a, b, out = drawn(0, 700, 9), drawn(1, 700, 5), torch.empty(5, 9)
    first, last = drawn(2, 5), drawn(3, 9)
    made = products(9, 5, 700, lanes_apart=1, terms_apart=9)
    tensors = map(torch.from_numpy, (a, b))
    made.into(out, *tensors, first=torch.from_numpy(first), last=torch.from_numpy(last))
    expected = plain.sum_products(
        a, b, two=rows_with_two_chains(9, 5), ends=np.array([320, 512, 700]), first=first, last=last
    )
    np.testing.assert_array_equal(out.numpy(), expected)


@pytest.fixture
def threads():
    yield LIBRARY.set_threads
    LIBRARY.set_threads(1)


def test_the_number_of_threads_changes_no_number(threads):
    a, b = torch.from_numpy(drawn(0, 512, 900)), torch.from_numpy(drawn(1, 512, 40))
    made = products(900, 40, 512, lanes_apart=1, terms_apart=900)
    outs = []
    for n in (1, 2, 3, 8):
        threads(n)
        outs.append(torch.empty(40, 900))
        made.into(outs[-1], a, b)
    assert all(torch.equal(out, outs[0]) for out in outs)


@pytest.mark.parametrize("n", [1, 31, 32, 100, 8488])
def test_the_optimiser_without_kernels_gives_the_same_numbers(n, monkeypatch):
    vectors = []
    for _ in range(2):
        w, optimiser = torch.from_numpy(drawn(0, n)), CentredRmsprop(torch.zeros(n))
        for u in range(5):
            dw = torch.from_numpy(drawn(u + 1, n))
            add_scaled(dw, w, -0.01)
            optimiser.step(w, dw, 0.00025)
        vectors.append((w, optimiser.g, optimiser.g2))
        monkeypatch.setattr(rmsprop, "kernels", lambda: None)
    for with_kernels, without in zip(*vectors, strict=True):
        assert torch.equal(with_kernels, without)


def test_only_whole_thirty_twos_are_added_with_one_rounding():
    y, x = drawn(0, 40), drawn(1, 40)
    got = torch.from_numpy(y.copy())
    add_scaled(got, torch.from_numpy(x), 0.05)
    scale = np.full(40, 0.05, F32)
    np.testing.assert_array_equal(got[:32], plain.fused(scale, x, y)[:32])
    np.testing.assert_array_equal(got[32:], (y + scale * x)[32:])


def test_a_fused_product_is_rounded_once():
    """1 + 2^-23 is the float32 after 1: half a step more, and a little, goes up; rounded twice, to
    double first, the little would be lost and the half would go to the even neighbour."""
    one, half = np.array([1], F32), np.array([2.0**-12], F32)
    little = np.array([2.0**-12 + 2.0**-35], F32)
    np.testing.assert_array_equal(plain.fused(half, little, one), F32(1 + 2.0**-23))
    np.testing.assert_array_equal(plain.fused(half, half, one), one)
    x, y, z = np.random.default_rng(0).standard_normal((3, 500)).astype(F32)
    for a, b, c, got in zip(x, y, z, plain.fused(x, y, z), strict=True):
        exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
        others = np.nextafter(got, F32([-np.inf, np.inf]))
        distances = [abs(Fraction(float(value)) - exact) for value in (got, *others)]
        assert distances[0] == min(distances)


@pytest.mark.parametrize("planes", [3, 8, 21])
def test_planes_are_summed_position_by_position_then_sample_by_sample(planes):
    x, out = drawn(0, 5, planes, 49), np.empty(planes, F32)
    LIBRARY.sum_planes(x.ctypes.data, *x.shape, out.ctypes.data)
    np.testing.assert_array_equal(out, plain.sum_planes(x))


@pytest.mark.parametrize("batch", [1, 3, 4, 7, 8, 13, 32])
def test_columns_are_summed_as_sgemv_does(batch):
    for n in (1, 2, 3, 4, 6, 18, 29, 512):
        x, out = drawn(n, batch, n), np.empty(n, F32)
        LIBRARY.sum_columns(x.ctypes.data, batch, n, out.ctypes.data)
        np.testing.assert_array_equal(out, plain.sum_columns(x))


def test_columns_of_three_actions_are_summed_by_twos():
    x = drawn(0, 5, 3)
    np.testing.assert_array_equal(plain.sum_columns(x), ((x[0] + x[1]) + (x[2] + x[3])) + x[4])


@pytest.mark.parametrize(("kernel", "out", "stride"), [(3, 3, 1), (4, 9, 2), (3, 7, 1), (5, 17, 3)])
def test_windows_are_folded_one_after_the_other(kernel, out, stride):
    columns = drawn(0, 2, 3, kernel, kernel, out, out)
    side = stride * out + kernel + 1
    x = np.full((2, 3, side, side), np.nan, F32)
    sizes = (2, 3, kernel, kernel, out, out, stride, stride, side, side)
    # What may be read behind the columns is not added.
    behind = np.concatenate([columns.ravel(), np.full(7, np.nan, F32)])
    LIBRARY.fold(behind.ctypes.data, *sizes, None, x.ctypes.data)
    expected = plain.fold(columns, (stride, stride), side, side)
    np.testing.assert_array_equal(x, expected)
    alive = np.array([[1, 0, 1], [0, 0, 1]], np.uint8)
    x[:] = np.nan
    LIBRARY.fold(behind.ctypes.data, *sizes, alive.ctypes.data, x.ctypes.data)
    np.testing.assert_array_equal(x[alive == 1], expected[alive == 1])
    assert np.isnan(x[alive == 0]).all()


@pytest.mark.parametrize("size", [256, 251, 3])
def test_every_byte_is_divided_by_255_and_rounded_as_a_division(size):
    values = np.arange(size, dtype=np.uint8)
    out = np.full(size + 1, -1, F32)
    LIBRARY.spread_bytes(values.ctypes.data, size, out.ctypes.data)
    np.testing.assert_array_equal(out[:-1], plain.spread_bytes(values))
    assert out[-1] == -1


@pytest.mark.parametrize("n", [1, 7, 8, 1001])
def test_rectifiers_are_their_twins(n):
    x, of_y = drawn(0, n), drawn(1, n)
    x[0] = -0.0
    y, of_x = np.empty((2, n), F32)
    LIBRARY.rectify(x.ctypes.data, n, y.ctypes.data)
    np.testing.assert_array_equal(y.view(np.int32), plain.rectify(x).view(np.int32))
    LIBRARY.rectify_gradient(y.ctypes.data, of_y.ctypes.data, n, of_x.ctypes.data)
    np.testing.assert_array_equal(of_x, plain.rectify_gradient(y, of_y))


@pytest.mark.parametrize("size", [1, 8, 21])
def test_planes_that_are_not_0_everywhere_are_found(size):
    x, alive = np.zeros((6, size), F32), np.empty(6, np.uint8)
    x[1, -1], x[2, 0], x[3], x[4, -1] = 1e-30, -1, -0.0, np.nan
    LIBRARY.find_alive(x.ctypes.data, 6, size, alive.ctypes.data)
    assert alive.tolist() == plain.find_alive(x).tolist() == [0, 1, 1, 0, 1, 0]


@pytest.mark.parametrize("dtype", [np.uint8, F32])
def test_planes_are_placed_amid_zeros(dtype):
    x = np.random.default_rng(0).integers(1, 99, (2, 3, 5, 4)).astype(dtype)
    room = np.zeros((2, 3, 9, 6), dtype)
    inner = room[:, :, 2:7, 1:5]
    LIBRARY.place_planes(
        x.ctypes.data, 6, 5, 4 * x.itemsize, *inner.strides[1:3], inner.ctypes.data
    )
    np.testing.assert_array_equal(room, plain.place_planes(x, 9, 6, 2, 1))


@pytest.mark.parametrize("planes", [1, 3, 4])
def test_pixels_have_one_number_for_all_planes(planes):
    x = np.random.default_rng(0).integers(0, 256, (3, planes, 35), dtype=np.uint8)
    numbers = np.empty((3, 35), np.int32)
    LIBRARY.number_pixels(x.ctypes.data, 3, planes, 35, numbers.ctypes.data)
    np.testing.assert_array_equal(numbers, plain.number_pixels(x))


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize(("lanes", "terms"), [(40, 700), (512, 33), (7, 2)])
def test_a_single_row_is_summed_as_any_other(lanes, terms, holes):
    a, b, out = drawn(0, lanes, terms), drawn(1, terms, 1), torch.empty(1, lanes)
    if holes:
        b[np.arange(terms) // 7 % 2 == 0] = 0
    made = products(lanes, 1, terms, lanes_apart=terms, terms_apart=1)
    made.into(out, torch.from_numpy(a), torch.from_numpy(b))
    np.testing.assert_array_equal(out.numpy(), expected_products(np.ascontiguousarray(a.T), b))


def test_a_forked_child_makes_threads_of_its_own(threads):
    a, b = torch.from_numpy(drawn(0, 512, 900)), torch.from_numpy(drawn(1, 512, 40))
    made, outs = products(900, 40, 512, lanes_apart=1, terms_apart=900), torch.empty(2, 40, 900)
    outs.share_memory_()
    threads(2)
    made.into(outs[0], a, b)
    process = multiprocessing.get_context("fork").Process(target=made.into, args=(outs[1], a, b))
    with warnings.catch_warnings():
        # Python warns of forking a process with threads, which is the matter here.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    process.join(60)
    assert process.exitcode == 0
    assert torch.equal(*outs)
