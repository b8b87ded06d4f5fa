"""``dqn-port roms``."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import signal
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import click
from ale_py import Action, ALEInterface, LoggerMode

from dqn_port.frameworks.alewrap.roms import expected_md5s, rom_path

_OK: Final = "ok"

_FOR_TWO: Final = frozenset({"combat", "joust", "maze_craze", "warlords"})
"""ROMs that ale-py ships but plays only with two players: it ends the process on them."""

_FEW: Final = 12
"""So many games are looked at without helping processes."""


@dataclass(frozen=True, kw_only=True)
class Game:
    """A game, its ROM and what an agent can do in it."""

    name: str
    state: str
    """ok, or what is wrong with the file."""
    md5: str | None
    """Of the file, if it is the right one."""
    actions: tuple[int, ...] | None
    """The minimal action set: the emulator's numbers."""
    action_names: tuple[str, ...] | None


@click.command()
@click.argument("games", nargs=-1, metavar="[GAME]...")
@click.option(
    "--game-path",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Look at the ROMs in DIR instead of those that come with ale-py.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON: a list of objects.")
def roms(games: tuple[str, ...], game_path: Path | None, as_json: bool) -> None:
    """List the games that can be played: name, md5 of the ROM, state, minimal action set.

    \b
    dqn-port roms
    dqn-port roms pong breakout
    """
    folder = str(game_path) if game_path is not None else ""
    names = list(games) or [name for name in expected_md5s() if name not in _FOR_TWO]
    # An unknown name is found before anything is printed.
    for name in names:
        rom_path(name, folder)
    # Closed, the helping processes end as soon as nobody reads on: `dqn-port roms | head`.
    with contextlib.closing(look(names, folder)) as found:
        if as_json:
            click.echo(json.dumps([asdict(game) for game in found], indent=2))
            return
        width = max(map(len, names))
        for game in found:
            click.echo(_line(game, width))


def _line(game: Game, width: int) -> str:
    actions = ", ".join(
        f"{number} {name}"
        for number, name in zip(game.actions or (), game.action_names or (), strict=True)
    )
    return f"{game.name:{width}}  {game.md5 or '-':32}  {game.state:2}  {actions}".rstrip()


def look(names: Iterable[str], folder: str) -> Generator[Game]:
    """Yield every game of ``names`` with the ROM found in ``folder``; empty: ale-py's."""
    states = {name: _state(name, folder) for name in names}
    good = [name for name, state in states.items() if state == _OK]
    action_names = {int(a.value): label for label, a in Action.__members__.items()}
    with contextlib.closing(_action_sets([rom_path(name, folder) for name in good])) as minimal:
        for name, state in states.items():
            actions = next(minimal) if state == _OK else None
            if actions is not None:
                actions = _xitari_actions().get(name, actions)
            yield Game(
                name=name,
                state=state,
                md5=expected_md5s()[name] if state == _OK else None,
                actions=actions,
                action_names=None if actions is None else tuple(action_names[a] for a in actions),
            )


def _state(name: str, folder: str) -> str:
    if name in _FOR_TWO:
        return "for two players only"
    try:
        content = rom_path(name, folder).read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"unreadable: {error.strerror or error}"
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return _OK if found == expected_md5s()[name] else f"other md5 {found}"


def _xitari_actions() -> Mapping[str, tuple[int, ...]]:
    # Imported here because it brings torch along, which the helping processes need not wait for.
    from dqn_port.frameworks.alewrap.emulator import XITARI_ACTIONS

    return XITARI_ACTIONS


def _action_sets(paths: list[Path]) -> Generator[tuple[int, ...]]:
    """Yield the minimal action set of every ROM, all checked.

    ale-py takes 70 ms to load one, almost all of it for colours of its own, and holds the
    interpreter's lock meanwhile: many are loaded in several processes.
    """
    if len(paths) <= _FEW:
        yield from map(_minimal_actions, paths)
        return
    pool = ProcessPoolExecutor(
        os.cpu_count(),
        mp_context=get_context("spawn"),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        yield from pool.map(_minimal_actions, paths)
    finally:
        pool.shutdown(cancel_futures=True)


def _minimal_actions(path: Path) -> tuple[int, ...]:
    ale = _ale()
    ale.loadROM(path)
    return tuple(int(action.value) for action in ale.getMinimalActionSet())


@functools.cache
def _ale() -> Any:
    ALEInterface.setLoggerMode(LoggerMode.Error)
    return ALEInterface()
