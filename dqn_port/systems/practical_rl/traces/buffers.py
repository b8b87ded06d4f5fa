"""FrameBuffer on scripted frames, and the replay with its draws."""

from __future__ import annotations

import random
from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from dqn_port.systems.practical_rl.framebuffer import FrameBuffer
from dqn_port.systems.practical_rl.replay_buffer import ReplayBuffer
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_BATCHES: Final = (5, 1, 32)


class _Scripted(gymnasium.Env[Any, Any]):
    """Frames by a formula, whatever the action; see the golden README."""

    def __init__(self, shape: list[int], dtype: str, ends: list[int], offset: int):
        self.action_space = gymnasium.spaces.Discrete(2)
        self.observation_space = gymnasium.spaces.Box(0, 1, tuple(shape), np.dtype(dtype).type)
        self._shape, self._dtype = shape, dtype
        self._ends, self._offset, self._t = ends, offset, -1

    def _frame(self) -> NDArray[Any]:
        c, y, x = np.indices(self._shape)
        value = (37 * self._t + 11 * c + 5 * y + 3 * x + self._offset) % 256
        if self._dtype == "uint8":
            return value.astype(np.uint8)
        return (value / 255).astype(self._dtype)

    def reset(self, **_: Any) -> tuple[NDArray[Any], dict[str, Any]]:
        self._t += 1
        return self._frame(), {}

    def step(self, action: int) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        self._t += 1
        return self._frame(), self._t % 3 - 1, self._t in self._ends, False, {}


def replay_frames(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Play the script through the buffer of every case."""
    del replaying
    cases, ends, offset = (
        trace.key("cases", list),
        trace.key("ends", list),
        trace.key("offset", int),
    )
    for row in cases:
        case, order = row["case"], row["dim_order"]
        scripted = _Scripted(row["frame_shape"], row["frame_dtype"], ends, offset)
        env = FrameBuffer(scripted, row["n_frames"], order)
        rows: dict[str, list[Any]] = {"": [], "_kind": [], "_reward": [], "_done": []}
        done = True
        for _ in range(len(trace.arrays[f"{case}_kind"])):
            kind = int(done)
            if done:
                seen, reward, done = env.reset()[0], 0.0, False
            else:
                seen, reward, done, _, _ = env.step(0)
            for name, value in zip(rows, (seen, kind, reward, done), strict=True):
                rows[name].append(value)
        for name, values in rows.items():
            compare.array(case + name, np.array(values))
        seen_by_id = {id(seen) for seen in rows[""]}
        compare.value("space", row["space"], list(env.observation_space.shape or ()), case)
        dtypes = sorted({seen.dtype.name for seen in rows[""]})
        compare.value("dtypes", row["dtypes"], dtypes, case)
        compare.value("first_dtype", row["first_dtype"], rows[""][0].dtype.name, case)
        own = "each_observation_is_its_own_array"
        compare.value(own, row[own], len(seen_by_id) == len(rows[""]), case)
    compare.value("bad_dim_order", trace.key("bad_dim_order", str), _fault_of_order())
    compare.what = f"{plural(len(cases), 'buffer')} of frames"


def _fault_of_order() -> str:
    try:
        FrameBuffer(_Scripted([1, 2, 2], "uint8", [], 0), dim_order="other")
    except ValueError as fault:
        return type(fault).__name__
    return ""


def _item(i: int) -> NDArray[np.float32]:
    return np.array([[i], [2 * i], [-i]], dtype=np.float32)


def replay_transitions(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Add and draw the transitions of every case."""
    del replaying
    cases = list(dict.fromkeys(row["case"] for row in trace.meta))
    for case in cases:
        size, adds, seed = (int(part.lstrip("adeisz")) for part in case.split("_"))
        replay = ReplayBuffer(size, shape=(3, 1), dtype=np.dtype(np.float32))
        s = replay.begin(_item(0))
        next_idx, length = [], []
        for i in range(adds):
            s2 = replay.go_on(_item(i + 1))
            replay.add(s, i % 4, (1, 0, -1)[i % 3], s2, (i % 7 == 6, False))
            s = s2
            next_idx.append(replay.next_idx)
            length.append(len(replay))
        compare.array(f"{case}_next_idx", next_idx)
        compare.array(f"{case}_len", length)
        generator = random.Random(seed)
        rows = [row for row in trace.meta if row["case"] == case]
        for row, size in zip(rows, _BATCHES, strict=True):
            batch = replay.sample(size, generator)
            arrays = (batch.s, batch.a, batch.r, batch.s2, batch.done)
            for name, array in zip(("s", "a", "r", "s2", "done"), arrays, strict=True):
                compare.array(f"{case}_b{row['batch']}_{name}", array)
            compare.value("shapes", row["shapes"], [list(a.shape) for a in arrays], case)
            compare.value("dtypes", row["dtypes"], [a.dtype.name for a in arrays], case)
        after = generator.random()
        compare.value("next_random_after", rows[-1]["next_random_after"], after, case)
    compare.what = f"{plural(len(cases), 'replay')}: places, lengths, batches, next draws"
