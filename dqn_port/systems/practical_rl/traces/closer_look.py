"""A closer look at scripted episodes."""

from __future__ import annotations

from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from dqn_port.systems.practical_rl.closer_look import img_by_obs, play_and_log_episode
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_FLOATS: Final = 1e-6


class _Game(gymnasium.Env[NDArray[np.float32], int]):
    """T steps, with rewards by a formula; see the golden README."""

    def __init__(self, steps: int, mult: int) -> None:
        self._steps, self._mult, self._t = steps, mult, 0

    def _seen(self) -> NDArray[np.float32]:
        return (((self._mult * self._t + 17 * np.arange(3)) % 101) / 101).astype(np.float32)

    def reset(self, **_: Any) -> tuple[NDArray[np.float32], dict[str, Any]]:
        self._t = 0
        return self._seen(), {}

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self._t += 1
        reward = ((3 * self._t + action) % 5 - 1) / 2
        return self._seen(), reward, self._t >= self._steps, False, {}


class _Linear:
    """An agent of one matrix."""

    def __init__(self, w: NDArray[np.float32]) -> None:
        self._w = w

    def get_qvalues(self, states: NDArray[Any]) -> NDArray[np.float32]:
        """Return states · Wᵀ."""
        return states @ self._w.T


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Play and log the episode of every case."""
    del replaying
    agent = _Linear(trace.numbers("W", ndim=2))
    compare.seen("W")
    for row in trace.meta:
        case, game = row["case"], _Game(row["T"], row["mult"])
        try:
            got = play_and_log_episode(
                game, agent, gamma=row["gamma"], t_max=row["t_max"], last_error_as_given=True
            )
        except IndexError as fault:
            compare.value("error", row.get("error"), type(fault).__name__, case)
            continue
        compare.value("error", row.get("error"), None, case)
        compare.value("fields", sorted(row["dtypes"]), sorted(got), case)
        for name, values in got.items():
            compare.array(f"{case}_{name}", values, tolerance=_FLOATS)
            compare.value("dtype", row["dtypes"][name], values.dtype.name, f"{case}_{name}")
            compare.value("shape", row["shapes"][name], list(values.shape), f"{case}_{name}")
    compare.what = plural(len(trace.meta), "episode")


def replay_pictures(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Stack the frames of a state."""
    del trace, replaying
    compare.array("out", img_by_obs(np.arange(60).reshape(4, 3, 5), (4, 3, 5)))
    compare.what = "a state's frames, one below the other"
