"""Find and check ROMs before ale-py sees them.

ale-py's own loader ends the process on a missing or an empty file and plays a changed one with a
mere warning, so a ROM is handed to it only when its md5 is the one its name stands for.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from pathlib import Path
from typing import Final

import ale_py

from dqn_port.errors import RomError, UsageError, near_match

_SHIPPED: Final = Path(ale_py.__file__).parent / "roms"


_FOR_TWO: Final = frozenset({"combat", "joust", "maze_craze", "warlords"})
"""ROMs that ale-py ships and ends the process on, since it plays them with two players only."""


_ID: Final = re.compile(
    r"(?:ALE/)?([A-Za-z0-9]+?)(?:-ram)?(?:NoFrameskip|Deterministic)?(?:-v\d+)?"
)
"""How gymnasium names an Atari game."""


class UnknownGameError(UsageError):
    """No game of that name can be played."""


@functools.cache
def expected_md5s() -> dict[str, str]:
    """Return game → md5 of its ROM, for every game that one player can play, in order of name."""
    table: dict[str, str] = json.loads((_SHIPPED / "md5.json").read_text())
    games = {name.removesuffix(".bin"): md5 for name, md5 in sorted(table.items())}
    return {name: md5 for name, md5 in games.items() if name not in _FOR_TWO}


def rom_of_id(name: str) -> str | None:
    """Return the ROM that gymnasium's id of a game stands for; None if it is not such an id.

    SpaceInvadersNoFrameskip-v4, ALE/SpaceInvaders-v5 and SpaceInvaders-ram-v0: space_invaders.
    """
    match = _ID.fullmatch(name)
    title = match[1].lower() if match is not None else ""
    return next((rom for rom in expected_md5s() if rom.replace("_", "") == title), None)


def title_of(rom: str) -> str:
    """Return how gymnasium's ids write a ROM's name: SpaceInvaders."""
    return "".join(part.capitalize() for part in rom.split("_"))


def game_of(name: str) -> str:
    """Return the one name of a game, whatever a system calls it: its ROM's without .bin.

    What is no Atari game keeps its name.
    """
    stem = Path(name).stem if name.endswith(".bin") else name
    return rom_of_id(stem) or (stem if stem in expected_md5s() else name)


def rom_path(env: str, game_path: str = "", *, option: str = "env") -> Path:
    """Return where the ROM of ``env`` is: in ``game_path`` if given, else ale-py's.

    ``game_path`` may name it as gymnasium does: SpaceInvaders.bin for space_invaders.bin.
    ``option``: that named the game.

    Raises:
        UnknownGameError: no game has that name, or two have to play it.
    """
    if env in _FOR_TWO:
        raise UnknownGameError(
            f"{option}: expected a game for one player, got '{env}', which two have to play; "
            "`dqn-port roms` lists them"
        )
    if env not in expected_md5s():
        raise UnknownGameError(
            f"{option}: no game is named '{env}'"
            f"{near_match(rom_of_id(env) or env, expected_md5s())}; `dqn-port roms` lists them"
        )
    folder = Path(game_path).expanduser() if game_path else _SHIPPED
    path = folder / f"{env}.bin"
    if path.exists():
        return path
    return next((p for p in sorted(folder.glob("*.bin")) if game_of(p.name) == env), path)


def check_rom(env: str, game_path: str = "", *, option: str = "env") -> tuple[Path, str]:
    """Return the path and the md5 of the ROM of ``env``, after comparing the md5.

    ``option``: that named the game.

    Raises:
        UnknownGameError: no game has that name.
        RomError: the file is missing, unreadable, empty or another one.
    """
    path, expected = rom_path(env, game_path, option=option), expected_md5s()[env]
    mend = (
        "set game_path to a folder that holds it, or leave game_path out to use ale-py's"
        if game_path
        else "install ale-py again"
    )
    try:
        status = path.stat()
        found = _md5_of(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RomError(
            f"{path}: expected the ROM of {env}, got {reason}; {mend}",
            state="missing" if isinstance(error, FileNotFoundError) else f"unreadable: {reason}",
        ) from error
    if found != expected:
        raise RomError(
            f"{path}: expected the ROM of {env} with md5 {expected}, "
            f"got {status.st_size} bytes with md5 {found}; {mend}",
            state=f"other md5 {found}",
        )
    return path, found


@functools.lru_cache
def _md5_of(path: Path, mtime: int, size: int) -> str:
    """Return a file's md5; it is read once while it is unchanged."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
