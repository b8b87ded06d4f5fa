from __future__ import annotations

import pytest

from dqn_port.randoms.torch import Generator, GeneratorError
from tests.verify.shipped import DRAWS, assert_same


def test_draws_of_every_kind_are_the_originals():
    assert_same(DRAWS)


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
