"""The replay memory: what every step returned, in rings, and minibatches drawn from it.

simple_dqn: replay_memory.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import ReplayError
from dqn_port.fields import Fields
from dqn_port.randoms.python2 import Python2Random

BYTES_BESIDE_SCREEN: Final = 10
"""Of an entry: action 1, reward 8, terminal flag 1."""

_MOST_TRIES: Final = 1_000_000
"""After this many invalid draws a memory is considered to hold no valid one; the original loops
on."""


class Minibatch(NamedTuple):
    """B transitions. The states are the memory's own arrays, which the next minibatch overwrites.

    prestates, poststates: uint8 [B, H, h, w]; actions: uint8 [B]; rewards: int64 [B], unclipped;
    terminals: bool [B].
    """

    prestates: NDArray[np.uint8]
    actions: NDArray[np.uint8]
    rewards: NDArray[np.int64]
    poststates: NDArray[np.uint8]
    terminals: NDArray[np.bool_]


class ReplayMemory:
    """Rings of ``size`` entries: action, reward, the screen after the action, terminal flag."""

    def __init__(
        self,
        size: int,
        *,
        screen_height: int,
        screen_width: int,
        history_length: int,
        batch_size: int,
        random: Python2Random,
    ) -> None:
        """Allocate lazily: a page of the rings costs memory once it is written.

        Raises:
            ReplayError: the machine refuses the memory.
        """
        self.size, self.history_length, self.batch_size = size, history_length, batch_size
        self._random = random
        screen = (screen_height, screen_width)
        states = (batch_size, history_length, *screen)
        try:
            self.actions = np.zeros(size, dtype=np.uint8)
            self.rewards = np.zeros(size, dtype=np.int64)
            self.screens = np.zeros((size, *screen), dtype=np.uint8)
            self.terminals = np.zeros(size, dtype=np.bool_)
            self.prestates = np.zeros(states, dtype=np.uint8)
            self.poststates = np.zeros(states, dtype=np.uint8)
        except MemoryError as error:
            need = size * (screen_height * screen_width + BYTES_BESIDE_SCREEN)
            raise ReplayError(
                f"replay_size: {size} screens take {need / 1e9:.2f} GB, which the machine "
                "refuses; set a smaller one"
            ) from error
        self.added = 0
        """How many entries were ever added."""
        self.last_indexes: list[int] = []
        """The entries of the last minibatch."""

    @property
    def count(self) -> int:
        """How many entries are held."""
        return min(self.added, self.size)

    @property
    def current(self) -> int:
        """Where the next entry is written."""
        return self.added % self.size

    def add(self, action: int, reward: float, screen: NDArray[np.uint8], terminal: bool) -> None:
        """Store what a step returned; screen: uint8 [h, w].

        Quirk: a reward is cut to a whole number, half a point to none
        (tests/systems/simple_dqn/test_quirks.py).
        """
        at = self.current
        self.actions[at] = action
        self.rewards[at] = int(reward)
        self.screens[at] = screen
        self.terminals[at] = terminal
        self.added += 1

    def get_state(self, index: int) -> NDArray[np.uint8]:
        """Return the H screens up to ``index``, taken modulo count: uint8 [H, h, w]."""
        if self.count == 0:
            raise ReplayError("replay memory: expected at least one entry, got none")
        index %= self.count
        if index >= self.history_length - 1:
            return self.screens[index - self.history_length + 1 : index + 1]
        indexes = [(index - i) % self.count for i in reversed(range(self.history_length))]
        return self.screens[indexes]

    def get_minibatch(self) -> Minibatch:
        """Draw B transitions; a transition may be drawn twice.

        Quirk: an entry below H is never drawn, also of a full ring, nor are the H entries after
        a terminal one, where H − 1 would do: the oldest screen of the pre-state counts
        (tests/systems/simple_dqn/test_parts.py).

        Raises:
            ReplayError: too few entries are held, or none can be drawn.
        """
        length = self.history_length
        if self.count <= length:
            raise ReplayError(
                f"replay memory: expected more than history_length ({length}) entries, "
                f"got {self.count}; raise batch_size or random_steps"
            )
        indexes: list[int] = []
        tries = 0
        while len(indexes) < self.batch_size:
            tries += 1
            if tries > _MOST_TRIES:
                raise ReplayError(
                    f"replay memory: none of {_MOST_TRIES} draws among {self.count} entries was "
                    "valid; raise replay_size"
                )
            index = self._random.randint(length, self.count - 1)
            # The screens of both states must not lie across the place written next …
            if index - length < self.current <= index:
                continue
            # … nor across the end of a game.
            if self.terminals[index - length : index].any():
                continue
            self.prestates[len(indexes)] = self.get_state(index - 1)
            self.poststates[len(indexes)] = self.get_state(index)
            indexes.append(index)
            tries = 0
        self.last_indexes = indexes
        return Minibatch(
            self.prestates,
            self.actions[indexes],
            self.rewards[indexes],
            self.poststates,
            self.terminals[indexes],
        )

    @property
    def rings(self) -> dict[str, NDArray[Any]]:
        """The entries, the very memory: each row is written once."""
        return {
            "actions": self.actions,
            "rewards": self.rewards,
            "screens": self.screens,
            "terminals": self.terminals,
        }

    def state_dict(self) -> dict[str, Any]:
        """Return all but the rings. Of the last minibatch only the pre-states are read again."""
        return {"added": self.added, "prestates": self.prestates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` gave; the rings are filled already.

        Raises:
            CheckpointError: it does not fit.
        """
        fields = Fields(state, "memory")
        added = fields.integer("added", low=0)
        self.prestates[:] = fields.array("prestates", self.prestates)
        self.added = added
