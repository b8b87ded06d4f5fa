"""Formulas of the traces' inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_WORD = 0xFFFFFFFF
_AT_ONCE = 500_000
"""Values made at a time, which stay in the cache."""


def mix(i: ArrayLike, t: int) -> NDArray[np.int64]:
    """Return 32 bits of every index."""
    x = (np.asarray(i, dtype=np.uint64) * np.uint64(2654435761)) & np.uint64(_WORD)
    x = (x + np.uint64((t * 40503 + 12345) & _WORD)) & np.uint64(_WORD)
    for shift, factor in ((16, 2246822519), (13, 3266489917)):
        x = ((x ^ (x >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(_WORD)
    x ^= x >> np.uint64(16)
    return x.astype(np.int64)


def unit(i: ArrayLike, t: int) -> NDArray[np.float64]:
    """Return a number from 0 to 1 for every index."""
    return mix(i, t) / 2.0**32


class ScriptedNetwork:
    """The traces' stand-in for a network: linear in sums of parts of the state, in double."""

    def __init__(self, salt: int, num_actions: int, scale: float = 1.0) -> None:
        a, j = np.arange(num_actions), np.arange(40)
        self.b = (unit(a, salt + 1) - 0.5) * 0.2 * scale
        self.w = (unit(40 * a[:, None] + j, salt) - 0.5) * 0.5 * scale

    def features(self, states: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return float64 [B, 40] of uint8 [B, 105, 80, 2]."""
        blocks = states.reshape(-1, 5, 21, 4, 20, 2).sum(axis=(2, 4), dtype=np.int64)
        return blocks.reshape(-1, 40) / 107100

    def _estimate(self, f: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return float64 [num_actions] of [40], summed in the order of the features."""
        q = self.b.copy()
        for j in range(40):
            q += self.w[:, j] * f[j]
        return q

    def get_q_values(self, state: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a state's Q-values, float32 [num_actions]."""
        return self._estimate(self.features(state[None])[0]).astype(np.float32)

    def update(
        self, states: NDArray[np.uint8], targets: NDArray[np.float64], learning_rate: float
    ) -> float:
        """Make one update and return the loss before it."""
        n = len(states)
        gw, gb, total = np.zeros_like(self.w), np.zeros_like(self.b), 0.0
        for f, target in zip(self.features(states), targets.astype(np.float32), strict=True):
            d = self._estimate(f) - target
            row = 0.0
            for x in d.tolist():
                row += x * x
            total += row
            gb += 2 * d / n
            gw += (2 * d / n)[:, None] * f
        lr = float(np.float32(learning_rate))
        self.b -= 20 * lr * gb
        self.w -= 20 * lr * gw
        return float(np.float32(total / n))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return copies of the weights."""
        return {"W": self.w.copy(), "b": self.b.copy()}

    def load_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over weights."""
        self.w, self.b = arrays["W"].copy(), arrays["b"].copy()


def tensors(network: Any, salt: int) -> dict[str, NDArray[np.float32]]:
    """Return first weights by formula, in TensorFlow's layout, for every parameter."""
    found = {}
    for t, (name, parameter) in enumerate(network.named_parameters()):
        limit = 0.05 if name.endswith("bias") else 0.0305
        values = np.empty(parameter.numel(), dtype=np.float32)
        for begin in range(0, len(values), _AT_ONCE):
            i = np.arange(begin, min(begin + _AT_ONCE, len(values)))
            values[i] = (unit(i, salt + t) - 0.5) * 2 * limit
        found[name] = values.reshape(parameter.shape)
    return found


def probes(values: NDArray[Any], t: int) -> NDArray[Any]:
    """Return 24 values of the tensor with number ``t``."""
    return values.reshape(-1)[mix(np.arange(24), 77 + t) % values.size]


def sums(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return a tensor's sum, sum of squares and largest absolute value: float64 [3]."""
    flat, total, squares, largest = values.reshape(-1), 0.0, 0.0, 0.0
    for begin in range(0, flat.size, _AT_ONCE):
        x = flat[begin : begin + _AT_ONCE].astype(np.float64)
        total += float(x.sum())
        largest = max(largest, float(np.abs(x).max()))
        squares += float(np.square(x, out=x).sum())
    return np.array([total, squares, largest])
