"""Torch7's random numbers: one Mersenne Twister from which everything is drawn.

Lua: torch7's THRandom. Raw 32-bit outputs ``u`` are those of MT19937 (Matsumoto and
Nishimura 1998); ``random``, ``uniform`` and ``normal`` are made of them as Torch7 does.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import DqnPortError

_STATE_WORDS = 624
_BLOCK = 4096
"""Raw outputs fetched at a time; any number gives the same stream."""


class GeneratorError(DqnPortError):
    """A draw was asked for that Torch7 refuses."""


def _init_genrand(seed: int) -> NDArray[np.uint32]:
    """Return the 624 words that MT19937 starts from: uint32 [624]."""
    words = [seed & 0xFFFFFFFF]
    for i in range(1, _STATE_WORDS):
        previous = words[-1]
        words.append((1812433253 * (previous ^ (previous >> 30)) + i) & 0xFFFFFFFF)
    return np.array(words, dtype=np.uint32)


class Generator:
    """A seeded stream of draws, equal to ``torch.manualSeed(seed)`` and what follows it.

    ``n_draws`` counts the calls of ``random`` and ``uniform`` (a draw of k numbers counts k),
    as the original's traces count them; ``uniform_tensor`` counts one a number, too.
    """

    def __init__(self, seed: int = 1) -> None:
        self._bits = np.random.MT19937()
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> None:
        """Start the stream anew from ``seed`` (its low 32 bits). Lua: torch.manualSeed."""
        key = _init_genrand(seed)
        self._bits.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": _STATE_WORDS}}
        self._block = np.empty(0, dtype=np.uint32)
        self._block_start: Any = self._bits.state
        self._at = 0
        self._second_normal: float | None = None
        self.n_draws = 0

    def get_state(self) -> dict[str, Any]:
        """Return all of the stream's state, of plain types and one uint32 [624] array."""
        start = self._block_start["state"]
        return {
            "key": np.array(start["key"], dtype=np.uint32),
            "pos": int(start["pos"]),
            "skip": self._at,
            "second_normal": self._second_normal,
            "n_draws": self.n_draws,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what ``get_state`` returned."""
        inner: Any = {"key": np.asarray(state["key"], dtype=np.uint32), "pos": int(state["pos"])}
        self._bits.state = {"bit_generator": "MT19937", "state": inner}
        self._block = np.empty(0, dtype=np.uint32)
        self._block_start = self._bits.state
        self._at = 0
        self.peek(int(state["skip"]))
        self._at = int(state["skip"])
        self._second_normal = state["second_normal"]
        self.n_draws = int(state["n_draws"])

    def peek(self, n: int) -> NDArray[np.uint32]:
        """Return the next ``n`` raw outputs, uint32 [n], without consuming them."""
        while len(self._block) - self._at < n:
            if self._at >= len(self._block):
                self._block_start = self._bits.state
                self._block = self._bits.random_raw(max(_BLOCK, n)).astype(np.uint32)
                self._at = 0
            else:
                more = self._bits.random_raw(max(_BLOCK, n)).astype(np.uint32)
                self._block = np.concatenate((self._block, more))
        if self._at > 16 * _BLOCK:
            self._rebase()
        return self._block[self._at : self._at + n]

    def _rebase(self) -> None:
        """Forget the consumed part of a block that was extended many times."""
        bits = np.random.MT19937()
        bits.state = self._block_start
        bits.random_raw(self._at, output=False)
        self._block_start = bits.state
        self._block = self._block[self._at :]
        self._at = 0

    def advance(self, n: int) -> None:
        """Consume ``n`` raw outputs that ``peek`` has shown."""
        self._at += n
        self.n_draws += n

    def _raw(self) -> int:
        if self._at >= len(self._block):
            self.peek(1)
        u = int(self._block[self._at])
        self._at += 1
        self.n_draws += 1
        return u

    def random(self, a: int | None = None, b: int | None = None) -> int:
        """Draw a whole number: ``u``, or from 1..a, or from a..b. Lua: torch.random.

        Raises:
            GeneratorError: the range is empty (in Torch7, too).
        """
        if a is None:
            return self._raw()
        low, high = (1, a) if b is None else (a, b)
        if high < low:
            raise GeneratorError(
                f"random({low}, {high}): expected a range that is not empty, got upper bound {high}"
            )
        return self._raw() % (high - low + 1) + low

    def uniform(self, a: float = 0.0, b: float = 1.0) -> float:
        """Draw a double from [a, b), one raw output. Lua: torch.uniform."""
        return self._raw() * 2.0**-32 * (b - a) + a

    def bernoulli(self, p: float = 0.5) -> int:
        """Draw 1 with probability ``p``, else 0. Lua: torch.bernoulli."""
        return int(self.uniform() <= p)

    def normal(self, mean: float = 0.0, std: float = 1.0) -> float:
        """Draw a normal double by Box and Muller, two raw outputs for two numbers."""
        if self._second_normal is None:
            x, y = self.uniform(), self.uniform()
            rho = math.sqrt(-2.0 * math.log(1.0 - y))
            self._second_normal = rho * math.sin(2.0 * math.pi * x)
            return rho * math.cos(2.0 * math.pi * x) * std + mean
        value, self._second_normal = self._second_normal, None
        return value * std + mean

    def uniform_float(self, n: int, a: float, b: float) -> NDArray[np.float32]:
        """Draw float32 [n] from [a, b]. Lua: FloatTensor:uniform(a, b).

        Lua quirk: ``a`` and ``b`` are rounded to float32 before the double formula
        (tests/randoms/test_torch.py).
        """
        low, high = float(np.float32(a)), float(np.float32(b))
        u = self.peek(n).astype(np.float64)
        self.advance(n)
        return (u * 2.0**-32 * (high - low) + low).astype(np.float32)

    def uniform_double(self, n: int, a: float, b: float) -> NDArray[np.float64]:
        """Draw float64 [n] from [a, b). Lua: DoubleTensor:uniform(a, b)."""
        u = self.peek(n).astype(np.float64)
        self.advance(n)
        return u * 2.0**-32 * (b - a) + a
