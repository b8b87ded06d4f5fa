"""Games as alewrap and xitari played them: every reward, life, frame and pooled screen."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from typing import Any, Final

import numpy as np

from dqn_port.errors import TraceError
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.frameworks import AleFramework
from dqn_port.systems.lua_dqn.player import picture_of
from dqn_port.systems.lua_dqn.slots import EnvironmentArgs
from dqn_port.verify.comparing import Comparer
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_BUILT, _STEPPED, _NEW_GAME = 0, 1, 2
"""Kinds of rows."""
_COLUMNS: Final = (
    "kind reward terminal lives action ale_action k frames resets bytesum".split()  # noqa: SIM905
)
_SCREEN: Final = re.compile(r"screen_(\d+)")
_TOLD_EVERY: Final = 200


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Play the actions of the trace's formula and compare every row."""
    game = trace.key("game", str)
    lengths = [len(trace.arrays[name]) for name in (*_COLUMNS, "sha256") if name in trace.arrays]
    if not lengths:
        raise TraceError(f"{trace.name}.npz: expected one of {', '.join(_COLUMNS)}, got none")
    n = lengths[0]
    generator = Generator(1)
    generator.random()
    env = AleFramework.make(
        EnvironmentArgs(
            env=game,
            game_path="",
            env_params={"useRGB": True},
            pool_frms={"type": "max", "size": 2},
            actrep=4,
            random_starts=30,
            generator=generator,
        )
    )
    actions = list(env.actions)
    if "actions" in trace.meta:
        compare.value("actions", trace.meta["actions"], actions)
    shots = {int(m[1]) for name in trace.arrays if (m := _SCREEN.fullmatch(name))}
    columns: dict[str, list[int]] = defaultdict(list)
    digests: list[str] = []
    h, state = 12345, env.get_state()
    for i in range(n):
        kind, action, k = _BUILT, 0, -1
        if i > 0:
            h = (h * 25173 + 13849) % 65536
            if state[2]:
                kind, state = _NEW_GAME, env.next_random_game()
                k = env.last_random_start if env.last_random_start is not None else -1
            else:
                kind, action = _STEPPED, 1 + (h // 256) % len(actions)
                state = env.step(actions[action - 1], training=True)
        screen, reward, terminal = state
        pixels = np.ascontiguousarray(picture_of(screen).transpose(2, 0, 1))
        row: dict[str, Any] = {
            "kind": kind,
            "reward": reward,
            "terminal": terminal,
            "lives": env.lives,
            "action": action,
            "ale_action": actions[action - 1] if action else -1,
            "k": k,
            # The original counts the frame that its constructor plays and undoes.
            "frames": env.frames + 1,
            "resets": env.resets,
            "bytesum": int(pixels.sum(dtype=np.int64)),
        }
        for name, value in row.items():
            columns[name].append(value)
        digests.append(hashlib.sha256(pixels.tobytes()).hexdigest())
        if i in shots:
            compare.array(f"screen_{i}", pixels)
        if i == 0:
            _shape(compare, list(pixels.shape))
        if i % _TOLD_EVERY == 0:
            replaying.tell(i, n)
    for name in _COLUMNS:
        compare.array(name, columns[name], where=_row)
    compare.array("sha256", digests, where=_row, shown=_as_hex)
    compare.what = f"{n:,} steps of {game}, every screen"


def _row(index: tuple[int, ...]) -> str:
    return f"row {index[0]:,}"


def _as_hex(sha256: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array([row.astype(np.uint8).tobytes().hex() for row in sha256])


def _shape(compare: Comparer, shape: list[int]) -> None:
    meta = compare.trace.meta
    if "nObsFeature" in meta:
        compare.value("nObsFeature", meta["nObsFeature"], int(np.prod(shape)))
    if "screen_shape" in meta:
        compare.value("screen_shape", meta["screen_shape"], [1, *shape])
