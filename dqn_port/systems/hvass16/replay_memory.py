"""The replay memory: filled, swept from its end, learned from, and emptied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import ReplayError
from dqn_port.native.library import kernels

DISCOUNT_FACTOR: Final = 0.97
ERROR_THRESHOLD: Final = 0.1
"""Estimation errors from this size on are large."""


def clipped(reward: float) -> float:
    """Return a reward as used in training: clipped to −1 … 1."""
    return float(np.clip(reward, -1.0, 1.0))


class ReplayMemory:
    """Hold states with their Q-values until they are learned from.

    Hvass: reinforcement_learning.py, ReplayMemory

    All arrays have ``size`` rows, of which the first ``num_used`` are in use.
    """

    def __init__(
        self,
        size: int,
        num_actions: int,
        generator: np.random.RandomState,
        *,
        state_shape: tuple[int, int, int],
        discount_factor: float = DISCOUNT_FACTOR,
        error_threshold: float = ERROR_THRESHOLD,
        as_original: bool = False,
    ) -> None:
        """``as_original``: stop, or go wrong, in the edge cases where the original did."""
        self.size, self.generator, self.as_original = size, generator, as_original
        self.discount_factor, self.error_threshold = discount_factor, error_threshold
        # Pages are touched, and so allocated, as they fill.
        self.states = np.zeros((size, *state_shape), dtype=np.uint8)
        self.q_values = np.zeros((size, num_actions))
        self.q_values_old = np.zeros((size, num_actions))
        self.actions = np.zeros(size, dtype=np.int64)
        self.rewards = np.zeros(size)
        self.end_life = np.zeros(size, dtype=np.bool_)
        self.end_episode = np.zeros(size, dtype=np.bool_)
        self.estimation_errors = np.zeros(size)
        self.num_used = 0
        self.fillings = 0
        """How often the memory was emptied."""

    def is_full(self) -> bool:
        """Return whether no state can be added."""
        return self.num_used == self.size

    def used_fraction(self) -> float:
        """Return the part in use, 0..1."""
        return self.num_used / self.size

    def reset(self) -> None:
        """Begin a new filling.

        Quirk: the rows stay as they are. The error of the newest state, the statistics and the
        log of Q-values read them; test_replay_memory.py, test_leftovers_are_read.
        """
        self.num_used = 0
        self.fillings += 1

    def add(
        self,
        state: NDArray[np.uint8],
        q_values: NDArray[Any],
        action: int,
        reward: float,
        end_life: bool,
        end_episode: bool,
    ) -> None:
        """Add a state and its outcome; does nothing if the memory is full.

        ``q_values``: as the network estimated them before the action. ``reward`` is clipped to
        −1..1. The flags say whether the action lost a life, or ended the episode.
        """
        if self.is_full():
            return
        k = self.num_used
        self.num_used += 1
        self.states[k] = state
        self.q_values[k] = q_values
        self.actions[k] = action
        self.end_life[k] = end_life
        self.end_episode[k] = end_episode
        self.rewards[k] = clipped(reward)

    def update_all_q_values(self) -> None:
        """Sweep from the newest state to the oldest: every taken action's value is updated.

        Quirk: the newest state is never updated, and keeps the error left in its row by an earlier
        filling; test_replay_memory.py, test_leftovers_are_read.
        """
        self.q_values_old[:] = self.q_values
        n = self.num_used
        if n < 2:
            return
        library = kernels()
        if library is not None:
            arrays = (self.actions, self.rewards, self.end_life, self.end_episode)
            library.sweep_values(
                *(self.q_values.ctypes.data, n, self.q_values.shape[1]),
                *(array.ctypes.data for array in arrays),
                *(self.discount_factor, self.estimation_errors.ctypes.data),
            )
            return
        rows = np.arange(n)
        actions = self.actions[:n]
        taken = self.q_values[rows, actions]
        others = self.q_values[:n].copy()
        others[rows, actions] = -np.inf
        # Python's floats are doubles, and faster one by one than NumPy's. Backwards:
        # v = r if the life or the episode ends, else r + γ max_a q[k + 1], which is the larger of
        # the value just found and the values of the other actions.
        best_other = others.max(axis=1).tolist()
        ends = (self.end_life[:n] | self.end_episode[:n]).tolist()
        rewards, gamma = self.rewards[:n].tolist(), self.discount_factor
        values = taken.tolist()
        v = values[-1]
        for k in range(n - 2, -1, -1):
            if ends[k]:
                v = rewards[k]
            else:
                other = best_other[k + 1]
                # NaN is the larger, as np.max has it.
                v = rewards[k] + gamma * (v if v > other or v != v else other)
            values[k] = v
        new = np.array(values[:-1])
        self.estimation_errors[: n - 1] = np.abs(new - taken[:-1])
        self.q_values[rows[:-1], actions[:-1]] = new

    def prepare_sampling_prob(self, batch_size: int = 128) -> None:
        """Split the used states by the size of their errors, and set how many of each are drawn.

        At least half of a batch has large errors.

        Quirk: exactly one large error is an error in the original, and fewer of them than a batch
        takes are one as soon as a batch is drawn; with ``as_original`` here, too. Else there are
        as many as there are, and the batch is filled from the others;
        test_replay_memory.py, test_edges.

        Raises:
            ReplayError: there are no states, or, ``as_original``, there is one large error.
        """
        errors = self.estimation_errors[: self.num_used]
        low = errors < self.error_threshold
        self.idx_err_lo, self.idx_err_hi = np.flatnonzero(low), np.flatnonzero(~low)
        n_lo, n_hi = len(self.idx_err_lo), len(self.idx_err_hi)
        if not n_lo + n_hi:
            raise ReplayError("replay memory: expected states to learn from, got none")
        if self.as_original and n_hi == 1:
            raise _stops("TypeError: len() of unsized object", "exactly one large error")
        prob = max(n_hi / self.num_used, 0.5)
        self.num_samples_err_hi = int(prob * batch_size)
        self.num_samples_err_lo = batch_size - self.num_samples_err_hi
        if not self.as_original:
            self.num_samples_err_hi = min(self.num_samples_err_hi, n_hi)
            self.num_samples_err_lo = min(batch_size - self.num_samples_err_hi, n_lo)

    def random_indices(self) -> NDArray[np.int64]:
        """Draw a batch: small errors first, then large ones, each without replacement.

        Quirk: exactly one small error, at index v, makes the original draw from 0..v − 1; with
        ``as_original`` here, too; test_replay_memory.py, test_edges.

        Raises:
            ReplayError: ``as_original``, and there are fewer than are to be drawn.
        """
        lo: NDArray[np.int64] = self.idx_err_lo
        if self.as_original and len(lo) == 1:
            if lo[0] == 0:
                raise _stops("ValueError: a must be greater than 0", "one small error, at 0")
            lo = np.arange(lo[0])
        return np.concatenate(
            [
                self._choice(lo, self.num_samples_err_lo, "small"),
                self._choice(self.idx_err_hi, self.num_samples_err_hi, "large"),
            ]
        )

    def _choice(self, indices: NDArray[np.int64], n: int, which: str) -> NDArray[np.int64]:
        """Shuffle all of ``indices`` and take the first ``n``."""
        if self.as_original:
            fault = f"{n} to draw of {len(indices)} {which} errors"
            if len(indices) == 0:
                raise _stops("ValueError: a must be non-empty", fault)
            if n > len(indices):
                raise _stops(
                    "ValueError: Cannot take a larger sample than population when 'replace=False'",
                    fault,
                )
        return indices[self.generator.permutation(len(indices))[:n]] if len(indices) else indices

    def random_batch(self) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Return states uint8 [B, height, width, 2] and their Q-values float64 [B, A].

        Raises:
            ReplayError: see random_indices.
        """
        idx = self.random_indices()
        return self.states[idx], self.q_values[idx]

    def all_batches(self, batch_size: int = 128) -> Iterator[tuple[int, int, float]]:
        """Yield the beginning and end of each batch in turn, and the share that is then done."""
        for begin in range(0, self.num_used, batch_size):
            end = min(begin + batch_size, self.num_used)
            yield begin, end, end / self.num_used

    def statistics(self) -> dict[str, Any]:
        """Return what the original prints after a sweep.

        Quirk: everything is taken over the whole arrays, unused rows and leftovers included, and
        divided by the rows in use; test_replay_memory.py, test_leftovers_are_read.
        """
        difference = self.q_values - self.q_values_old
        return {
            "before": _min_mean_max(self.q_values_old),
            "after": _min_mean_max(self.q_values),
            "difference": _min_mean_max(difference),
            "threshold": self.error_threshold,
            "num_used": self.num_used,
            "large": int(np.count_nonzero(self.estimation_errors[:-1] > self.error_threshold)),
            "end_life": int(np.count_nonzero(self.end_life)),
            "end_episode": int(np.count_nonzero(self.end_episode)),
            "reward": int(np.count_nonzero(self.rewards)),
        }


def _min_mean_max(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values.min()), float(values.mean()), float(values.max())


def _stops(original: str, why: str) -> ReplayError:
    return ReplayError(
        f"replay memory: the original stops here with {original}: {why}; "
        "as_original=false takes what there is"
    )
