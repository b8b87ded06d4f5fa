"""The replay memory and the state buffer against the original's: every draw and every screen."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.randoms.python2 import Python2Random
from dqn_port.systems.simple_dqn.replay_memory import ReplayMemory
from dqn_port.systems.simple_dqn.state_buffer import StateBuffer
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_MINIBATCHES: Final = 6


def _screen(i: int, height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    return ((i * 37 + y * 11 + x * 5) % 256).astype(np.uint8)


class _Noting(Python2Random):
    """Keeps what randint gave."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.given: list[int] = []

    def randint(self, a: int, b: int) -> int:
        self.given.append(super().randint(a, b))
        return self.given[-1]


def replay_memory(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Fill a memory of every configuration and compare its minibatches and states."""
    minibatches = 0
    for done, name in enumerate(trace.meta, start=1):
        settings = trace.key(name, dict)
        size, history_length, batch_size, seed = (
            trace.key(key, int, of=settings, where=name)
            for key in ("size", "history_length", "batch_size", "seed")
        )
        checks = trace.key("checks", dict, of=settings, where=name)
        memory = ReplayMemory(
            size,
            screen_height=6,
            screen_width=5,
            history_length=history_length,
            batch_size=batch_size,
            random=Python2Random(seed),
        )
        for i in range(131):
            terminal = i % 17 == 16 or i % 23 == 7
            memory.add((i * 3) % 7, (i * 7) % 5 - 2, _screen(i, 6, 5), terminal)
            if str(i + 1) in checks:
                _minibatches(compare, f"{name}_at{i + 1}", memory, checks[str(i + 1)], seed)
                minibatches += _MINIBATCHES
        for key in [key for key in trace.arrays if key.startswith(f"{name}_getState_")]:
            compare.array(key, memory.get_state(int(key.rpartition("_")[2]))[:, 0, 0])
        replaying.tell(done, len(trace.meta))
    compare.what = plural(minibatches, "minibatch").replace("minibatchs", "minibatches")


def _minibatches(
    compare: Comparer, where: str, memory: ReplayMemory, check: dict[str, Any], seed: int
) -> None:
    random = _Noting(seed)
    memory._random = random
    compare.value(f"{where} count", check.get("count"), memory.count)
    compare.value(f"{where} current", check.get("current"), memory.current)
    hashes = []
    for k in range(_MINIBATCHES):
        random.given.clear()
        minibatch = memory.get_minibatch()
        for key, got in (
            ("index", memory.last_indexes),
            ("candidates", random.given),
            ("action", minibatch.actions),
            ("reward", minibatch.rewards),
            ("terminal", minibatch.terminals),
            ("pre0", minibatch.prestates[:, :, 0, 0]),
            ("post0", minibatch.poststates[:, :, 0, 0]),
        ):
            compare.array(f"{where}_b{k}_{key}", np.array(got))
        states = {"pre": minibatch.prestates, "post": minibatch.poststates}
        hashes.append({n: hashlib.sha256(s.tobytes()).hexdigest() for n, s in states.items()})
    compare.value(f"{where} sha256", check.get("sha256"), hashes)
    compare.value(f"{where} n_random", check.get("n_random"), random.n_draws)
    compare.value(f"{where} next_random", check.get("next_random"), random.random())


def state_buffer(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Add ten screens to a buffer of every size and compare it whole, and after its reset."""
    names = [name for name in trace.arrays if not name.endswith("_reset")]
    for name in names:
        expected = trace.numbers(name, ndim=5)
        _, batch_size, history_length, height, width = expected.shape
        buffer = StateBuffer(
            history_length=history_length,
            batch_size=batch_size,
            screen_height=height,
            screen_width=width,
        )
        states = [buffer.get_state_minibatch().copy()]
        for i in range(10):
            buffer.add(_screen(i, height, width))
            states.append(buffer.get_state_minibatch().copy())
        compare.array(name, np.array(states))
        buffer.reset()
        compare.array(f"{name}_reset", buffer.get_state_minibatch())
    compare.what = f"{len(names)} buffers, 10 screens each"
