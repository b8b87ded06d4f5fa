"""States of the libraries' own generators as arrays, and checked on the way back."""

from __future__ import annotations

import random

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields

_WORDS = 624
_VERSION = 3
"""Of random.Random's state."""


def torch_state(generator: torch.Generator) -> NDArray[np.uint8]:
    """Return the state of a generator of PyTorch's on the CPU: uint8 [n]."""
    state: NDArray[np.uint8] = generator.get_state().numpy().copy()
    return state


def load_torch_state(generator: torch.Generator, fields: Fields, name: str) -> None:
    """Go on from a field that holds what ``torch_state`` gave.

    Raises:
        CheckpointError: it holds something else.
    """
    state = fields.array(name, torch_state(generator))
    try:
        generator.set_state(torch.from_numpy(np.array(state)))
    except RuntimeError as error:
        raise CheckpointError(
            f"{name}: expected the state of a PyTorch generator, got another"
        ) from error


def python_state(generator: random.Random) -> NDArray[np.uint32]:
    """Return the state of a random.Random, of which no normal numbers are drawn: uint32 [625]."""
    return np.array(generator.getstate()[1], dtype=np.uint32)


def load_python_state(generator: random.Random, fields: Fields, name: str) -> None:
    """Go on from a field that holds what ``python_state`` gave.

    Raises:
        CheckpointError: it holds something else.
    """
    state = fields.array(name, python_state(generator))
    if int(state[_WORDS]) > _WORDS or not state[:_WORDS].any():
        raise CheckpointError(
            f"{name}: expected {_WORDS} words, not all 0, and a position of 0 to {_WORDS}, got "
            f"position {state[_WORDS]}"
        )
    generator.setstate((_VERSION, tuple(state.tolist()), None))
