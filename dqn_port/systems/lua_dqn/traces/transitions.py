"""The replay memory given a stream of frames: every recent state, sample and draw."""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.errors import ArgsError, TraceError
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.slots import Preproc
from dqn_port.systems.lua_dqn.traces.replaying import agent_of_parts
from dqn_port.systems.lua_dqn.transition_table import TransitionTable
from dqn_port.verify.comparing import Comparer, Where, at_index, counted, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_STATE: Final = 6
_MAX_SIZE: Final = 200
_BUFFER: Final = 64
_BATCH: Final = 16
_LAST: Final = 400
_SAMPLED_AT: Final = (120, 400)
"""After these frames of the stream nine minibatches are drawn."""
_N_BATCHES: Final = 9
_SEED: Final = 5
_PARTS: Final = ("s", "a", "r", "s2", "term")


def frame(i: int) -> NDArray[np.uint8]:
    """Return the frame at position i of the stream, uint8 [6]."""
    return ((i * 37 + np.arange(_STATE) * 11) % 256).astype(np.uint8)


def _terminal(i: int) -> bool:
    return i % 23 == 22 or i % 61 == 0


def _to_bytes(x: NDArray[Any]) -> NDArray[Any]:
    """Return floats 0..1 as the bytes they were; -1 stays -1, where Lua failed."""
    return np.where(x < 0, -1, np.rint(x * 255))


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Feed the stream to a memory of every configuration in the trace."""
    configs = trace.key("configs", list)
    refused: list[str] = []
    last: TransitionTable | None = None
    compare.skip("*_concatActions", "of no use to the agent: the port has none")
    compare.skip("*_recentActions", "of no use to the agent: the port has none")
    for at, entry in enumerate(configs):
        where = f"configs[{at}]"
        config = trace.key("config", dict, of=entry, where=where)
        name = trace.key("n", str, of=config, where=f"{where}.config")
        # Lua's failure shows in what it could not sample.
        works = f"{name}_at120_b1_s" in trace.arrays
        generator = Generator(1)
        try:
            table = _table(config, generator)
        except ArgsError:
            refused.append(name)
            compare.value(f"{name} works", works, False)
            compare.seen(*(key for key in trace.arrays if key.startswith(f"{name}_")))
            continue
        if not works and f"{name}_recent" in trace.arrays:
            compare.value(f"{name} works", works, True)
        _Stream(compare, entry, name, table, generator).run()
        last = table
        replaying.tell(at + 1, len(configs))
    _roundtrip(compare)
    if last is not None:
        # The ring is the same whatever the history.
        for part, got in (("s", last.s), ("a", last.a + 1), ("r", last.r), ("t", last.t)):
            compare.array(f"table_{part}", got, where=counted("slot"), family="table_*")
    if refused:
        compare.notes.append(f"refused, as Lua fails with their histories: {', '.join(refused)}")
    compare.what = f"{plural(len(configs), 'replay')} of {_LAST + 1} frames"


def _table(config: dict[str, Any], generator: Generator) -> TransitionTable:
    """Return the memory of a configuration.

    Raises:
        ArgsError: the port does not have its type of history; Lua fails on it later.
        TraceError: a value is of the wrong type.
    """
    try:
        return TransitionTable(
            state_dim=_STATE,
            hist_len=int(config.get("histLen", 4)),
            max_size=_MAX_SIZE,
            buffer_size=_BUFFER,
            generator=generator,
            hist_type=config.get("histType", "linear"),
            hist_spacing=int(config.get("histSpacing", 1)),
            non_term_prob=float(config.get("nonTermProb", 1)),
            non_event_prob=float(config.get("nonEventProb", 1)),
            zero_frames=config.get("zeroFrames", 1) != 0,
        )
    except (TypeError, ValueError) as error:
        raise TraceError(f"transitions: {config}: expected a configuration, got {error}") from error


class _Stream:
    """One memory while it is given the stream."""

    def __init__(
        self,
        compare: Comparer,
        entry: dict[str, Any],
        name: str,
        table: TransitionTable,
        generator: Generator,
    ) -> None:
        self.compare, self.entry, self.name = compare, entry, name
        self.table, self.generator = table, generator
        self._left = 0
        """Transitions left in the buffer."""

    def run(self) -> None:
        """Add every frame, sample twice, and look at the states of the full ring."""
        table, name = self.table, self.name
        self._value("histIndices", [i + 1 for i in table.hist_indices])
        self._value("recentMemSize", table.recent_mem_size)
        recent = []
        for i in range(_LAST + 1):
            table.add_recent_state(frame(i), term=_terminal(i))
            recent.append(table.get_recent().reshape(-1).copy())
            if i > 0:
                reward = ((i * 5) % 7 - 3) * 0.5
                table.add(frame(i - 1), ((i - 1) * 7) % 4, reward, term=_terminal(i - 1))
            if i in _SAMPLED_AT:
                self._sample(f"at{i}")
        self.compare.array(
            f"{name}_recent",
            np.array(recent),
            shown=_to_bytes,
            where=self._at("frame"),
            family="*_recent",
        )
        self._concat_frames()

    def _at(self, *names: str) -> Where:
        inner = counted(*names)
        return lambda index: f"{self.name}, {inner(index)}"

    def _value(self, key: str, got: object) -> None:
        if key in self.entry:
            self.compare.value(key, self.entry[key], got, self.name)

    def _sample(self, at: str) -> None:
        table, generator, compare = self.table, self.generator, self.compare
        self._value(f"{at}_numEntries", table.num_entries)
        self._value(f"{at}_insertIndex", (table.insert_index - 1) % _MAX_SIZE + 1)
        # The trace was made with an empty buffer: what is left of the last one is used up,
        # which draws nothing.
        while self._left >= _BATCH:
            table.sample(_BATCH)
            self._left -= _BATCH
        generator.manual_seed(_SEED)
        indices = []
        for b in range(1, _N_BATCHES + 1):
            fills = table.fills
            batch = table.sample(_BATCH)
            if table.fills != fills:
                indices.append(table.last_indices + 1)
                self._left = _BUFFER
            self._left -= _BATCH
            for part in _PARTS:
                got = getattr(batch, part).numpy() + (1 if part == "a" else 0)
                compare.array(
                    f"{self.name}_{at}_b{b}_{part}",
                    got,
                    where=self._at("transition"),
                    family=f"*_{at}_*_{part}",
                )
            if compare.holds(f"{self.name}_{at}_b{b}_s_float"):
                floats = batch.s.float().div_(255)
                compare.array(
                    f"{self.name}_{at}_b{b}_s_float", floats, where=self._at("transition")
                )
        compare.array(
            f"{self.name}_{at}_get_index",
            np.concatenate(indices),
            where=self._at("draw"),
            family="*_get_index",
        )
        self._value(f"{at}_ndraws", generator.n_draws)
        self._value(f"{at}_next_random", str(generator.random()))

    def _concat_frames(self) -> None:
        """Compare the states at every index of the full ring from which Lua could make one."""
        key = f"{self.name}_concatFrames"
        if key not in self.compare.trace.arrays:
            self.compare.array(key, None, family="*_concatFrames")
            return
        self.compare.seen(key)
        expected = self.compare.trace.numbers(key, ndim=2)
        possible = np.flatnonzero((expected != -1).all(axis=1))
        possible = possible[possible <= _MAX_SIZE - self.table.recent_mem_size]
        out = np.empty((len(possible), self.table.hist_len, _STATE), dtype=np.uint8)
        self.table.concat_frames(possible.astype(np.int64), out)
        self.compare.compare(
            key,
            expected[possible],
            out.reshape(len(possible), -1),
            where=lambda i: f"{self.name}, index {possible[i[0]] + 1}, {at_index(i[1:])}",
        )


def _roundtrip(compare: Comparer) -> None:
    """Compare bytes that become floats and are stored as bytes again."""
    if not any(compare.holds(f"roundtrip_{part}") for part in ("float_b_over_255", "byte", "back")):
        return
    floats = np.arange(256, dtype=np.uint8) / np.float32(255)
    agent = agent_of_parts("net_small", 4, torch.device("cpu"), minibatch_size=1, valid_size=1)

    class Given:
        """A preproc that leaves floats as they are."""

        state_dim = 256

        def forward(self, rawstate: Any) -> NDArray[np.float32]:
            """Return the floats."""
            floats: NDArray[np.float32] = rawstate
            return floats

    agent.preproc = cast(Preproc, Given())
    stored = agent.preprocess(floats)
    compare.array("roundtrip_float_b_over_255", floats)
    compare.array("roundtrip_byte", stored)
    compare.array("roundtrip_back", stored / np.float32(255))
