"""ValidateRom: check that the game's ROM exists and is the right one, and list its actions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dqn_port.games.ale.games import look
from dqn_port.games.ale.roms import game_of, rom_path
from dqn_port.registry import name_of
from pipelines.base import ROM, RunTask
from pipelines.logs import logger
from pipelines.validation import TargetError, read_json, write_json


class ValidateRom(RunTask):
    """Check a run's arguments and its game's ROM, and write a manifest."""

    def files(self) -> Sequence[Path]:
        """Return the manifest."""
        return [self.folder / ROM]

    def check(self) -> None:
        """Check that the manifest is that of the game and the ROM."""
        path, facts = self.folder / ROM, self.facts
        table = read_json(path)
        expected = {"game": facts.game, "md5": facts.about_game.get("rom_md5")}
        for key, value in expected.items():
            if table.get(key) != value:
                raise TargetError(f"{path}: {key}: expected {value}, got {table.get(key)}")

    def make(self) -> None:
        """Write the manifest: game, md5, size and the minimal action set, by number and name."""
        facts = self.facts
        for warning in self.resolved.warnings:
            logger.warning(warning)
        md5 = facts.about_game.get("rom_md5")
        table: dict[str, Any] = {
            "system": name_of(self.resolved.system),
            "game": facts.game,
            "supported": True,
            "md5": md5,
            "bytes": None,
            "actions": None,
        }
        rom = game_of(facts.game)
        if md5 is not None:
            (game,) = look([rom], facts.game_path)
            names = zip(game.actions or (), game.action_names or (), strict=True)
            table |= {
                "bytes": rom_path(rom, facts.game_path).stat().st_size,
                "actions": [{"number": number, "name": name} for number, name in names],
            }
        write_json(self.folder / ROM, table)
