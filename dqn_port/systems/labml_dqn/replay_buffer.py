"""Transitions, drawn by their priorities. labml: replay_buffer.py, ReplayBuffer."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError, ReplayError
from dqn_port.fields import Fields
from dqn_port.interfaces import Array, Ring
from dqn_port.systems.labml_dqn.storage import Storage
from dqn_port.systems.labml_dqn.trees import Trees, raised

TREE_DTYPES: Final[dict[str, type[np.float64] | type[np.float32]]] = {
    "float64": np.float64,
    "float32": np.float32,
}
Norm = Literal["buffer", "batch"]


class EmptyReplayError(ReplayError, ZeroDivisionError):
    """Nothing was added yet."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """A minibatch of n transitions."""

    indexes: NDArray[np.int64]
    """Slots of the ring, int64 [n]."""
    weights: NDArray[np.float32]
    """float32 [n], of the losses."""
    obs: Array
    """uint8 [n, 4, H, W]"""
    action: NDArray[np.int32]
    reward: NDArray[np.float32]
    """float32 [n], raw; with n-step returns their discounted sum."""
    next_obs: Array
    """uint8 [n, 4, H, W]: the stack at the end of the return."""
    done: NDArray[np.bool_]
    """Whether the game ends there."""
    discount: NDArray[np.float32]
    """float32 [n], of the value of next_obs."""


class ReplayBuffer:
    """A ring of transitions, of which n is drawn in proportion to the priority p(n)^α.

    Quirk: once a priority is written, the trees hold doubles with NumPy 1 and float32 with NumPy 2;
    ``dtype`` chooses. Before that, draws are made in double (golden replay, replay_np2).
    """

    def __init__(
        self,
        capacity: int,
        alpha: float,
        storage: Storage,
        generator: random.Random,
        *,
        dtype: type[np.float64] | type[np.float32] = np.float64,
        norm: Norm = "buffer",
        gamma: float = 0.99,
        n_step: int = 1,
        n_games: int = 1,
    ) -> None:
        """``norm``: whether the largest weight of the buffer or of the batch becomes 1.

        ``n_step``: how many rewards are summed; ``n_games`` take turns in the ring.
        """
        self.capacity, self.alpha, self.storage = capacity, alpha, storage
        self._generator, self._dtype, self._norm = generator, dtype, norm
        self._gamma, self._n_step, self._n_games = gamma, n_step, n_games
        self.trees = Trees(capacity, dtype)
        self.max_priority = dtype(1.0)
        """Quirk: the largest ever written, which never falls; not raised to α."""
        self.added = 0
        """Number of transitions ever added."""
        self.updated = False
        """Whether a priority was ever written."""
        self.action = np.zeros(capacity, dtype=np.int32)
        self.reward = np.zeros(capacity, dtype=np.float32)
        self.done = np.zeros(capacity, dtype=np.bool_)

    @property
    def size(self) -> int:
        """Number of transitions in the ring."""
        return min(self.added, self.capacity)

    @property
    def next_idx(self) -> int:
        """The slot that is written next."""
        return self.added % self.capacity

    def is_full(self) -> bool:
        """Return whether every slot is filled."""
        return self.size == self.capacity

    def add(self, obs: Array, action: int, reward: float, next_obs: Array, done: bool) -> None:
        """Store a transition, with the largest priority so far."""
        slot = self.next_idx
        self.storage.add(self.added, obs, next_obs, done=done)
        self.action[slot], self.reward[slot], self.done[slot] = action, reward, done
        self.added += 1
        self.trees.set_one(slot, self.max_priority**self.alpha)

    def draw(self, batch_size: int, beta: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Draw slots, one random number each, with replacement; return them and their weights.

        weight = (p / Σp · size)^-β, divided by the largest in the buffer (or batch)

        Raises:
            EmptyReplayError: nothing was added yet.
        """
        if not self.added:
            raise EmptyReplayError("replay: expected a transition to draw, got none added yet")
        kind: Any = self._dtype if self.updated else np.float64
        root = kind(self.trees.root)
        draws = [self._generator.random() for _ in range(batch_size)]
        indexes = self.trees.find(np.array(draws, dtype=kind) * root)
        with np.errstate(all="ignore"):
            leaves = self.trees.sum[indexes + self.capacity].astype(kind)
            raw = raised(leaves / root * kind(self.size), -beta)
            if self._norm == "buffer":
                largest = (kind(self.trees.min[1]) / root * self.size) ** -beta
            else:
                largest = raw.max(initial=0)
            return indexes, (raw / largest).astype(np.float32)

    def sample(self, batch_size: int, beta: float) -> Samples:
        """Draw transitions and return what they hold.

        Raises:
            EmptyReplayError: nothing was added yet.
        """
        indexes, weights = self.draw(batch_size, beta)
        numbers = self._numbers(indexes)
        last, reward, discount = self._returns(numbers)
        done = self.done[last % self.capacity]
        return Samples(
            indexes=indexes,
            weights=weights,
            obs=self.storage.obs(numbers),
            action=self.action[indexes],
            reward=reward,
            next_obs=self.storage.next_obs(last, done),
            done=done,
            discount=discount,
        )

    def _numbers(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of the transitions in slots, counted from the first ever."""
        newest = self.added - 1
        return newest - (newest - slots) % self.capacity

    def _returns(
        self, numbers: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """Return where each return ends, the discounted sum of its rewards, and the remaining
        discount.

        A return ends with its game, or with the newest transition of that game in the ring.
        """
        last, reward = numbers, self.reward[numbers % self.capacity]
        discount = np.full(len(numbers), self._gamma)
        if self._n_step > 1:
            total, going_on = reward.astype(np.float64), np.ones(len(numbers), dtype=np.bool_)
            for _ in range(1, self._n_step):
                following = last + self._n_games
                going_on &= ~self.done[last % self.capacity] & (following < self.added)
                last = np.where(going_on, following, last)
                total += np.where(going_on, discount * self.reward[last % self.capacity], 0.0)
                discount = np.where(going_on, discount * self._gamma, discount)
            reward = total.astype(np.float32)
        return last, reward, discount.astype(np.float32)

    def leaves(self, priorities: NDArray[np.float32]) -> Array:
        """Return the priorities as the trees hold them: to the power α."""
        return raised(priorities.astype(self._dtype), self.alpha)

    def update_priorities(
        self, indexes: NDArray[np.int64], priorities: NDArray[np.float32]
    ) -> None:
        """Write new priorities, in order: if a slot occurs twice, the last one counts."""
        kept = priorities.astype(self._dtype)
        # NaN is larger than nothing.
        self.max_priority = np.fmax.reduce(kept, initial=self.max_priority)
        self.trees.set(indexes, self.leaves(priorities))
        self.updated = self.updated or len(kept) > 0

    def rings(self) -> dict[str, Ring]:
        """Return the rows that checkpoints keep apart."""
        arrays = {"action": self.action, "reward": self.reward, "done": self.done}
        own = Ring(arrays=arrays, added=self.added, held=self.size)
        return {"transitions": own} | self.storage.rings(self.added)

    def state_dict(self) -> dict[str, Any]:
        """Return what the rings do not hold; the trees are rebuilt from their leaves."""
        return {
            "added": self.added,
            "leaves": self.trees.sum[self.capacity :][: self.size].copy(),
            "max_priority": float(self.max_priority),
            "updated": self.updated,
            "storage": self.storage.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state; the rings are filled already.

        Raises:
            CheckpointError: it is not the state of such a replay.
        """
        fields = Fields(state, "replay")
        added = fields.integer("added", low=0)
        size = min(added, self.capacity)
        leaves = fields.array("leaves", self.trees.sum[:size])
        if not (np.isfinite(leaves) & (leaves > 0)).all():
            raise CheckpointError("replay.leaves: expected finite priorities above 0, got others")
        max_priority = fields.number("max_priority")
        updated = fields.boolean("updated")
        self.storage.load_state_dict(fields.raw("storage"))
        self.trees = Trees(self.capacity, self._dtype)
        self.trees.set(np.arange(size), leaves)
        self.added, self.updated = added, updated
        self.max_priority = self._dtype(max_priority)
