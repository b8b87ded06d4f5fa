"""Evaluate the network while it is trained; the original did not.

It has its own game, generator and emulator, so that it does not change the training's numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.interfaces import Step
from dqn_port.systems.labml_dqn.player import Player


class Evaluation:
    """Some whole games, one agent step at a time."""

    def __init__(self, player: Player, games: int) -> None:
        self.player, self.games = player, games
        self.running = False
        self.seconds = 0.0
        self._returns: list[float] = []
        self._return = 0.0
        self._steps = 0
        """Agent steps of this evaluation."""

    def start(self) -> None:
        """Begin another evaluation."""
        self.running, self.seconds = True, 0.0
        self._returns, self._return, self._steps = [], 0.0, 0

    def tick(self) -> Step:
        """Play one agent step; ``running`` becomes false after the last game."""
        step = self.player.step()
        self._steps += 1
        self._return += step.earned
        if step.ended:
            self._returns.append(self._return)
            self._return = 0.0
            self.running = len(self._returns) < self.games
        return step

    @property
    def text(self) -> str:
        """Return a line about the progress."""
        return f"evaluation game {min(len(self._returns) + 1, self.games)}/{self.games}"

    @property
    def mean(self) -> float:
        """The mean return of the games."""
        return sum(self._returns) / len(self._returns)

    def cells(self) -> dict[str, Any]:
        """Return the results of the games, as cells of a row."""
        return {
            "reward": self.mean,
            "games": len(self._returns),
            "lowest": min(self._returns),
            "highest": max(self._returns),
            "steps": self._steps,
        }

    def left(self) -> int:
        """Return how many agent steps are left in a running evaluation, estimated from its games so
        far."""
        if not self.running:
            return 0
        done = len(self._returns)
        return self._steps * (self.games - done) // done if done else self.games

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        return {
            "running": self.running,
            "seconds": self.seconds,
            "returns": list(self._returns),
            "return": self._return,
            "steps": self._steps,
            "player": self.player.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: it is not the state of such an evaluation.
        """
        fields = Fields(state, "evaluation")
        running, seconds = fields.boolean("running"), fields.number("seconds")
        returns, steps = fields.numbers("returns", float), fields.integer("steps", low=0)
        earned = fields.number("return")
        if len(returns) > self.games or (running and len(returns) == self.games):
            raise CheckpointError(
                f"evaluation.returns: expected those of {self.games} games, got {len(returns)}"
            )
        self.player.load_state_dict(fields.raw("player"))
        self.running, self.seconds = running, seconds
        self._returns, self._return, self._steps = returns, earned, steps
