"""ValidateRom: is the game's ROM there, the right one, and what can be done in the game?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from dqn_port.games.ale.games import look
from dqn_port.games.ale.roms import rom_path
from dqn_port.systems.lua_dqn.setup import game_record
from pipelines.base import ROM, RunTask
from pipelines.logs import logger
from pipelines.validation import TargetError, read_json, write_json

_ATARI: Final = "alewrap"


class ValidateRom(RunTask):
    """Check a run's arguments and its game's ROM, and write what they are."""

    def files(self) -> Sequence[Path]:
        """Return the manifest."""
        return [self.folder / ROM]

    def check(self) -> None:
        """Check that the manifest is that of the game and the ROM."""
        path, opt = self.folder / ROM, self.options
        table, game = read_json(path), game_record(opt)
        expected = {"framework": opt.framework, "game": opt.env, "md5": game.get("rom_md5")}
        for key, value in expected.items():
            if table.get(key) != value:
                raise TargetError(f"{path}: {key}: expected {value}, got {table.get(key)}")

    def make(self) -> None:
        """Write the manifest: game, md5, size and the minimal action set, by number and name."""
        opt = self.options
        for warning in self.resolved.warnings:
            logger.warning(warning)
        table: dict[str, Any] = {
            "framework": opt.framework,
            "game": opt.env,
            "supported": True,
            "md5": game_record(opt).get("rom_md5"),
            "bytes": None,
            "actions": None,
        }
        if opt.framework == _ATARI:
            (game,) = look([opt.env], opt.game_path)
            names = zip(game.actions or (), game.action_names or (), strict=True)
            table |= {
                "bytes": rom_path(opt.env, opt.game_path).stat().st_size,
                "actions": [{"number": number, "name": name} for number, name in names],
            }
        write_json(self.folder / ROM, table)
