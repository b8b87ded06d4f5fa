"""ale-py, set up as the original's xitari was: no sticky actions, no frame skipping.

Lua: xitari's ALEInterface, as alewrap drives it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import numpy as np
from ale_py import Action, ALEInterface, LoggerMode
from numpy.typing import NDArray

from dqn_port.frameworks.alewrap.game_environment import GameEnvironment
from dqn_port.frameworks.alewrap.game_screen import POOL_PARAMS
from dqn_port.frameworks.alewrap.roms import check_rom
from dqn_port.interfaces import EnvironmentArgs, Param

XITARI_ACTIONS: Final[dict[str, tuple[int, ...]]] = {"pong": (0, 3, 4)}
"""The minimal action sets in which xitari differs from ale-py (golden xitari_reset.json)."""

_FRAME_CAPS: Final = {"pong": 65_000}
_FRAME_CAP: Final = 1_728_000
"""Frames after which xitari ends an episode: 8 hours at 60 a second (golden README)."""

_FIRST_RESETS: Final = {"beam_rider": 2}
"""Resets before the first game where ale-py's first one is unlike all later ones, as xitari's were.

After beam_rider's second reset ale-py's own RAM is xitari's, in all 128 bytes (docs/games.md).
"""

_NTSC: Final = (
    "0000004a4a4a6f6f6f8e8e8eaaaaaac0c0c0d6d6d6ececec48480069690f86861da2a22abbbb35d2d240e8e84afcfc54"
    "7c2c00904811a26221b47a30c3903dd2a44adfb755ecc860901c00a33915b55328c66c3ad5824ae39759f0aa67fcbc74"
    "940000a71a1ab83232c84848d65c5ce46f6ff08080fc909084006497197aa8308fb846a2c659b3d46cc3e07cd2ec8ce0"
    "50008468199a7d30ad9246c0a459d0b56ce0c57ceed48cfc140090331aa34e32b56848c67f5cd5956fe3a980f0bc90fc"
    "000094181aa72d32b84248c8545cd6656fe47580f08490fc001c88183b9d2d57b04272c2548ad265a0e175b5ef84c8fc"
    "0030641850802d6d984288b054a0c565b7d975cceb84e0fc00403018624e2d8169429e8254b89965d1ae75e7c284fcd4"
    "0044001a661a32843248a0485cba5c6fd26f80e88090fc90143c00355f18527e2d6e9c4287b7549ed065b4e775c8fc84"
    "3038005059166d762b88923ea0ab4fb7c25fccd86ee0ec7c482c00694d14866a26a28638bb9f47d2b656e8cc63fce070"
)
"""The 128 colours of the Atari 2600 (NTSC) as RGB bytes, at the even indices of the palette."""


def palette() -> NDArray[np.uint8]:
    """Return the colours of the screen's indices: uint8 [256, 3]; odd indices are black."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[::2] = np.frombuffer(bytes.fromhex(_NTSC), dtype=np.uint8).reshape(128, 3)
    return colours


@dataclass(frozen=True)
class XitariReset:
    """What xitari showed right after it reset a game; ale-py's reset leaves other RAM."""

    ram: NDArray[np.uint8]
    """uint8 [128]."""
    screen: NDArray[np.uint8]
    """uint8 [210, 160], palette indices."""
    lives: int


@functools.cache
def xitari_reset(env: str) -> XitariReset | None:
    """Return the state after a reset of one of xitari's 58 games; None for another game.

    It was the same after every reset (but of yars_revenge), and was recorded from xitari itself.
    """
    file = resources.files("dqn_port.frameworks.alewrap") / "xitari_reset.npz"
    with file.open("rb") as opened, np.load(opened) as arrays:
        games: list[str] = arrays["games"].tolist()
        if env not in games:
            return None
        at = games.index(env)
        return XitariReset(arrays["ram"][at], arrays["screen"][at], int(arrays["lives"][at]))


class AleEmulator:
    """An Atari 2600 game, frame by frame.

    After a reset it stands where xitari stood: xitari's RAM is written, and until the first frame
    its screen and lives are shown. From there ale-py plays as xitari did.
    """

    def __init__(self, env: str, game_path: str = "", *, reset: str = "xitari") -> None:
        """Load the checked ROM of ``env`` and reset the game.

        ``reset``: "xitari", or "ale" to leave ale-py as it is.

        Raises:
            RomError, UnknownGameError: see roms.check_rom.
        """
        path, self.rom_md5 = check_rom(env, game_path)
        ALEInterface.setLoggerMode(LoggerMode.Error)
        self.ale = ALEInterface()
        # Nothing is random without sticky actions; the seed is fixed all the same.
        self.ale.setInt("random_seed", 1)
        self.ale.setFloat("repeat_action_probability", 0.0)
        self.ale.setInt("frame_skip", 1)
        self.ale.setInt("max_num_frames_per_episode", _FRAME_CAPS.get(env, _FRAME_CAP))
        self.ale.loadROM(path)
        minimal = tuple(int(action.value) for action in self.ale.getMinimalActionSet())
        self.actions: tuple[int, ...] = XITARI_ACTIONS.get(env, minimal)
        self.palette = palette()
        self.height, self.width = self.ale.getScreenDims()
        self._by_number = {int(action.value): action for action in Action.__members__.values()}
        self.game_over = self.ale.game_over
        self._reset = xitari_reset(env) if reset == "xitari" else None
        self._is_reset = False
        for _ in range(_FIRST_RESETS.get(env, 1) if reset == "xitari" else 1):
            self.reset_game()

    def reset_game(self) -> None:
        """Start a new game."""
        self.ale.reset_game()
        if self._reset is not None:
            for address, value in enumerate(self._reset.ram.tolist()):
                self.ale.setRAM(address, value)
            self._is_reset = True

    def lives(self) -> int:
        """Return the lives left."""
        if self._is_reset and self._reset is not None:
            return self._reset.lives
        lives: int = self.ale.lives()
        return lives

    def get_screen(self, out: NDArray[np.uint8]) -> None:
        """Paint the current frame as indices into uint8 [210, 160]."""
        if self._is_reset and self._reset is not None:
            out[:] = self._reset.screen
        else:
            self.ale.getScreen(out)

    def act(self, action: int) -> float:
        """Play one frame and return its reward."""
        self._is_reset = False
        reward: float = self.ale.act(self._by_number[action])
        return reward


class AleFramework:
    """Provide the Atari games."""

    ENV_PARAMS = (
        Param(
            name="useRGB",
            kind="boolean",
            default=True,
            meaning="colour screens; only true, as every shipped script set it",
        ),
        Param(
            name="reset",
            kind="string",
            default="xitari",
            choices=("xitari", "ale"),
            meaning="where games start: as in the original's emulator, or as in today's ale-py",
        ),
    )
    POOL_PARAMS = POOL_PARAMS

    @staticmethod
    def check(env: str, game_path: str, env_params: Mapping[str, Any]) -> dict[str, str]:
        """Check the ROM and return what a run records of it.

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
