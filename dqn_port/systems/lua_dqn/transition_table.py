"""The replay memory: a ring of single frames, sampled in buffers. Lua: TransitionTable.lua.

Legend: D state_dim, H hist_len, R recent_mem_size (how many frames one full state spans),
B transitions. Indices are 0-based.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.errors import ArgsError, ReplayError, near_match
from dqn_port.fields import Fields
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.options import param
from dqn_port.systems.lua_dqn.slots import Minibatch
from dqn_port.torch7.values import LuaTable, TorchObject

HIST_TYPES: Final = ("linear", "exp1.25")
"""Without exp2, with which the original always fails: its frames are outside the recent ones."""
_MOST_TRIES: Final = 10_000_000
"""Draws after which filling a buffer is given up."""

_BYTES_BESIDE_FRAME: Final = 6
"""a: 1, r: 4, t: 1."""


def hist_indices(hist_len: int, hist_type: str, hist_spacing: int) -> tuple[tuple[int, ...], int]:
    """Return the frames of a full state, 0-based, oldest first, and R.

    Raises:
        ArgsError: a type that is not in HIST_TYPES.
    """
    if hist_type == "linear":
        return tuple((i + 1) * hist_spacing - 1 for i in range(hist_len)), hist_len * hist_spacing
    if hist_type == "exp1.25":
        back = [1]
        for _ in range(hist_len - 1):
            back.append(-(-5 * back[-1] // 4) + 1)
        return tuple(back[-1] - b for b in reversed(back)), back[-1]
    raise ArgsError(
        f"agent_params.histType: expected linear or exp1.25, got '{hist_type}'"
        f"{near_match(hist_type, HIST_TYPES)}"
    )


class TransitionTable:
    """Transitions as single frames of bytes, from which full states are built when sampled.

    Lua quirk: nothing guards the seam between the newest and the oldest entry of a full ring
    (tests/systems/lua_dqn/test_transition_traces.py).
    """

    PARAMS = (
        param("histType", "string", "linear", "which past frames make a state", choices=HIST_TYPES),
        param("histSpacing", "integer", 1, "distance between frames of a linear history; others "
              "ignore it, as in Lua", unit="agent steps", low=1),
        param("nonTermProb", "number", 1, "probability of keeping a drawn transition that is "
              "not terminal", low=0, high=1),
        param("bufferSize", "integer", 512, "transitions drawn at once, to serve minibatches from",
              unit="transitions", low=2),
    )  # fmt: skip

    @classmethod
    def from_params(cls, params: Mapping[str, Any], generator: Generator) -> TransitionTable:
        """Return the memory for agent_params with every default filled in."""
        return cls(
            state_dim=params["state_dim"],
            hist_len=params["hist_len"],
            max_size=params["replay_memory"],
            generator=generator,
            buffer_size=params["bufferSize"],
            hist_type=params["histType"],
            hist_spacing=params["histSpacing"],
            non_term_prob=params["nonTermProb"],
        )

    @staticmethod
    def bytes_per_transition(params: Mapping[str, Any]) -> int:
        """Return the bytes of a transition: its frame, action, reward and terminal flag."""
        state_dim: int = params["state_dim"]
        return state_dim + _BYTES_BESIDE_FRAME

    def __init__(
        self,
        *,
        state_dim: int,
        hist_len: int,
        max_size: int,
        generator: Generator,
        buffer_size: int = 512,
        hist_type: str = "linear",
        hist_spacing: int = 1,
        non_term_prob: float = 1.0,
        non_event_prob: float = 1.0,
        zero_frames: bool = True,
    ) -> None:
        """Allocate lazily: a page of the ring uses memory only once it is written.

        Raises:
            ArgsError: see hist_indices.
            ReplayError: the machine refuses the memory.
        """
        self.state_dim, self.hist_len, self.max_size = state_dim, hist_len, max_size
        self.buffer_size = buffer_size
        self._generator = generator
        self._non_term_prob, self._non_event_prob = non_term_prob, non_event_prob
        self._zero_frames = zero_frames
        self.hist_indices, self.recent_mem_size = hist_indices(hist_len, hist_type, hist_spacing)
        try:
            self.s = np.zeros((max_size, state_dim), dtype=np.uint8)
            self.a = np.zeros(max_size, dtype=np.uint8)
            self.r = np.zeros(max_size, dtype=np.float32)
            self.t = np.zeros(max_size, dtype=np.uint8)
            self._s = torch.empty((buffer_size, hist_len * state_dim), dtype=torch.uint8)
            self._s2 = torch.empty_like(self._s)
        except (MemoryError, RuntimeError) as error:
            need = max_size * (state_dim + _BYTES_BESIDE_FRAME)
            raise ReplayError(
                f"agent_params.replay_memory: {max_size} transitions take {need / 1e9:.2f} GB, "
                "which the machine refuses; set a smaller one"
            ) from error
        self._num_entries = 0
        self.insert_index = 0
        """Where the next transition is written."""
        self.added = 0
        """The number of transitions ever stored; the n-th is at n modulo max_size."""
        self._recent_s = np.zeros((self.recent_mem_size, state_dim), dtype=np.uint8)
        self._recent_t = np.ones(self.recent_mem_size, dtype=np.uint8)
        self._a = torch.empty(buffer_size, dtype=torch.int64)
        self._r = torch.empty(buffer_size)
        self._term = torch.empty(buffer_size, dtype=torch.uint8)
        self._buf_ind: int | None = None
        self.last_indices: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        """The entries at which the transitions of the buffer begin: int64 [buffer_size]."""
        self.fills = 0
        """How often the buffer was filled."""

    @property
    def num_entries(self) -> int:
        """The number of transitions held."""
        return self._num_entries

    def size(self) -> int:
        """Return the number of transitions. Lua: TransitionTable:size."""
        return self._num_entries

    def to_lua(self, *, n_actions: int) -> TorchObject:
        """Return the list of nine that Torch7 saves. Lua: TransitionTable:write."""
        newest = (self.insert_index - 1) % self.max_size + 1 if self._num_entries else 0
        numbers = [
            self.state_dim,
            n_actions,
            self.hist_len,
            self.max_size,
            self.buffer_size,
            self._num_entries,
            newest,
            self.recent_mem_size,
        ]
        indices = LuaTable.from_list(float(i + 1) for i in self.hist_indices)
        fields = LuaTable.from_list([*map(float, numbers), indices])
        return TorchObject("dqn.TransitionTable", fields)

    # Saving and restoring.

    @property
    def ring(self) -> dict[str, NDArray[Any]]:
        """The transitions, arrays of length max_size: the memory itself, not copies."""
        return {"s": self.s, "a": self.a, "r": self.r, "t": self.t}

    def state_dict(self) -> dict[str, Any]:
        """Return the state without the ring: counters, recent frames, the sampling buffer."""
        state = {
            "added": self.added,
            "num_entries": self._num_entries,
            "recent_s": self._recent_s,
            "recent_t": self._recent_t,
            "fills": self.fills,
            "buf_ind": self._buf_ind,
        }
        if self._buf_ind is not None:
            state |= {name: tensor.numpy() for name, tensor in self._buffer().items()}
            state["last_indices"] = self.last_indices
        return state

    def _buffer(self) -> dict[str, torch.Tensor]:
        return {
            "buffer_s": self._s,
            "buffer_a": self._a,
            "buffer_r": self._r,
            "buffer_s2": self._s2,
            "buffer_term": self._term,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` returned; the ring is restored through ``ring``.

        Raises:
            CheckpointError: a field is missing or does not fit this memory.
        """
        fields = Fields(state, "replay")
        added = fields.integer("added", low=0)
        num_entries = fields.integer("num_entries", low=0, high=min(added, self.max_size))
        recent_s = fields.array("recent_s", self._recent_s)
        recent_t = fields.array("recent_t", self._recent_t)
        fills = fields.integer("fills", low=0)
        if fields.has("buf_ind"):
            buf_ind = fields.integer("buf_ind", low=0, high=self.buffer_size)
            last = fields.array("last_indices", np.empty(self.buffer_size, dtype=np.int64))
            arrays = {
                name: fields.array(name, tensor.numpy()) for name, tensor in self._buffer().items()
            }
            for name, tensor in self._buffer().items():
                tensor.numpy()[...] = arrays[name]
            self._buf_ind, self.last_indices = buf_ind, np.array(last)
        else:
            self._buf_ind = None
        self._recent_s[...], self._recent_t[...] = recent_s, recent_t
        self.added, self._num_entries, self.fills = added, num_entries, fills
        self.insert_index = added % self.max_size

    # The recent frames.

    def add_recent_state(self, s: NDArray[np.uint8], *, term: bool) -> None:
        """Add a frame, uint8 [D], as the newest. Lua: add_recent_state."""
        self._recent_s[:-1] = self._recent_s[1:]
        self._recent_s[-1] = s
        self._recent_t[:-1] = self._recent_t[1:]
        self._recent_t[-1] = term

    def get_recent(self) -> NDArray[np.uint8]:
        """Return the current full state, uint8 [H, D]. Lua: get_recent."""
        state: NDArray[np.uint8] = self._recent_s[list(self.hist_indices)]
        if self._zero_frames and self._recent_t.any():
            state[~self._kept(self._recent_t[None])[0]] = 0
        return state

    # The ring.

    def add(self, s: NDArray[np.uint8], a: int, r: float, *, term: bool) -> None:
        """Store a transition: frame uint8 [D], action, reward and the frame's own terminal flag."""
        at = self.insert_index
        self.s[at] = s
        self.a[at] = a
        self.r[at] = r
        self.t[at] = term
        self.insert_index = (at + 1) % self.max_size
        self.added += 1
        self._num_entries = min(self._num_entries + 1, self.max_size)

    def _kept(self, t: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Tell which of the H frames are kept, bool [B, H], given flags uint8 [B, R].

        A frame and all older ones are zero if a flag is set between it, inclusive, and the next
        younger frame of the state.
        """
        kept = np.ones((len(t), self.hist_len), dtype=bool)
        for i in range(self.hist_len - 2, -1, -1):
            between = t[:, self.hist_indices[i] : self.hist_indices[i + 1]]
            kept[:, i] = kept[:, i + 1] & ~between.any(axis=1)
        return kept

    def concat_frames(self, index: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        """Copy the full states that begin at ``index`` into out: uint8 [B, H, D].

        Lua: concatFrames.
        """
        frames = index[:, None] + np.array(self.hist_indices)
        np.take(self.s, frames, axis=0, out=out, mode="clip")
        if self._zero_frames:
            kept = self._kept(self.t[index[:, None] + np.arange(self.recent_mem_size)])
            if not kept.all():
                out[~kept] = 0

    # Sampling.

    def sample(self, batch_size: int) -> Minibatch:
        """Return the next ``batch_size`` transitions of the buffer, refilled when too few are left.

        Lua quirk: a minibatch can be up to buffer_size / batch_size updates old, and a remainder
        too short for a minibatch is discarded (tests/systems/lua_dqn/test_transition_traces.py).

        Raises:
            ReplayError: batch_size is not below buffer_size, or too few transitions are held.
        """
        if not 0 < batch_size < self.buffer_size:
            raise ReplayError(
                f"sample({batch_size}): expected fewer than bufferSize ({self.buffer_size})"
            )
        if self._buf_ind is None or self._buf_ind + batch_size > self.buffer_size:
            self.fill_buffer()
        at = slice(self._buf_ind or 0, (self._buf_ind or 0) + batch_size)
        self._buf_ind = at.stop
        return Minibatch(self._s[at], self._a[at], self._r[at], self._s2[at], self._term[at])

    def fill_buffer(self) -> None:
        """Draw buffer_size transitions and copy them. Lua: fill_buffer.

        Raises:
            ReplayError: fewer than buffer_size transitions are held, or none can be drawn.
        """
        least = max(self.buffer_size, self.recent_mem_size + 2)
        if self._num_entries < least:
            raise ReplayError(
                f"replay: expected at least {least} transitions to fill the sampling buffer, "
                f"got {self._num_entries}; raise learn_start or lower bufferSize"
            )
        index = self._draw_indices(self.buffer_size)
        shape = (self.buffer_size, self.hist_len, self.state_dim)
        self.concat_frames(index, self._s.numpy().reshape(shape))
        self.concat_frames(index + 1, self._s2.numpy().reshape(shape))
        ar = index + self.recent_mem_size - 1
        self._a.numpy()[:] = self.a[ar]
        self._r.numpy()[:] = self.r[ar]
        self._term.numpy()[:] = self.t[ar + 1]
        self._buf_ind = 0
        self.last_indices = index
        self.fills += 1

    def _draw_indices(self, n: int) -> NDArray[np.int64]:
        """Draw n entries, one by one as Lua's sample_one does: int64 [n]."""
        if self._non_term_prob < 1 or self._non_event_prob < 1:
            return np.array([self._sample_one() for _ in range(n)], dtype=np.int64)
        # Every try takes one draw: try many, keep the first n valid ones, consume up to the last.
        n_valid = self._num_entries - self.recent_mem_size - 1
        tries = 2 * n
        while True:
            index = self._generator.peek(tries).astype(np.int64) % n_valid + 1
            valid = np.flatnonzero(self.t[index + self.recent_mem_size - 1] == 0)
            if len(valid) >= n:
                self._generator.advance(int(valid[n - 1]) + 1)
                return index[valid[:n]]
            if tries > _MOST_TRIES:
                raise self._hopeless()
            tries *= 2

    def _sample_one(self) -> int:
        """Draw one entry.

        Lua quirk: with nonEventProb the draw is compared with nonTermProb, so that it only uses up
        draws; and nonTermProb draws even when the entry is already refused
        (tests/systems/lua_dqn/test_transition_traces.py).
        """
        for _ in range(_MOST_TRIES):
            index = self._generator.random(2, self._num_entries - self.recent_mem_size) - 1
            ar = index + self.recent_mem_size - 1
            valid = self.t[ar] == 0
            if self._non_term_prob < 1 and self.t[ar + 1] == 0:
                valid = (self._generator.uniform() <= self._non_term_prob) and valid
            if self._non_event_prob < 1 and self.t[ar + 1] == 0 and self.r[ar] == 0:
                valid = (self._generator.uniform() <= self._non_term_prob) and valid
            if valid:
                return index
        raise self._hopeless()

    def _hopeless(self) -> ReplayError:
        return ReplayError(
            f"replay: none of {_MOST_TRIES} draws among {self._num_entries} transitions was valid; "
            "raise nonTermProb"
        )
