"""States of the libraries' generators go on where they were taken, and damaged ones are refused."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.randoms.states import (
    load_python_state,
    load_torch_state,
    python_state,
    torch_state,
)


def test_pythons_generator_goes_on():
    one, other = random.Random(5), random.Random(6)
    for _ in range(700):
        one.random()
    load_python_state(other, Fields({"g": python_state(one)}, "state"), "g")
    assert [one.random() for _ in range(700)] == [other.random() for _ in range(700)]


def test_pytorchs_generator_goes_on():
    one, other = torch.Generator().manual_seed(5), torch.Generator().manual_seed(6)
    torch.rand(700, generator=one)
    load_torch_state(other, Fields({"g": torch_state(one)}, "state"), "g")
    assert torch.rand(700, generator=one).equal(torch.rand(700, generator=other))


def test_damaged_states_are_refused():
    with pytest.raises(CheckpointError) as caught:
        load_python_state(random.Random(), Fields({"g": np.full(625, 700, np.uint32)}, "s"), "g")
    assert str(caught.value) == (
        "g: expected 624 words, not all 0, and a position of 0 to 624, got position 700"
    )
    with pytest.raises(CheckpointError) as caught:
        load_torch_state(torch.Generator(), Fields({"g": np.zeros(5056, np.uint8)}, "s"), "g")
    assert str(caught.value) == "g: expected the state of a PyTorch generator, got another"
    with pytest.raises(CheckpointError) as caught:
        load_python_state(random.Random(), Fields({"g": [1]}, "s"), "g")
    assert str(caught.value) == "s.g: expected uint32 [625], got a list"
