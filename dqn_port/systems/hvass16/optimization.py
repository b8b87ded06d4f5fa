"""A burst of updates, from a memory that was swept."""

from __future__ import annotations

import math
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import DivergedError


class Memory(Protocol):
    """What an optimisation draws from; see replay_memory.ReplayMemory."""

    num_used: int

    def prepare_sampling_prob(self, batch_size: int = 128) -> None:
        """Split the states into those with small and large errors."""

    def random_batch(self) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Draw states and targets."""


class Learner(Protocol):
    """What an optimisation updates; see NeuralNetwork."""

    def update(
        self, states: NDArray[np.uint8], targets: NDArray[np.float64], learning_rate: float
    ) -> float:
        """Make one update and return the loss before it."""


LOSSES: Final = 100
"""Batches that the mean loss is taken over."""


class Optimization:
    """A burst: update after update, until the mean loss is small enough.

    Hvass: reinforcement_learning.py, NeuralNetwork.optimize
    """

    def __init__(
        self,
        memory: Memory,
        *,
        learning_rate: float,
        loss_limit: float,
        max_epochs: float,
        min_epochs: float = 1.0,
        batch_size: int = 128,
        as_original: bool = False,
    ) -> None:
        """Get ready for the first update.

        Raises:
            ReplayError: see ReplayMemory.prepare_sampling_prob.
        """
        memory.prepare_sampling_prob(batch_size)
        self._memory, self._as_original = memory, as_original
        self.learning_rate, self.loss_limit = learning_rate, loss_limit
        self.max_epochs = max_epochs
        self.iterations_per_epoch = memory.num_used / batch_size
        self.min_iterations = int(self.iterations_per_epoch * min_epochs)
        self.max_iterations = int(self.iterations_per_epoch * max_epochs)
        self.loss_history = np.zeros(LOSSES)
        """float64 [100], the newest first.

        Quirk: the mean is over 100 from the start, zeros included, so that it is too small while
        fewer were made; test_neural_network.py, test_the_mean_loss_counts_zeros.
        """
        self.iterations = 0
        """Updates made."""
        self.done = self.max_iterations <= 0

    @property
    def loss_mean(self) -> float:
        """The mean loss, zeros included."""
        return float(np.mean(self.loss_history))

    def update(self, network: Learner) -> float:
        """Make one update and return its loss.

        Raises:
            ReplayError: see ReplayMemory.random_indices.
            DivergedError: the loss is not finite; the original went on to the last epoch, as
                ``as_original`` does.
        """
        loss = network.update(*self._memory.random_batch(), self.learning_rate)
        if not self._as_original and not math.isfinite(loss):
            raise DivergedError(
                f"loss of update {self.iterations + 1} of the burst: expected a number, got "
                f"{loss}; lower learning_rate, or set as_original=true"
            )
        self.loss_history = np.roll(self.loss_history, 1)
        self.loss_history[0] = loss
        i = self.iterations
        self.iterations += 1
        enough = i > self.min_iterations and self.loss_mean < self.loss_limit
        self.done = enough or self.iterations >= self.max_iterations
        return loss
