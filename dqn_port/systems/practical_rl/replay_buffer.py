"""Transitions, drawn uniformly with replacement; every frame in them is stored once.

Shapes: n buffer_size, k frames of a state, c channels of a frame, B batch.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.interfaces import Ring

NO_FRAME: Final = -1
"""Where a state shows zeros, before an episode's first frame."""
FIRST_FRAME: Final = -2
"""The first frame of all: the fill's stale states keep it longer than its neighbours."""


class State(NamedTuple):
    """What an agent sees, and the frames that it consists of."""

    seen: NDArray[Any]
    """[k·c, height, width], or of a vector [size]."""
    frames: tuple[int, ...]
    """Numbers of the k frames, in their order in ``seen``."""


class Batch(NamedTuple):
    """Transitions that were drawn."""

    s: NDArray[Any]
    """[B, …], of the observations' dtype."""
    a: NDArray[np.int64]
    r: NDArray[np.float64]
    s2: NDArray[Any]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]

    @property
    def done(self) -> NDArray[np.bool_]:
        """The original's done: for whatever reason the episode ended."""
        return self.terminated | self.truncated


class ReplayBuffer:
    """The last ``size`` transitions.

    Practical_RL: replay_buffer.py, ReplayBuffer

    The original stores whole states. Here a transition refers to its frames by number, and a
    frame's place is reused once no transition needs it.
    """

    def __init__(
        self,
        size: int,
        *,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        n_frames: int = 1,
        oldest_first: bool = False,
    ) -> None:
        """``shape``, ``dtype``: of a state; its first axis holds ``n_frames`` frames."""
        self._maxsize, self._n_frames, self._oldest_first = size, n_frames, oldest_first
        self._channels = shape[0] // n_frames
        # A step that ends an episode adds two frames; places that are never used cost nothing.
        places = 2 * (size + n_frames) + 2
        self._frames = np.empty((places, self._channels, *shape[1:]), dtype=dtype)
        self._first = np.zeros(self._frames.shape[1:], dtype=dtype)
        self._place_of = np.arange(places, dtype=np.int32)
        """Frame i is at i modulo its length."""
        self._free = np.arange(places, dtype=np.int32)[::-1].copy()
        self._n_free = places
        self._n_frames_added = 0
        self._oldest_frame = 0
        self._current: tuple[int, ...] = ()
        """Frames that the environment shows now; a stale state has different ones."""
        self._s = np.empty((size, n_frames), dtype=np.int64)
        self._s2 = np.empty((size, n_frames), dtype=np.int64)
        self._a = np.empty(size, dtype=np.int64)
        self._r = np.empty(size, dtype=np.float64)
        self._terminated = np.empty(size, dtype=np.bool_)
        self._truncated = np.empty(size, dtype=np.bool_)
        self.added = 0
        """Number of transitions so far."""

    def __len__(self) -> int:
        return min(self.added, self._maxsize)

    @property
    def next_idx(self) -> int:
        """The place of the next transition."""
        return self.added % self._maxsize

    def begin(self, seen: NDArray[Any]) -> State:
        """Return an episode's first state, its frame kept."""
        frame = self._keep(self._newest(seen))
        before = frame if self._oldest_first else NO_FRAME
        self._current = (frame,) + (before,) * (self._n_frames - 1)
        return State(seen, self._current)

    def go_on(self, seen: NDArray[Any]) -> State:
        """Return the state after the last one, its new frame kept."""
        frame = self._keep(self._newest(seen))
        if self._oldest_first:
            self._current = (*self._current[1:], frame)
        else:
            self._current = (frame, *self._current[:-1])
        return State(seen, self._current)

    def knows(self, frames: tuple[int, ...]) -> bool:
        """Return whether frames are those of a possible state."""
        low, high = self._oldest_frame, self._n_frames_added
        return len(frames) == self._n_frames and all(
            low <= i < high or i in (NO_FRAME, FIRST_FRAME) for i in frames
        )

    def state_of(self, frames: tuple[int, ...]) -> State:
        """Return the state of these frames."""
        return State(self._states(np.array([frames]))[0], frames)

    def _newest(self, seen: NDArray[Any]) -> NDArray[Any]:
        return seen[-self._channels :] if self._oldest_first else seen[: self._channels]

    def _keep(self, frame: NDArray[Any]) -> int:
        number = self._n_frames_added
        self._n_frames_added += 1
        if number == 0:
            self._first[:] = frame
        self._n_free -= 1
        place = self._free[self._n_free]
        self._place_of[number % len(self._place_of)] = place
        self._frames[place] = frame
        return number

    def add(
        self, state: State, action: int, reward: float, after: State, ended: tuple[bool, bool]
    ) -> None:
        """Add a transition, replacing the oldest if the buffer is full.

        ``ended``: terminated, truncated.
        """
        at = self.next_idx
        self._s[at] = state.frames
        self._s2[at] = after.frames
        self._a[at], self._r[at] = action, reward
        self._terminated[at], self._truncated[at] = ended
        self.added += 1
        self._free_frames()

    def stale(self, state: State) -> State:
        """Return the run's first state in a form that outlives its frames."""
        return State(state.seen, tuple(FIRST_FRAME if i >= 0 else i for i in state.frames))

    def _free_frames(self) -> None:
        """Free the frames older than those that the oldest transition refers to."""
        oldest = self.added - len(self)
        at = oldest % self._maxsize
        needed = min(i for i in (*self._s[at].tolist(), *self._s2[at].tolist()) if i >= 0)
        for number in range(self._oldest_frame, needed):
            self._free[self._n_free] = self._place_of[number % len(self._place_of)]
            self._n_free += 1
        self._oldest_frame = needed

    def sample(self, batch_size: int, generator: random.Random) -> Batch:
        """Return ``batch_size`` transitions, each drawn from all.

        Raises:
            ValueError: there are none.
        """
        last = len(self) - 1
        return self.at(np.array([generator.randint(0, last) for _ in range(batch_size)]))

    def at(self, places: NDArray[np.int64]) -> Batch:
        """Return the transitions in these places."""
        return Batch(
            self._states(self._s[places]),
            self._a[places],
            self._r[places],
            self._states(self._s2[places]),
            self._terminated[places],
            self._truncated[places],
        )

    def _states(self, frames: NDArray[np.int64]) -> NDArray[Any]:
        """Return the states of these frames, int64 [B, k]: [B, k·c, …]."""
        places = self._place_of[frames % len(self._place_of)]
        found = self._frames[places]
        if frames.min(initial=0) < 0:
            found[frames == NO_FRAME] = 0
            found[frames == FIRST_FRAME] = self._first
        return found.reshape(len(frames), -1, *found.shape[3:])

    def rings(self) -> dict[str, Ring]:
        """Return transitions and frames, which checkpoints keep apart."""
        transitions = {
            name: getattr(self, f"_{name}")
            for name in ("s", "s2", "a", "r", "terminated", "truncated")
        }
        return {
            "transitions": Ring(arrays=transitions, added=self.added, held=len(self)),
            "frames": Ring(
                arrays={"frame": self._frames},
                added=self._n_frames_added,
                held=self._n_frames_added - self._oldest_frame,
                slots=lambda numbers: self._place_of[numbers % len(self._place_of)],
            ),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state without the rings."""
        return {
            "added": self.added,
            "frames_added": self._n_frames_added,
            "oldest_frame": self._oldest_frame,
            "first": self._first,
            "current": list(self._current),
        }

    def load_state_dict(self, state: Mapping[str, Any], n_actions: int) -> None:
        """Take over a state; the rings of this fresh buffer are filled already.

        Raises:
            CheckpointError: a field is missing or damaged, or transitions refer to missing frames.
        """
        fields = Fields(state, "replay")
        added, frames_added = fields.integer("added", low=0), fields.integer("frames_added", low=0)
        places = len(self._place_of)
        oldest = fields.integer("oldest_frame", low=max(0, frames_added - places))
        first = fields.array("first", self._first).copy()
        current = tuple(fields.numbers("current", int))
        held = np.arange(max(0, added - self._maxsize), added) % self._maxsize
        shown = np.array(current)
        for name, array in (("s", self._s[held]), ("s2", self._s2[held]), ("current", shown)):
            there = (array >= oldest) & (array < frames_added)
            there |= (array == NO_FRAME) | (array == FIRST_FRAME)
            if array.shape[-1] != self._n_frames or not there.all():
                raise CheckpointError(
                    f"replay.{name}: expected frames {oldest} to {frames_added - 1}, got others"
                )
        if not ((self._a[held] >= 0) & (self._a[held] < n_actions)).all():
            raise CheckpointError(f"replay.a: expected actions of 0 to {n_actions - 1}, got others")
        self.added, self._n_frames_added, self._oldest_frame = added, frames_added, oldest
        self._first, self._current = first, current
        self._place_of = np.arange(places, dtype=np.int32)
        taken = np.arange(oldest, frames_added) % places
        free = np.setdiff1d(self._place_of, taken)[::-1]
        self._n_free = len(free)
        self._free[: len(free)] = free
