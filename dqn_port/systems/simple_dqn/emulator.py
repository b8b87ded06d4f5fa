"""The Arcade Learning Environment with simple_dqn's settings.

simple_dqn: environment.py, ALEEnvironment.__init__.
"""

from __future__ import annotations

from typing import Final

from ale_py import ALEInterface, LoggerMode

from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.ale.roms import check_rom

_ALL_ACTIONS: Final = tuple(range(18))


class ArcadeEmulator(AleEmulator):
    """An Atari 2600 game, frame by frame, reset as ale-py resets it; its frames may be blended."""

    def __init__(
        self,
        env: str,
        game_path: str = "",
        *,
        seed: int,
        repeat_action_probability: float = 0.0,
        color_averaging: bool = True,
        minimal_action_set: bool = True,
        sound: bool = False,
    ) -> None:
        """Load the checked ROM of ``env``.

        ``color_averaging``: show every frame blended with the one before, by the emulator.

        Raises:
            RomError, UnknownGameError: see roms.check_rom.
        """
        self._color_averaging, self._sound = color_averaging, sound
        super().__init__(
            env,
            game_path,
            reset="ale",
            rules="ale",
            sticky=repeat_action_probability,
            seed=seed,
        )
        if not minimal_action_set:
            self.actions = _ALL_ACTIONS

    def _load_rom(self) -> None:
        path, self.rom_md5 = check_rom(self._env, self._game_path)
        ALEInterface.setLoggerMode(LoggerMode.Error)
        self.ale = ALEInterface()
        self.ale.setInt("random_seed", self._seed)
        self.ale.setInt("frame_skip", 1)
        self.ale.setInt("max_num_frames_per_episode", self._frame_cap)
        self.ale.setFloat("repeat_action_probability", self._sticky)
        self.ale.setBool("color_averaging", self._color_averaging)
        self.ale.setBool("sound_obs", self._sound)
        self.ale.loadROM(path)
        self.game_over = self.ale.game_over
