from __future__ import annotations

import numpy as np
import pytest

from dqn_port.torch7.generator import Generator, GeneratorError
from tests.golden_files import arrays

SEEDS = (1, 2, 12345, 4294967295)
SCALARS = {
    "random": lambda g: g.random(),
    "random_1_6": lambda g: g.random(1, 6),
    "random_2_997": lambda g: g.random(2, 997),
    "random_30": lambda g: g.random(30),
    "uniform": lambda g: g.uniform(),
    "uniform_m01_p01": lambda g: g.uniform(-0.1, 0.1),
    "bernoulli": lambda g: g.bernoulli(0.3),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SCALARS)
def test_scalar_draws_are_the_originals_bit_for_bit(seed, name):
    expected = arrays("rng")[f"s{seed}_{name}"]
    generator = Generator(seed)
    got = np.array([SCALARS[name](generator) for _ in expected], dtype=np.float64)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_normal_draws_are_the_originals(seed):
    expected = arrays("rng")[f"s{seed}_normal"]
    generator = Generator(seed)
    got = np.array([generator.normal() for _ in expected])
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("seed", SEEDS)
def test_tensor_draws_are_the_originals_bit_for_bit(seed):
    floats = arrays("rng")[f"s{seed}_float_uniform_m01_p01"]
    doubles = arrays("rng")[f"s{seed}_double_uniform_m01_p01"]
    got = Generator(seed).uniform_float(len(floats), -0.1, 0.1)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, floats)
    np.testing.assert_array_equal(Generator(seed).uniform_double(len(doubles), -0.1, 0.1), doubles)


@pytest.mark.parametrize("seed", SEEDS)
def test_draws_of_all_kinds_interleave_as_in_the_original(seed):
    expected = arrays("rng")[f"s{seed}_interleaved"]
    generator = Generator(seed)
    kinds = {
        0: lambda: generator.random(),
        1: lambda: generator.random(1, 6),
        2: lambda: generator.uniform(),
        3: lambda: generator.random(30),
        4: lambda: generator.uniform_float(5, -0.5, 0.5)[4],
        5: lambda: generator.uniform(-2, 3),
        6: lambda: generator.random(2, 997),
    }
    got = np.array([kinds[i % 7]() for i in range(1, len(expected) + 1)], dtype=np.float64)
    np.testing.assert_array_equal(got, expected)


def test_the_state_goes_on_exactly_wherever_it_was_taken():
    generator = Generator(7)
    for taken_after in (0, 1, 623, 4095, 4096, 5000, 70000):
        generator.manual_seed(7)
        generator.peek(taken_after)
        generator.advance(taken_after)
        generator.normal()
        state = generator.get_state()
        expected = [generator.random() for _ in range(5000)] + [generator.normal()]
        other = Generator(99)
        other.set_state(state)
        assert [other.random() for _ in range(5000)] + [other.normal()] == expected
        assert other.n_draws == generator.n_draws


def test_peeking_in_steps_never_changes_the_stream_nor_keeps_all_of_it():
    one, two = Generator(3), Generator(3)
    for _ in range(300):
        one.peek(1000)
        one.advance(777)
    for _ in range(300 * 777):
        two.random()
    assert one.random() == two.random()
    assert len(one._block) < 32 * 4096


def test_an_empty_range_is_refused_in_one_line():
    with pytest.raises(GeneratorError) as caught:
        Generator(1).random(0)
    assert str(caught.value) == (
        "random(1, 0): expected a range that is not empty, got upper bound 0"
    )
