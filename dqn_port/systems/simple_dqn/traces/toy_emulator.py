"""The small emulator that the original's ALEEnvironment used in the traces of loops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.fields import Fields

_SIDE: Final = 36
_MINIMAL: Final = (0, 1, 3, 4)
_LONGEST: Final = 120


class TraceToy:
    """A ball that falls in a ring of columns; three lives, one more every 53 frames."""

    height = width = _SIDE

    def __init__(self, *, minimal_action_set: bool) -> None:
        self.actions: tuple[int, ...] = _MINIMAL if minimal_action_set else tuple(range(18))
        self.palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
        self.log: list[tuple[int, ...]] = []
        """One row per call: 0 reset or 1 act, action, reward, lives, game, frame."""
        self._game = 0
        self.reset_game()

    def reset_game(self) -> None:
        """Start a new game."""
        self._game += 1
        self._t, self._lives = 0, 3
        self._x, self._y = 7 * self._game % _SIDE, 0
        self._note(0, 0, 0)

    def _note(self, what: int, action: int, reward: int) -> None:
        self.log.append((what, action, reward, self._lives, self._game, self._t))

    def game_over(self) -> bool:
        """Return whether no life is left or the time is up."""
        return self._lives <= 0 or self._t >= _LONGEST

    def lives(self) -> int:
        """Return the lives left."""
        return self._lives

    def act(self, action: int) -> float:
        """Play one frame and return its reward."""
        if self.game_over():
            return 0
        reward = 0
        self._t += 1
        self._x = (self._x + {3: 2, 4: -2, 1: 11}.get(action, 0)) % _SIDE
        self._y += 2 + self._game % 3
        if self._y >= _SIDE:
            self._y -= _SIDE
            if abs(self._x - 18) <= 8:
                reward = 1 if self._game % 2 else 3
            else:
                reward = -1
                self._lives -= 1
        if self._t % 53 == 0:
            self._lives += 1
        self._note(1, action, reward)
        return reward

    def get_screen(self, out: NDArray[np.uint8]) -> None:
        """Paint the current frame into uint8 [36, 36]."""
        i, j = np.mgrid[:_SIDE, :_SIDE]
        out[:] = (5 * i + 3 * j + 2 * self._t + 11 * self._game) % 64
        out[0, : 3 * self._lives] = 120
        ball = np.arange(3)
        out[np.ix_((self._y + ball) % _SIDE, (self._x + ball) % _SIDE)] = 200

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        return {name: getattr(self, f"_{name}") for name in ("game", "t", "lives", "x", "y")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: it is not a state of this game.
        """
        fields = Fields(state, "environment.emulator")
        game, t, lives, x, y = (
            fields.integer("game", low=1),
            fields.integer("t", low=0, high=_LONGEST),
            fields.integer("lives", low=0, high=6),
            fields.integer("x", low=0, high=_SIDE - 1),
            fields.integer("y", low=0, high=_SIDE - 1),
        )
        self._game, self._t, self._lives, self._x, self._y = game, t, lives, x, y
