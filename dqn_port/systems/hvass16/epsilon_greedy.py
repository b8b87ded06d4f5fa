"""The policy: mostly the best action, sometimes any."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.systems.hvass16.linear_control_signal import LinearControlSignal

EPSILON_TESTING: Final = 0.05
"""The class's own default; the agent gives 0.01."""


class EpsilonGreedy:
    """Choose actions.

    Hvass: reinforcement_learning.py, EpsilonGreedy
    """

    def __init__(
        self,
        epsilon: LinearControlSignal,
        num_actions: int,
        generator: np.random.RandomState,
        *,
        epsilon_testing: float = EPSILON_TESTING,
    ) -> None:
        """``epsilon``: the probability of a random action in training."""
        self.epsilon_linear, self.num_actions = epsilon, num_actions
        self.epsilon_testing, self.generator = epsilon_testing, generator

    def get_epsilon(self, iteration: int, training: bool) -> float:
        """Return the probability of a random action after ``iteration`` states."""
        return self.epsilon_linear.get_value(iteration) if training else self.epsilon_testing

    def get_action(
        self, q_values: NDArray[Any], iteration: int, training: bool
    ) -> tuple[int, float]:
        """Return an action, 0..num_actions − 1, and ε. ``q_values``: float [num_actions]."""
        epsilon = self.get_epsilon(iteration, training)
        if self.generator.random_sample() < epsilon:
            return int(self.generator.randint(low=0, high=self.num_actions)), epsilon
        return int(np.argmax(q_values)), epsilon
