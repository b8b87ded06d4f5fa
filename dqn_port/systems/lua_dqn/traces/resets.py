"""The state of games right after xitari's reset, and their action sets."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from dqn_port.errors import RomError, TraceError
from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.ale.roms import UnknownGameError
from dqn_port.verify.comparing import Comparer, at_index, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_FRAMES: Final = 30
"""Played between the first reset and the second."""


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Reset every game of the trace, twice."""
    games = trace.key("games", list)
    for name, ndim in (("ram", 2), ("screen", 3)):
        if name in trace.arrays and len(trace.numbers(name, ndim=ndim)) != len(games):
            raise TraceError(
                f"{trace.name}.npz: {name}: expected {len(games)} rows, one a game, "
                f"got {len(trace.arrays[name])}"
            )
    left_out: list[str] = []
    for at, game in enumerate(games):
        try:
            emulator = AleEmulator(game)
        except (RomError, UnknownGameError):
            left_out.append(game)
            continue
        compare.value("actions", _of(trace, game, "xitari_actions"), list(emulator.actions), game)
        if at == len(left_out):
            compare.array("palette", emulator.palette)
        for again in ("", " after a second reset"):
            _reset(compare, emulator, at, f"{game}{again}", _of(trace, game, "lives0"))
            for _ in range(_FRAMES):
                emulator.act(0)
            emulator.reset_game()
        replaying.tell(at + 1, len(games))
    if left_out:
        compare.notes.append(f"without a ROM that can be played: {', '.join(left_out)}")
    for name in ("ram", "screen"):
        if name not in trace.arrays:
            compare.missing.append(name)
    compare.what = (
        f"{plural(len(games) - len(left_out), 'game')} after a reset: RAM, screen, lives, actions"
    )


def _of(trace: Trace, game: Any, key: str) -> Any:
    per_game = trace.key("per_game", dict)
    table = trace.key(game, dict, of=per_game, where="per_game")
    return trace.key(key, list, of=table, where=f"per_game.{game}")


def _reset(compare: Comparer, emulator: AleEmulator, at: int, place: str, lives: list[int]) -> None:
    arrays = compare.trace.arrays
    compare.value("lives", lives[0], emulator.lives(), place)
    screen = np.zeros((emulator.height, emulator.width), dtype=np.uint8)
    emulator.get_screen(screen)
    for name, got in (("ram", emulator.ale.getRAM()), ("screen", screen)):
        if name in arrays:
            compare.seen(name)
            compare.compare(name, arrays[name][at], got, where=lambda i: f"{place}, {at_index(i)}")
