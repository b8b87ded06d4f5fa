"""The wrappers on real games and on a scripted one, call by call."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import TraceError
from dqn_port.games.gymnasium.making import Env, meanings
from dqn_port.systems.practical_rl.atari_wrappers import (
    ClipRewardEnv,
    EpisodicLifeEnv,
    FireResetEnv,
    MaxAndSkipEnv,
)
from dqn_port.systems.practical_rl.framebuffer import FrameBuffer
from dqn_port.systems.practical_rl.make_env import chain, make_env, spaces
from dqn_port.systems.practical_rl.preprocess_atari_obs import PreprocessAtariObs
from dqn_port.systems.practical_rl.raw_game import RawGame
from dqn_port.systems.practical_rl.system import SYSTEM
from dqn_port.systems.practical_rl.traces.stream import stream
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_H0: Final = 12345
"""Of the traces with arrays alone; the golden README's."""
_LEVELS: Final = {
    "raw": RawGame,
    "skip": MaxAndSkipEnv,
    "life": EpisodicLifeEnv,
    "fire": FireResetEnv,
    "clip": ClipRewardEnv,
    "pre": PreprocessAtariObs,
    "buffer": FrameBuffer,
}


class _Level:
    """What the calls of one level of wrappers gave."""

    def __init__(self, env: Env) -> None:
        self.inner: _Level | None = None
        """The one below it."""
        self.seen: list[NDArray[Any]] = []
        """By the last calls, two at most and those of one call from above, the newest last."""
        self.reward, self.done = 0.0, False
        self.calls: list[tuple[Any, ...]] = []
        """Kind, action, reward, done."""
        reset, step = env.reset, env.step

        def noting_reset(**words: Any) -> Any:
            result = reset(**words)
            self._note(result[0], 1, -1, 0.0, False)
            return result

        def noting_step(action: int) -> Any:
            if self.inner is not None:
                self.inner.seen = []
            result = step(action)
            seen, reward, terminated, truncated, _ = result
            self._note(seen, 0, action, float(reward), terminated or truncated)
            return result

        env.reset, env.step = noting_reset, noting_step  # type: ignore[method-assign]

    def _note(self, seen: NDArray[Any], kind: int, action: int, reward: float, done: bool) -> None:
        self.seen = [*self.seen[-1:], seen]
        self.reward, self.done = reward, done
        self.calls.append((kind, action, reward, done))


def _digest(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(hashlib.sha256(array.tobytes()).digest(), dtype=np.uint8)


@functools.lru_cache(maxsize=2)
def _rows(environment: str, n_rows: int, h0: int) -> list[dict[str, Any]]:
    """Play so many outer calls, and return the contents of each row of a trace.

    A game's arrays and the facts about them are two groups, played once.
    """
    return list(_played(environment, n_rows, h0))


def _played(environment: str, n_rows: int, h0: int) -> Iterator[dict[str, Any]]:
    options = SYSTEM.load(assignments=[f"environment={environment}", "seed=1"])
    env = make_env(options)
    parts = list(chain(env))
    levels = {
        name: _Level(next(part for part in parts if isinstance(part, kind)))
        for name, kind in _LEVELS.items()
    }
    levels["skip"].inner = levels["raw"]
    raw, life = levels["raw"], next(part for part in parts if isinstance(part, EpisodicLifeEnv))
    game = env.unwrapped
    assert isinstance(game, RawGame)
    values = stream(h0)
    done, resets, n_actions = True, 0, len(meanings(env))
    for row in range(n_rows):
        action, kind, n_raw = next(values) % n_actions, int(done), len(raw.calls)
        if done:
            env.reset()
            action, reward, done = -1, 0.0, False
        else:
            _, got, terminated, truncated, _ = env.step(action)
            reward, done = float(got), terminated or truncated
        new = raw.calls[n_raw:]
        resets += sum(call[0] for call in new)
        pictures = {name: level.seen[-1] for name, level in levels.items()}
        same = [
            np.array_equal(pictures[one], pictures[other])
            for one, other in (("life", "skip"), ("fire", "life"), ("clip", "fire"))
        ]
        for name in ("raw", "skip"):
            pictures[name] = game.painted(pictures[name])
        # Of a game that was over after one frame there are no two, whatever it shows.
        not_max = len(raw.seen) < 2 or not np.array_equal(
            pictures["skip"], game.painted(np.stack(raw.seen))
        )
        yield {
            "kind": kind, "action": action, "reward": reward, "done": done,
            "lives": game.ale.lives(), "was_real_done": life.was_real_done,
            "raw_steps": len(raw.calls) - resets, "raw_resets": resets,
            "not_max_of_last_two": not_max,
            **{f"sha_{name}": _digest(pictures[name]) for name in ("raw", "skip", "pre", "buffer")},
            **{f"reward_{name}": levels[name].reward for name in ("raw", "skip", "life", "fire")},
            **{f"done_{name}": levels[name].done for name in ("raw", "skip", "life", "fire")},
            "calls": [(row, *call) for call in new],
            "same": same,
            "dtype": pictures["buffer"].dtype.name,
        }  # fmt: skip


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Play the game that the trace's name ends with."""
    game = trace.name.rpartition("_")[2]
    environment = f"{game.capitalize()}NoFrameskip-v4"
    n_rows = len(trace.numbers("kind", ndim=1))
    rows = _rows(environment, n_rows, _H0)
    replaying.tell(n_rows, n_rows)
    for name in rows[0].keys() - {"calls", "same", "dtype"}:
        compare.array(name, np.array([row[name] for row in rows]))
    calls = [call for row in rows for call in row["calls"]]
    names = ("raw_row", "raw_kind", "raw_action", "raw_reward", "raw_done")
    for name, column in zip(names, zip(*calls, strict=True), strict=True):
        compare.array(name, np.array(column))
    compare.what = f"{plural(n_rows, 'call')} through the wrappers of {game}"


def replay_facts(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Play every game of the .json, and compare its totals."""
    for at, (game, facts) in enumerate(trace.meta.items()):
        names = list(spaces(SYSTEM.load(assignments=[f"environment={facts['env']}"])).actions)
        rows = _rows(facts["env"], facts["rows"], facts["h0"])
        got = {
            "n_actions": len(names),
            "meanings": names,
            "same": dict(
                zip(
                    ("life==skip", "fire==life", "clip==fire"),
                    (all(column) for column in zip(*(row["same"] for row in rows), strict=True)),
                    strict=True,
                )
            ),
            "dtype_buffer": rows[0]["dtype"],
            "done_rows": sum(row["done"] for row in rows),
            "resets": rows[-1]["raw_resets"],
            "raw_steps": rows[-1]["raw_steps"],
            "rows_not_max_of_last_two": [
                i for i, row in enumerate(rows) if row["not_max_of_last_two"]
            ],
            "reward_sum": sum(row["reward"] for row in rows),
            "reward_skip_sum": sum(row["reward_skip"] for row in rows),
            "lives_start": rows[0]["lives"],
        }
        for name, value in got.items():
            compare.value(name, facts.get(name), value, game)
        replaying.tell(at + 1, len(trace.meta))
    compare.what = f"{plural(len(trace.meta), 'game')} through the wrappers, in sum"


class _Scripted(gymnasium.Env[Any, Any]):
    """A game that loses and gains lives on command; see the golden README."""

    def __init__(self, lose: list[list[int]], bonus: list[list[int]], start_lives: int) -> None:
        self.action_space = gymnasium.spaces.Discrete(4)
        self.observation_space = gymnasium.spaces.Box(0, 255, (2, 3, 3), np.uint8)
        self.ale = self
        self._lose, self._bonus, self._start_lives = lose, bonus, start_lives
        self._lives = self._t = self._count = 0
        self.game = -1

    def get_action_meanings(self) -> list[str]:
        return ["NOOP", "FIRE", "RIGHT", "LEFT"]

    def lives(self) -> int:
        return self._lives

    def _seen(self, action: int) -> NDArray[np.uint8]:
        self._count += 1
        value = (5 * self._count + 50 * action) % 256
        return np.full((2, 3, 3), value, dtype=np.uint8)

    def reset(self, **_: Any) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        self.game += 1
        self._t, self._lives = 0, self._start_lives
        return self._seen(0), {}

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        reward = 0
        if self._lives > 0:
            self._t += 1
            reward = (7 * self._t + 3 * action) % 5 - 2
            at = self.game % len(self._lose)
            self._lives += (self._t in self._bonus[at]) - (self._t in self._lose[at])
        return self._seen(action), reward, self._lives == 0, False, {}


def replay_lives(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Play the scripted game through the wrappers."""
    del replaying
    game = _Scripted(
        trace.key("lose", list), trace.key("bonus", list), trace.key("start_lives", int)
    )
    rows: list[tuple[Any, ...]] = []
    raw_rows: list[tuple[Any, ...]] = []
    reset, step = game.reset, game.step

    def noting_reset(**words: Any) -> Any:
        result = reset(**words)
        raw_rows.append((len(rows), 1, -1, result[0].flat[0], 0, False, game.lives()))
        return result

    def noting_step(action: int) -> Any:
        result = step(action)
        value, reward, done = result[0].flat[0], result[1], result[2]
        raw_rows.append((len(rows), 0, action, value, reward, done, game.lives()))
        return result

    game.reset, game.step = noting_reset, noting_step  # type: ignore[method-assign]
    life = EpisodicLifeEnv(MaxAndSkipEnv(game))
    env = ClipRewardEnv(FireResetEnv(life))
    values, done = stream(trace.key("h0", int)), True
    for _ in range(len(trace.numbers("rows", ndim=2))):
        action, kind = next(values) % 4, int(done)
        if done:
            seen, _ = env.reset()
            action, reward, done = -1, 0.0, False
        else:
            seen, reward, done, _, _ = env.step(action)
        rows.append(
            (kind, action, seen.flat[0], reward, done, game.lives(), life.was_real_done, game.game)
        )
    for name, made, columns in (("rows", rows, 8), ("raw", raw_rows, 7)):
        if len(trace.key(f"{name}_columns", list)) != columns:
            raise TraceError(f"{trace.name}.json: {name}_columns: expected {columns}")
        compare.array(name, np.array(made, dtype=np.int64))
    compare.what = f"{plural(len(rows), 'call')} through the wrappers of a scripted game"
