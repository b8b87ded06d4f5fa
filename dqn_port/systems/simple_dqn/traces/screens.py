"""Games on ale-py against the original's environment: every reward, life and pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.systems.simple_dqn.environment import ALEEnvironment
from dqn_port.systems.simple_dqn.resize import resize
from dqn_port.systems.simple_dqn.system import SYSTEM
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_FORMULA: Final = "resize_formula"
_COLUMNS: Final = (
    *("action", "reward", "terminal", "lives", "life_lost", "game_over", "restart", "bytesum"),
    *("sha256", "gray_sha256"),
)


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Play every configuration and compare every step; then the resize of a formula."""
    names = [name for name in trace.meta if name != _FORMULA]
    steps = 0
    for done, name in enumerate(names, start=1):
        steps += _play(trace, compare, name, trace.key(name, dict))
        replaying.tell(done, len(names))
    for key in [key for key in trace.arrays if key.startswith(f"{_FORMULA}_")]:
        y, x = np.mgrid[:210, :160]
        screen = ((7 * y + 13 * x + 5 * ((y * x) % 31)) % 256).astype(np.uint8)
        height, width = trace.numbers(key, ndim=2).shape
        compare.array(key, resize(screen, width, height))
    compare.what = f"{plural(steps, 'step')} of {plural(len(names), 'game')}"


def _play(trace: Trace, compare: Comparer, name: str, meta: Mapping[str, Any]) -> int:
    settings = trace.key("settings", dict, of=meta, where=name)
    words = {key: str(value).lower() for key, value in settings.items()}
    options = SYSTEM.load(
        assignments=[f"game={meta['rom']}", "backend=cpu", "replay_size=1000"]
        + [f"{key}={value}" for key, value in words.items()]
    )
    env = SYSTEM.environment(options)
    assert isinstance(env, ALEEnvironment)
    env.set_mode(meta["mode"])
    compare.value(f"{name} actions", meta["actions"], list(env.ale.actions))
    columns: dict[str, list[Any]] = {column: [] for column in _COLUMNS}
    n_steps = len(trace.numbers(f"{name}_action", ndim=1)) - 1
    h, row = trace.key("lcg_start", int, of=meta, where=name), (-1, 0, 0)
    for i in range(n_steps + 1):
        if i:
            h = (h * 25173 + 13849) % 65536
            action = (h // 256) % env.num_actions
            restarts = env.is_terminal()
            if restarts:
                env.restart()
            row = (action, env.act(action), int(restarts))
        gray = env.gray_screen()
        screen = env.get_screen()
        over = env.ale.game_over()
        values = (row[0], row[1], env.is_terminal(), env.ale.lives(), env.life_lost, over, row[2],
                  int(screen.sum()), _sha256(screen), _sha256(gray))  # fmt: skip
        for column, value in zip(_COLUMNS, values, strict=True):
            columns[column].append(value)
        for key, got in ((f"{name}_screen_{i}", screen), (f"{name}_gray_{i}", gray)):
            if key in trace.arrays:
                compare.array(key, got)
    for column, found in columns.items():
        compare.array(f"{name}_{column}", np.array(found))
    return n_steps


def _sha256(screen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.frombuffer(hashlib.sha256(screen.tobytes()).digest(), dtype=np.uint8)
