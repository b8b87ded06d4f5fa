"""The memory: fillings, sweeps, leftovers, sampling, and its edge cases."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np

from dqn_port.errors import ReplayError
from dqn_port.systems.hvass16.happenings import BurstBegun
from dqn_port.systems.hvass16.lines import memory_statistics
from dqn_port.systems.hvass16.replay_memory import (
    DISCOUNT_FACTOR,
    ERROR_THRESHOLD,
    ReplayMemory,
)
from dqn_port.systems.hvass16.traces.formulas import mix, unit
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_SHAPE: Final = (105, 80, 2)
_ARRAYS: Final = (
    "q_values", "q_values_old", "estimation_errors", "actions", "rewards", "end_life",
    "end_episode",
)  # fmt: skip
_BATCHES: Final = 6


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Fill, sweep, draw and empty as the trace says; then the edge cases."""
    scenarios = trace.key("scenarios", list)
    for at, about in enumerate(scenarios):
        _scenario(about, trace, compare)
        replaying.tell(at + 1, len(scenarios))
    edges = trace.key("edges", list)
    for about in edges:
        _edge(about, trace, compare)
    _clip_and_types(trace, compare)
    compare.what = f"{plural(len(scenarios), 'scenario')}, {plural(len(edges), 'edge case')}"


def _scenario(about: dict[str, Any], trace: Trace, compare: Comparer) -> None:
    key, actions = trace.key("key", str, of=about), trace.key("actions", int, of=about)
    generator = np.random.RandomState(trace.key("seed", int, of=about))
    memory = ReplayMemory(
        trace.key("size", int, of=about),
        actions,
        generator,
        state_shape=_SHAPE,
        discount_factor=about["gamma"],
        as_original=True,
    )
    batch, j = trace.key("batch", int, of=about), 0
    for w, expected in enumerate(trace.key("rounds", list, of=about)):
        for _ in range(expected["added"]):
            _add(memory, j, about)
            j += 1
        stem, where = f"{key}_round{w}_", f"scenario {key}, round {w}"
        compare.array(f"{stem}q_before", memory.q_values)
        values: dict[str, Any] = {
            "num_used": memory.num_used,
            "is_full": memory.is_full(),
            "used_fraction": repr(memory.used_fraction()),
        }
        memory.update_all_q_values()
        begun = BurstBegun(
            0,
            statistics=memory.statistics(),
            num_used=memory.num_used,
            learning_rate=0.0,
            loss_limit=0.0,
            max_epochs=0.0,
        )
        values["printed"] = "".join(f"{line}\n" for line in memory_statistics(begun))
        for name in _ARRAYS:
            compare.array(stem + name, getattr(memory, name))
        memory.prepare_sampling_prob(batch)
        values |= _counts(memory)
        compare.array(f"{stem}idx_err_lo", memory.idx_err_lo)
        compare.array(f"{stem}idx_err_hi", memory.idx_err_hi)
        drawn = [memory.random_indices() for _ in range(_BATCHES)]
        digests = [hashlib.sha256(memory.states[idx].tobytes()).digest() for idx in drawn]
        compare.array(f"{stem}batches", np.array(drawn))
        compare.array(
            f"{stem}batch_states_sha256",
            np.array([np.frombuffer(d, dtype=np.uint8) for d in digests]),
        )
        values["next_random"] = repr(generator.random_sample())
        values["all_batches_100"] = [
            [begin, end, repr(done)] for begin, end, done in memory.all_batches(100)
        ]
        memory.reset()
        values["num_used_after_reset"] = memory.num_used
        for name, got in values.items():
            compare.value(name, expected.get(name), got, where)


def _add(memory: ReplayMemory, j: int, about: dict[str, Any]) -> None:
    """Make the addition number ``j``."""
    actions, salt = about["actions"], about["salt"]
    e = np.arange(np.prod(_SHAPE))
    state = ((e * (j % 251 + 1) + 13 * j) % 256).astype(np.uint8).reshape(_SHAPE)
    q = (unit(j * actions + np.arange(actions), salt) - 0.5) * about["scale"]
    reward = int(mix(j, salt + 2)) % 11 - 5 if int(mix(j, salt + 5)) % 10 >= 7 else 0
    memory.add(
        state,
        q.astype(np.float32),
        int(mix(j, salt + 1)) % actions,
        reward,
        int(mix(j, salt + 3)) % 29 == 0,
        int(mix(j, salt + 4)) % 83 == 0,
    )


def _counts(memory: ReplayMemory) -> dict[str, int]:
    return {
        "num_err_lo": len(memory.idx_err_lo),
        "num_err_hi": len(memory.idx_err_hi),
        "num_samples_err_lo": memory.num_samples_err_lo,
        "num_samples_err_hi": memory.num_samples_err_hi,
    }


def _edge(about: dict[str, Any], trace: Trace, compare: Comparer) -> None:
    """Draw two batches with few errors of a kind, or stop as the original did."""
    name, n = trace.key("name", str, of=about), trace.key("n", int, of=about)
    generator = np.random.RandomState(trace.key("edges_seed", int))
    memory = ReplayMemory(n, 4, generator, state_shape=(1, 1, 2), as_original=True)
    memory.num_used = n
    large = {"exactly_threshold": ERROR_THRESHOLD, "nan_is_high": np.nan}.get(name, 0.5)
    memory.estimation_errors[about["errors_at_least_threshold"]] = large
    got: dict[str, Any] = {}
    raised = "prepare_raised"
    try:
        memory.prepare_sampling_prob(about["batch"])
        raised = "batch_raised"
        got = {key: value for key, value in _counts(memory).items() if key in about}
        # The original's arrays of one value lost their dimension.
        for shape, idx in (("shape_lo", memory.idx_err_lo), ("shape_hi", memory.idx_err_hi)):
            got[shape] = [] if len(idx) == 1 else [len(idx)]
        drawn: list[list[int]] = []
        for _ in range(2):
            batch = memory.random_indices().tolist()
            drawn += [batch[: memory.num_samples_err_lo], batch[memory.num_samples_err_lo :]]
        got["drawn"] = drawn
    except ReplayError as error:
        reason = str(error).removeprefix("replay memory: the original stops here with ")
        expected = str(about.get(raised))
        got[raised] = expected if reason.startswith(f"{expected}: ") else reason
    given = {"name", "n", "batch", "errors_at_least_threshold"}
    for key in sorted((about.keys() | got.keys()) - given):
        compare.value(key, about.get(key), got.get(key), f"edge {name}")


def _clip_and_types(trace: Trace, compare: Comparer) -> None:
    """Store rewards, and compare the arrays' types and the class's defaults."""
    clip = trace.key("clip", dict)
    given = clip["given"]
    memory = ReplayMemory(len(given), 4, np.random.RandomState(0), state_shape=(1, 1, 2))
    for reward in given:
        memory.add(np.zeros((1, 1, 2), np.uint8), np.zeros(4), 0, reward, False, False)
    compare.value("clip", clip["stored"], memory.rewards.tolist())
    for name, dtype in trace.key("dtypes", dict).items():
        compare.value(f"dtype of {name}", dtype, str(getattr(memory, name).dtype))
    defaults = {"discount_factor": DISCOUNT_FACTOR, "error_threshold": ERROR_THRESHOLD}
    compare.value("defaults", trace.key("defaults", dict), defaults)
