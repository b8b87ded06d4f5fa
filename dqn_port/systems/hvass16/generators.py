"""NumPy's legacy generators, as a saved state holds them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from dqn_port.fields import Fields

_WORDS: Final = 624


def random_state_dict(generator: np.random.RandomState) -> dict[str, Any]:
    """Return a generator's exact state."""
    _, key, pos, has_gauss, cached = generator.get_state(legacy=True)
    return {
        "key": np.array(key, dtype=np.uint32),
        "pos": int(pos),
        "has_gauss": bool(has_gauss),
        "cached_gaussian": float(cached),
    }


def load_random_state(fields: Fields) -> np.random.RandomState:
    """Return a generator in a saved state.

    Raises:
        CheckpointError: a field is missing or damaged.
    """
    key = fields.array("key", np.zeros(_WORDS, dtype=np.uint32))
    pos = fields.integer("pos", low=0, high=_WORDS)
    has_gauss, cached = fields.boolean("has_gauss"), fields.number("cached_gaussian")
    generator = np.random.RandomState(0)
    generator.set_state(("MT19937", key, pos, int(has_gauss), cached))
    return generator
