"""Bare emulation: ale-py's own interface, and nothing around it."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from ale_py import Action, ALEInterface, LoggerMode

from dqn_port.games.ale.roms import check_rom


class BareEmulation:
    """Play a game at random as fast as the emulator goes: no screen is fetched."""

    def __init__(self, env: str, game_path: str, actions: Sequence[int], *, frames: int) -> None:
        """``frames`` are emulated a step, with one action; ``actions``: to choose from.

        Raises:
            RomError, UnknownGameError: see roms.check_rom.
        """
        ALEInterface.setLoggerMode(LoggerMode.Error)
        self._ale = ALEInterface()
        self._ale.setInt("random_seed", 1)
        self._ale.setFloat("repeat_action_probability", 0.0)
        self._ale.setInt("frame_skip", 1)
        self._ale.loadROM(check_rom(env, game_path)[0])
        self._ale.reset_game()
        self._actions = [Action(number) for number in actions]
        self._frames = frames
        self._random = random.Random(1)

    def play(self, steps: int) -> float:
        """Emulate a number of steps and return the seconds, without new games."""
        act, seconds = self._ale.act, 0.0
        for action in self._random.choices(self._actions, k=steps):
            started = time.perf_counter()
            for _ in range(self._frames):
                act(action)
            seconds += time.perf_counter() - started
            if self._ale.game_over():
                self._ale.reset_game()
        return seconds
