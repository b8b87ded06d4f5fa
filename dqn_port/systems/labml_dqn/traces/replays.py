"""Replay the replay buffer: both whole trees after every call, and every sample."""

from __future__ import annotations

import random
from typing import Any, Final

import numpy as np

from dqn_port.errors import TraceError
from dqn_port.systems.labml_dqn.replay_buffer import ReplayBuffer
from dqn_port.systems.labml_dqn.storage import Stacks
from dqn_port.systems.labml_dqn.traces.formulas import sha256, stack
from dqn_port.verify.comparing import Comparer, counted, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_MOST: Final = 4096
"""Capacity of a replay in a trace; its stacks are kept whole."""


def tree_dtype(trace: Trace) -> type[np.float64] | type[np.float32]:
    """Return the type of the trees with the version of NumPy that made a trace."""
    made_by: str = trace.key("made_by", str)
    return np.float32 if "numpy 2" in made_by else np.float64


def _buffer(capacity: int, alpha: float, dtype: Any, generator: random.Random) -> ReplayBuffer:
    if not 0 < capacity <= _MOST:
        raise TraceError(f"capacity: expected 1 to {_MOST}, got {capacity}")
    return ReplayBuffer(capacity, alpha, Stacks(capacity, 84, 84), generator, dtype=dtype)


def _add(buffer: ReplayBuffer, k: int) -> None:
    reward = ((k * 5) % 9 - 4) * 0.5
    buffer.add(stack(k, 0), (k * 7 + 3) % 4, reward, stack(k + 1, 0), k % 7 == 6)


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Make the calls of every case, and compare their results and the state after them."""
    dtype = tree_dtype(trace)
    cases = trace.key("cases", dict)
    for done, (name, case) in enumerate(cases.items(), start=1):
        _Case(compare, name, case, dtype).run()
        replaying.tell(done, len(cases))
    _odd(compare, trace.key("odd", dict), dtype)
    compare.what = plural(len(cases), "replay")


class _Case:
    """The calls of one buffer, and the states after them."""

    def __init__(self, compare: Comparer, name: str, case: dict[str, Any], dtype: Any) -> None:
        self.compare, self.name, self.case = compare, name, case
        self.generator = random.Random()
        self.buffer = _buffer(case["capacity"], case["alpha"], dtype, self.generator)
        self.dtype, self.types = np.dtype(dtype).name, list[str]()
        self.rows: dict[str, list[Any]] = {"sum": [], "min": [], "state": []}
        self.samples: dict[str, list[Any]] = {
            key: [] for key in ("indexes", "weights", "action", "reward", "done")
        }

    def run(self) -> None:
        """Make every call, and compare."""
        buffer = self.buffer
        for at, op in enumerate(self.case["ops"]):
            if op["op"] == "add":
                _add(buffer, op["k"])
            elif op["op"] == "update":
                priorities = np.array(op["priorities"], dtype=np.float32)
                buffer.update_priorities(np.array(op["indexes"]), priorities)
            else:
                self._sample(at, op)
            trees, state = buffer.trees, (buffer.max_priority, buffer.next_idx, buffer.size)
            self.rows["sum"].append(trees.sum.copy())
            self.rows["min"].append(trees.min.copy())
            self.rows["state"].append((*state, buffer.is_full()))
            # Before the first update NumPy 1 and 2 both had Python's floats.
            self.types.append(trees.root.dtype.name if buffer.updated else "float")
        for key, values in self.rows.items():
            got = np.array(values, dtype=np.float64)
            self.compare.array(f"{self.name}_{key}", got, where=counted("call"))
        for key, values in self.samples.items():
            self.compare.array(f"{self.name}_{key}", np.concatenate(values))
        self.compare.array(f"{self.name}_data_action", buffer.action)
        first = buffer.storage.obs(np.arange(buffer.capacity))[:, 0, 0, :4]
        self.compare.array(f"{self.name}_data_obs_first", first)
        types = ["float" if kind == "float" else self.dtype for kind, *_ in self.case["types"]]
        self.compare.value(f"{self.name}: types of the root", types, self.types)

    def _sample(self, at: int, op: dict[str, Any]) -> None:
        self.generator.seed(op["seed"])
        samples = self.buffer.sample(op["n"], op["beta"])
        where = f"{self.name}, call {at + 1}"
        for key, values in self.samples.items():
            values.append(getattr(samples, key))
        digest = f"{sha256(samples.obs)} {sha256(samples.next_obs)}"
        self.compare.value("sha256", op["sha256"], digest, where)
        self.compare.value("next_random", op["next_random"], self.generator.random(), where)


def _odd(compare: Comparer, odd: dict[str, Any], dtype: Any) -> None:
    """Compare what happens at the edges."""
    generator = random.Random()
    buffer = _buffer(8, 0.6, dtype, generator)
    try:
        buffer.sample(4, 0.4)
        got: Any = "ok"
    except ZeroDivisionError:
        got = "ZeroDivisionError"
    compare.value("odd.sample_empty", odd["sample_empty"], got)
    for k in range(8):
        _add(buffer, k)
        if k == 2:
            total = np.array([buffer.trees.root])
            compare.value("odd.not_full_prefix_equal_total", odd["not_full_prefix_equal_total"],
                          int(buffer.trees.find(total)[0]))  # fmt: skip
    for name, p in (
        ("prefix_zero", 0.0), ("prefix_at_boundary_3", 3.0), ("prefix_equal_total", 8.0),
    ):  # fmt: skip
        compare.value(f"odd.{name}", odd[name], int(buffer.trees.find(np.array([p]))[0]))
    buffer.update_priorities(np.array([2]), np.array([np.nan], dtype=np.float32))
    samples = buffer.sample(4, 0.4)
    after: dict[str, Any] = {
        "indexes": samples.indexes.tolist(),
        "max_priority": str(float(buffer.max_priority)),
        "min_root": str(float(buffer.trees.min[1])),
        "root": str(float(buffer.trees.root)),
        "weights": [str(w) for w in samples.weights.tolist()],
    }
    compare.value("odd.after_nan", odd["after_nan"], after)
    buffer.update_priorities(np.array([2]), np.array([0], dtype=np.float32))
    samples = buffer.sample(4, 0.4)
    compare.value("odd.zero_priority", odd["zero_priority"], "ok")
    compare.notes.append("not compared: odd.drift (its page does not say what it was made of)")
