"""Replay a game: what Game returned at the reset and at every step."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import TraceError
from dqn_port.games.picture_games import open_game
from dqn_port.games.toy import GAMES, ToyEmulator
from dqn_port.systems.labml_dqn.game import Game
from dqn_port.systems.labml_dqn.no_frameskip import Environment, NoFrameskip
from dqn_port.systems.labml_dqn.picture import gray_of
from dqn_port.systems.labml_dqn.traces.formulas import picture
from dqn_port.verify.comparing import Comparer, counted, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace


def environment_of(game: str, n_actions: int) -> NoFrameskip:
    """Return the game of a trace: an Atari game's, toyA, or toyA:30 of 30 frames at most."""
    name, colon, ticks = game.partition(":")
    if colon and name in GAMES and ticks.isdecimal():
        grid: Any = GAMES[name]
        toy = ToyEmulator(**grid, game_ticks=int(ticks[:6]))
        return NoFrameskip(toy, n_actions=n_actions)
    return NoFrameskip(open_game(game), n_actions=n_actions)


class Script:
    """A game with generated pictures, whose lives, rewards and ends a trace lists."""

    height, width = 210, 160
    grays = np.arange(256, dtype=np.uint8)

    def __init__(self, trace: Trace) -> None:
        script = trace.key("script", dict)
        names = ("lives", "rewards", "dones")
        self._lives, self._rewards, self._dones = (
            trace.key(name, list, of=script, where="script") for name in names
        )
        self.frames = 0

    def _at(self, values: list[Any]) -> Any:
        return values[min(self.frames, len(values) - 1)]

    def seed(self, seed: int) -> None:
        """Take no notice."""

    def reset(self) -> None:
        """Show the next picture."""
        self.frames += 1

    def step(self, action: int) -> tuple[float, bool]:
        """Show the next picture."""
        self.frames += 1
        return float(self._at(self._rewards)), bool(self._at(self._dones))

    def get_screen(self, out: NDArray[np.uint8]) -> None:
        """Paint the gray of the current picture."""
        out[:] = gray_of(self.rgb())

    def rgb(self) -> NDArray[np.uint8]:
        """Return the current picture."""
        return picture(self.frames * 4099 + 77)

    def lives(self) -> int:
        """Return the lives left."""
        return int(self._at(self._lives))

    def state_dict(self) -> dict[str, Any]:
        """Return how many pictures were shown."""
        return {"frames": self.frames}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it over."""
        self.frames = state["frames"]


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Play the actions of the trace's formula, and compare everything that each step returns."""
    name, n_actions = trace.key("game", str), trace.key("n_actions", int)
    env: Environment = Script(trace) if name == "script" else environment_of(name, n_actions)
    game = Game(env, trace.key("seed", int))
    n = len(trace.numbers("action", ndim=1))
    if not n:
        raise TraceError(f"{trace.name}.npz: action: expected a step, got none")
    h = trace.key("hseed", int)
    obs = game.reset()
    rows = [(obs, 0.0, False, -1.0, -1, -1, env.lives())]
    for step in range(1, n):
        h = (h * 25173 + 13849) % 65536
        action = (h >> 8) % n_actions
        obs, reward, done, info = game.step(action)
        ended = (-1.0, -1) if info is None else info
        rows.append((obs, reward, done, *ended, action, env.lives()))
        if step % 100 == 0:
            replaying.tell(step, n)
    stacks, *columns = zip(*rows, strict=True)
    digests = [list(hashlib.sha256(one.tobytes()).digest()) for one in stacks]
    got: dict[str, Any] = {"sha256": digests, "bytesum": [int(one.sum()) for one in stacks]}
    names = ("reward", "done", "info_reward", "info_length", "action", "lives_after")
    got |= dict(zip(names, columns, strict=True))
    for key, values in got.items():
        compare.array(key, np.array(values), where=counted("step"))
    for key in trace.arrays:
        if key.startswith("obs_") and key[4:].isdecimal() and int(key[4:]) < n:
            compare.array(key, stacks[int(key[4:])])
    compare.value("episodes", trace.key("episodes", int), sum(got["done"]))
    compare.value("total_reward", trace.meta.get("total_reward"), sum(got["reward"]))
    compare.what = f"{plural(n - 1, 'step')} of {name}"
