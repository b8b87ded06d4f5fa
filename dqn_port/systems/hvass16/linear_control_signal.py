"""Numbers that change linearly with the states processed, and then stay."""

from __future__ import annotations


class LinearControlSignal:
    """Change a number linearly.

    Hvass: reinforcement_learning.py, LinearControlSignal
    """

    def __init__(
        self,
        start_value: float,
        end_value: float,
        num_iterations: float,
        *,
        repeat: bool = False,
    ) -> None:
        """``num_iterations``: after which the end is reached; ``repeat``: then start again."""
        self.start_value, self.end_value = start_value, end_value
        self.num_iterations, self.repeat = num_iterations, repeat
        self._coefficient = (end_value - start_value) / num_iterations

    def get_value(self, iteration: int) -> float:
        """Return the value at an iteration, counted from 0."""
        at: float = iteration % self.num_iterations if self.repeat else iteration
        if at < self.num_iterations:
            return at * self._coefficient + self.start_value
        return self.end_value
