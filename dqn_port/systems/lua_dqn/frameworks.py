"""The frameworks, which provide the games: ``alewrap`` and ``toyfw``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dqn_port.errors import ArgsError, near_match
from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.ale.roms import check_rom
from dqn_port.games.toy import GAMES, ToyEmulator
from dqn_port.systems.lua_dqn.game_environment import GameEnvironment
from dqn_port.systems.lua_dqn.game_screen import POOL_PARAMS
from dqn_port.systems.lua_dqn.options import param
from dqn_port.systems.lua_dqn.slots import EnvironmentArgs


class AleFramework:
    """Provide the Atari games."""

    ENV_PARAMS = (
        param("useRGB", "boolean", True, "colour screens; must be true, as in every script"),
        param("reset", "string", "xitari", "how games start: as in the original's emulator, or "
              "as in today's ale-py", choices=("xitari", "ale")),
    )  # fmt: skip
    POOL_PARAMS = POOL_PARAMS

    @staticmethod
    def check(env: str, game_path: str, env_params: Mapping[str, Any]) -> dict[str, str]:
        """Check the ROM and return what a run records about it.

        Raises:
            RomError, UnknownGameError: see roms.check_rom.
        """
        del env_params
        return {"rom_md5": check_rom(env, game_path)[1]}

    @staticmethod
    def make(args: EnvironmentArgs) -> GameEnvironment:
        """Return the game, one null frame played."""
        reset = args.env_params.get("reset", "xitari")
        return GameEnvironment(AleEmulator(args.env, args.game_path, reset=reset), args)


class ToyFramework:
    """Provide the toy games."""

    ENV_PARAMS = (param("useRGB", "boolean", True, "colour screens"),)
    POOL_PARAMS = POOL_PARAMS

    @staticmethod
    def check(env: str, game_path: str, env_params: Mapping[str, Any]) -> dict[str, str]:
        """Return an empty record: the games are part of the program.

        Raises:
            ArgsError: there is no such game.
        """
        del game_path, env_params
        if env not in GAMES:
            raise ArgsError(
                f"env: expected one of {', '.join(GAMES)}, got '{env}'{near_match(env, GAMES)}"
            )
        return {}

    @staticmethod
    def make(args: EnvironmentArgs) -> GameEnvironment:
        """Return the game, one null frame played."""
        ToyFramework.check(args.env, args.game_path, args.env_params)
        emulator = ToyEmulator(**GAMES[args.env], null_rewards=args.env == "toyC")
        return GameEnvironment(emulator, args)
