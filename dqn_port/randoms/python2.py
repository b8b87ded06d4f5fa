"""Python 2's ``random``: its formulas over the one Mersenne Twister that Python 3 still has.

``random.seed(int)`` and ``random()`` are the same in both; ``randrange`` and ``randint`` are not:
Python 3 draws bits where Python 2 scaled one double.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields

_WORDS: Final = 624


class Python2Random:
    """A seeded stream of draws, equal to Python 2's ``random.seed(seed)`` and what follows it."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.n_draws = 0
        """How many doubles were drawn."""

    def random(self) -> float:
        """Draw a double from [0, 1)."""
        self.n_draws += 1
        return self._random.random()

    def randrange(self, n: int) -> int:
        """Draw a whole number of 0 to n − 1."""
        return int(self.random() * n)

    def randint(self, a: int, b: int) -> int:
        """Draw a whole number of a to b."""
        return a + int(self.random() * (b - a + 1))

    def state_dict(self) -> dict[str, Any]:
        """Return all of the stream's state; its words: uint32 [625], the last is the position."""
        words = np.array(self._random.getstate()[1], dtype=np.uint32)
        return {"words": words, "n_draws": self.n_draws}

    def load_state_dict(self, state: Mapping[str, Any], where: str = "random") -> None:
        """Go on from what ``state_dict`` returned.

        Raises:
            CheckpointError: it is not such a state.
        """
        fields = Fields(state, where)
        words = fields.array("words", np.empty(_WORDS + 1, dtype=np.uint32))
        n_draws = fields.integer("n_draws", low=0)
        if words[_WORDS] > _WORDS:
            raise CheckpointError(
                f"{where}.words: expected a position of 0 to {_WORDS}, got {words[_WORDS]}"
            )
        self._random.setstate((3, tuple(words.tolist()), None))
        self.n_draws = n_draws
