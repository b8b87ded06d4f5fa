"""Keep an environment's state as its seed and the actions since its reset."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import gymnasium
import numpy as np
from gymnasium import spaces

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.games.gymnasium.making import Env

_TRIED: Final = 100
"""Steps after which ``replays_exactly`` compares."""


class ReplayedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment whose state is what led to it.

    Every reset has a seed of its own, made of the first reset's and its number: so no more than the
    actions since the last one have to be played again.
    """

    def __init__(self, env: Env, *, exact: bool = True) -> None:
        """``exact``: whether actions played again lead to the same place; see replays_exactly."""
        super().__init__(env)
        self.exact = exact
        self.begins_anew = False
        """Whether a state was put back that did not hold the game."""
        self._seed, self._resets = 0, 0
        self._actions: list[int] = []
        self._last: tuple[Any, ...] = ()
        self._earned = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset by a seed of this reset's own; ``seed`` begins a new series of them."""
        del options
        if seed is not None:
            self._seed, self._resets = seed, 0
        self._resets += 1
        return self._reset_now()

    def _reset_now(self) -> tuple[Any, dict[str, Any]]:
        digest = hashlib.sha256(f"{self._seed} {self._resets}".encode()).digest()
        seen, info = self.env.reset(seed=int.from_bytes(digest[:4], "little") >> 1)
        self._actions, self._last, self._earned = [], (seen, False, False), 0.0
        return seen, info

    def step(self, action: int) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Play an action, and remember it."""
        seen, reward, terminated, truncated, info = self.env.step(action)
        self._actions.append(int(action))
        self._earned += float(reward)
        self._last = (seen, bool(terminated), bool(truncated))
        return seen, reward, terminated, truncated, info

    @property
    def seen(self) -> Any:
        """The last observation."""
        return self._last[0]

    def sha256(self) -> str:
        """Return the hash of its present: last observation, ends, sum of rewards."""
        seen, *ended = self._last or (np.zeros(0),)
        text = f"{self._earned!r} {ended} {len(self._actions)} "
        return hashlib.sha256(text.encode() + np.asarray(seen).tobytes()).hexdigest()

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state; of an environment that has none, that a new game begins."""
        if not self.exact:
            return {"exact": False}
        return {
            "exact": True,
            "seed": self._seed,
            "resets": self._resets,
            "actions": np.array(self._actions, dtype=np.int64),
            "sha256": self.sha256(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Reset by the same seed and play the actions again.

        Raises:
            CheckpointError: a field is missing or damaged, or the actions lead elsewhere.
        """
        fields = Fields(state, "environment.ReplayedEnv")
        resets = fields.integer("resets", low=0) if fields.boolean("exact") else 0
        if not resets:
            self.begins_anew = True
            return
        seed = fields.integer("seed", low=0)
        expected = fields.text("sha256")
        assert isinstance(self.action_space, spaces.Discrete)
        n = int(self.action_space.n)
        actions = fields.take(
            "actions",
            f"int64 in one dimension, of 0 to {n - 1}",
            lambda a: isinstance(a, np.ndarray) and a.dtype == np.int64 and a.ndim == 1
            and bool(((a >= 0) & (a < n)).all()),
        )  # fmt: skip
        self._seed, self._resets = seed, resets
        self._reset_now()
        for action in actions.tolist():
            self.step(action)
        if (got := self.sha256()) != expected:
            raise CheckpointError(
                f"environment: expected {len(actions)} actions replayed to end at sha256 "
                f"{expected[:12]!a}, got '{got[:12]}'; it was saved by another version, or is "
                "not deterministic"
            )


def replays_exactly(make: Callable[[], Env]) -> bool:
    """Return whether two environments that are made alike play alike."""
    ends = []
    for _ in range(2):
        env = ReplayedEnv(make())
        actions = np.random.RandomState(0)
        assert isinstance(env.action_space, spaces.Discrete)
        env.reset(seed=1)
        digests = []
        for _ in range(_TRIED):
            _, _, terminated, truncated, _ = env.step(int(actions.randint(env.action_space.n)))
            digests.append(env.sha256())
            if terminated or truncated:
                env.reset()
        env.close()
        ends.append(digests)
    return ends[0] == ends[1]
