"""Storage for the pictures of transitions: whole stacks, or every frame once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dqn_port.fields import Fields
from dqn_port.interfaces import Array, Ring

_BACK: Final = np.arange(3, -1, -1)
"""How many frames before its newest each frame of a stack is."""

Numbers = NDArray[np.int64]
"""Of transitions, counted from the first ever."""


class Storage(Protocol):
    """A ring of stacks, uint8 [4, H, W]: that of each transition and the one after it."""

    def add(self, number: int, obs: Array, next_obs: Array, *, done: bool) -> None:
        """Keep what transition ``number`` shows."""

    def obs(self, numbers: Numbers) -> Array:
        """Return the stacks of transitions: uint8 [n, 4, H, W]."""

    def next_obs(self, numbers: Numbers, done: NDArray[np.bool_]) -> Array:
        """Return the stacks after them."""

    def rings(self, added: int) -> dict[str, Ring]:
        """Return the arrays that checkpoints store separately, after ``added`` transitions."""

    def state_dict(self) -> dict[str, Any]:
        """Return the rest of the state."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it over."""


class Stacks:
    """Both stacks of every transition, as in the original; any stacks are allowed."""

    def __init__(self, capacity: int, height: int, width: int) -> None:
        self._capacity = capacity
        self._obs = np.zeros((capacity, 4, height, width), dtype=np.uint8)
        self._next_obs = np.zeros_like(self._obs)

    def add(self, number: int, obs: Array, next_obs: Array, *, done: bool) -> None:
        """Keep what transition ``number`` shows."""
        slot = number % self._capacity
        self._obs[slot], self._next_obs[slot] = obs, next_obs

    def obs(self, numbers: Numbers) -> Array:
        """Return the stacks of transitions: uint8 [n, 4, H, W]."""
        return self._obs[numbers % self._capacity]

    def next_obs(self, numbers: Numbers, done: NDArray[np.bool_]) -> Array:
        """Return the stacks after them."""
        return self._next_obs[numbers % self._capacity]

    def rings(self, added: int) -> dict[str, Ring]:
        """Return both arrays."""
        arrays = {"obs": self._obs, "next_obs": self._next_obs}
        return {"stacks": Ring(arrays=arrays, added=added, held=min(added, self._capacity))}

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the rings are all."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take nothing over."""


class Frames:
    """Every frame once: an eighth of the memory of Stacks, with the same stacks.

    Games take turns: transition n is of game n mod n_games, and the newest frame that it shows is
    frame n. The frame after it is n + n_games: of the same game or, if that is done, the first of
    the next one, whose stack is that frame four times. Memory is allocated when it is first used.
    """

    def __init__(self, capacity: int, n_games: int, height: int, width: int) -> None:
        self._capacity, self._n_games = capacity, n_games
        # The oldest transition needs three frames before its own, the newest the next frame.
        self._frames = np.zeros((capacity + 4 * n_games, height, width), dtype=np.uint8)
        self._ages = np.zeros(capacity, dtype=np.uint8)
        """For each transition: how many of its last three frames are of the same game."""
        self._next_ages = np.zeros(n_games, dtype=np.uint8)

    def add(self, number: int, obs: Array, next_obs: Array, *, done: bool) -> None:
        """Keep what transition ``number`` shows; the first of each is of a game just begun."""
        game = number % self._n_games
        if number < self._n_games:
            self._frames[number] = obs[-1]
        self._frames[(number + self._n_games) % len(self._frames)] = next_obs[-1]
        age = int(self._next_ages[game])
        self._ages[number % self._capacity] = age
        self._next_ages[game] = 0 if done else min(age + 1, 3)

    def obs(self, numbers: Numbers) -> Array:
        """Return the stacks of transitions: uint8 [n, 4, H, W]."""
        return self._stacks(numbers, self._ages[numbers % self._capacity])

    def next_obs(self, numbers: Numbers, done: NDArray[np.bool_]) -> Array:
        """Return the stacks after them."""
        ages = np.where(done, 0, self._ages[numbers % self._capacity] + 1)
        return self._stacks(numbers + self._n_games, ages)

    def _stacks(self, newest: Numbers, ages: Array) -> Array:
        """Return stacks by the numbers of their newest frames and how many go before in a game."""
        back = np.minimum(_BACK, ages[:, None]) * self._n_games
        return self._frames[(newest[:, None] - back) % len(self._frames)]

    def rings(self, added: int) -> dict[str, Ring]:
        """Return the frames, and the transitions' ages."""
        n = added + self._n_games if added else 0
        return {
            "frames": Ring(arrays={"frame": self._frames}, added=n, held=min(n, len(self._frames))),
            "ages": Ring(arrays={"age": self._ages}, added=added, held=min(added, self._capacity)),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the age of what every game shows next."""
        return {"next_ages": self._next_ages.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it over.

        Raises:
            CheckpointError: it is for another number of games.
        """
        fields = Fields(state, "replay.storage")
        self._next_ages[:] = np.minimum(fields.array("next_ages", self._next_ages), 3)
