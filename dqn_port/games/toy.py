"""Framework ``toyfw``: the ball game of the original's traces, a small emulator of its own.

It is played through the same GameEnvironment as the Atari games, and is the quickest thing to try
a change on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError
from dqn_port.fields import MOST, Fields

_RIGHT: Final = 3
_LEFT: Final = 4
_FIRE: Final = 1
_GAME_TICKS: Final = 400

GAMES: Final = {
    "toyA": {"grid_width": 16, "grid_height": 14, "cell_height": 15, "cell_width": 10},
    "toyB": {"grid_width": 10, "grid_height": 10, "cell_height": 1, "cell_width": 1},
    "toyC": {"grid_width": 10, "grid_height": 10, "cell_height": 1, "cell_width": 1},
}


class ToyEmulator:
    """A paddle, a ball and three lives on a grid of cells. Positions are in cells."""

    actions: tuple[int, ...] = (0, 1, _RIGHT, _LEFT)

    def __init__(
        self,
        *,
        grid_width: int,
        grid_height: int,
        cell_height: int,
        cell_width: int,
        null_rewards: bool = False,
        game_ticks: int = _GAME_TICKS,
    ) -> None:
        """``null_rewards``: every 7th frame played with action 0 gives 1 more.

        ``game_ticks``: frames after which a game ends at the latest.
        """
        self._gw, self._gh = grid_width, grid_height
        self._cell = (cell_height, cell_width)
        self._null_rewards, self._game_ticks = null_rewards, game_ticks
        self.height, self.width = grid_height * cell_height, grid_width * cell_width
        self.palette, self._background = self._paint_background()
        self.frame = self.ngames = 0
        self.reset_game()

    def _paint_background(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        row, column = np.mgrid[: self._gh, : self._gw]
        rgb = np.stack(((row * 9 + column * 3) % 64, (row * 5) % 64, (column * 7) % 64), axis=-1)
        colours, indices = np.unique(rgb.reshape(-1, 3), axis=0, return_inverse=True)
        palette = np.zeros((256, 3), dtype=np.uint8)
        palette[: len(colours)] = colours
        palette[253:] = ((80, 200, 80), (200, 72, 72), (236, 236, 236))
        return palette, indices.reshape(self._gh, self._gw).astype(np.uint8)

    def reset_game(self) -> None:
        """Start a new game."""
        self.lives_left, self.hits, self.ticks = 3, 0, 0
        self.px = (self.ngames * 5) % (self._gw - 2)
        self.bx, self.by = (self.ngames * 3 + self.frame) % self._gw, 1
        self.dx, self.dy = (self.ngames % 2) * 2 - 1, 1
        self.waiting = 2
        self.ngames += 1

    def game_over(self) -> bool:
        """Return whether no life is left or the time is up."""
        return self.lives_left <= 0 or self.ticks >= self._game_ticks

    def lives(self) -> int:
        """Return the lives left."""
        return self.lives_left

    def act(self, action: int) -> float:
        """Play one frame and return its reward."""
        self.frame += 1
        self.ticks += 1
        if action == _RIGHT:
            self.px = min(self.px + 1, self._gw - 3)
        elif action == _LEFT:
            self.px = max(self.px - 1, 0)
        reward = 0
        if self.waiting > 0:
            self.waiting = 0 if action == _FIRE else self.waiting - 1
        else:
            reward = self._move_ball()
        if self._null_rewards and action == 0 and self.frame % 7 == 0:
            reward += 1
        return float(reward)

    def _move_ball(self) -> int:
        reward, right = 0, self._gw - 1
        self.bx += self.dx
        self.by += self.dy
        if self.bx < 0:
            self.bx, self.dx = -self.bx, 1
        if self.bx > right:
            self.bx, self.dx = 2 * right - self.bx, -1
        if self.by < 0:
            self.by, self.dy = -self.by, 1
            reward += 3 if self.bx % 5 == 0 else 1
        if self.by == self._gh - 1:
            if self.px <= self.bx <= self.px + 2:
                self.by, self.dy = self._gh - 2, -1
                if self.bx == self.px:
                    self.dx = -1
                if self.bx == self.px + 2:
                    self.dx = 1
                self.hits += 1
                reward += 2 if self.hits % 4 == 0 else 0
            else:
                reward -= self._lose_life()
        return reward

    def _lose_life(self) -> int:
        self.lives_left -= 1
        self.bx, self.by = (self.frame * 7 + self.lives_left * 3) % self._gw, 1
        self.dx, self.dy = ((self.frame + self.lives_left) % 2) * 2 - 1, 1
        self.waiting = 3 + self.frame % 5
        return 2 if self.lives_left % 2 == 0 else 1

    def get_screen(self, out: NDArray[np.uint8]) -> None:
        """Paint the current frame as indices into uint8 [height, width]."""
        cells = self._background.copy()
        cells[0, : max(self.lives_left, 0)] = 253
        cells[self._gh - 1, self.px : self.px + 3] = 254
        if self.frame % 3 != 0:
            cells[self.by, self.bx] = 255
        h, w = self._cell
        out[:] = cells if (h, w) == (1, 1) else np.repeat(np.repeat(cells, h, 0), w, 1)

    def _ranges(self) -> dict[str, tuple[int, int]]:
        """Return the numbers that change in a game, with the smallest and largest of each."""
        return {
            "frame": (0, MOST),
            "ngames": (1, MOST),
            "lives_left": (0, 3),
            "hits": (0, self._game_ticks),
            "ticks": (0, self._game_ticks),
            "px": (0, self._gw - 3),
            "bx": (0, self._gw - 1),
            "by": (0, self._gh - 1),
            "dx": (-1, 1),
            "dy": (-1, 1),
            "waiting": (0, 7),
        }

    def _game(self) -> str:
        rule = ", null frames rewarded" if self._null_rewards else ""
        return f"{self._gh} x {self._gw} cells of {self._cell[0]} x {self._cell[1]}{rule}"

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        return {"game": self._game()} | {name: getattr(self, name) for name in self._ranges()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state, all of it or nothing.

        Raises:
            CheckpointError: a field is missing, out of its range or of another game.
        """
        fields = Fields(state, "environment.emulator")
        if (game := fields.text("game")) != self._game():
            raise CheckpointError(
                f"environment.emulator.game: expected '{self._game()}', got {game[:60]!a}; "
                "the state is of another game"
            )
        ranges = self._ranges().items()
        numbers = {name: fields.integer(name, low=low, high=high) for name, (low, high) in ranges}
        vars(self).update(numbers)
