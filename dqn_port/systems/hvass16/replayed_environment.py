"""Keep the state of an environment that has none as a seed and the actions since the reset."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dqn_port.fields import Fields
from dqn_port.systems.hvass16.environment import Environment, Frame, checked


class ReplayedEnvironment:
    """An environment of one's own whose state is what led to it.

    Every game is played in an environment made anew, by a seed of its own: so no more than the
    actions since the last reset have to be played again.
    """

    def __init__(self, make: Callable[[int], Environment], seed: int) -> None:
        """``make``: makes an environment from a seed."""
        self._make, self._seed, self._resets = make, seed, 0
        self._env = make(seed)
        self.action_names: tuple[str, ...] = tuple(self._env.action_names)
        self._actions: list[int] = []
        self._hash = hashlib.sha256()
        self.lost = False
        """Whether a saved game could not be played again, so that the next must begin."""

    def reset(self) -> Frame:
        """Start a new game and return its first frame."""
        self._resets += 1
        return self._begin()

    def _begin(self) -> Frame:
        digest = hashlib.sha256(f"{self._seed} {self._resets}".encode()).digest()
        self._env = self._make(int.from_bytes(digest[:4], "little") >> 1)
        frame = checked(self._env.reset(), self._env)
        self._actions, self._hash = [], hashlib.sha256(frame.tobytes())
        return frame

    def step(self, action: int) -> tuple[Frame, float, bool]:
        """Play an action, and remember it."""
        frame, reward, done = self._env.step(action)
        self._actions.append(action)
        self._hash.update(f"{action} {float(reward)!r} {bool(done)}".encode() + frame.tobytes())
        return frame, reward, done

    def lives(self) -> int:
        """Return the lives left."""
        return self._env.lives()

    def state_dict(self) -> dict[str, Any]:
        """Return which game it is, the actions since its reset, and a hash of all it showed."""
        return {
            "resets": self._resets,
            "actions": np.array(self._actions, dtype=np.int64),
            "sha256": self._hash.hexdigest(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Begin the same game and play the actions again; it is ``lost`` if they lead elsewhere.

        Raises:
            CheckpointError: a field is missing or damaged.
        """
        fields, n = Fields(state, "environment"), len(self.action_names)
        resets, expected = fields.integer("resets", low=0), fields.text("sha256")
        actions = fields.take(
            "actions",
            f"int64 in one dimension, of 0 to {n - 1}",
            lambda a: isinstance(a, np.ndarray) and a.dtype == np.int64 and a.ndim == 1
            and bool(((a >= 0) & (a < n)).all()),
        )  # fmt: skip
        self._resets = resets
        if resets:
            self._begin()
        for action in actions.tolist():
            self.step(action)
        self.lost = self._hash.hexdigest() != expected
