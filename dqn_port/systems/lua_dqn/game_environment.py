"""A game as the agent sees it: action repeat, lost lives, random starts.

Lua: alewrap's GameEnvironment.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.systems.lua_dqn.game_screen import GameScreen, PooledScreen
from dqn_port.systems.lua_dqn.slots import EnvironmentArgs

_log = logging.getLogger(__name__)

_NOT_UNDONE: Final = frozenset({"qbert"})
"""Games whose state xitari does not save completely: see GameEnvironment."""


class Emulator(Protocol):
    """An emulator, which plays single frames."""

    actions: tuple[int, ...]
    """The numbers of the actions that the agent may choose from."""
    palette: NDArray[np.uint8]
    """uint8 [256, 3], the colours of the indices."""
    height: int
    width: int

    def reset_game(self) -> None:
        """Start a new game."""

    def act(self, action: int) -> float:
        """Play one frame and return its reward."""

    def game_over(self) -> bool:
        """Tell whether the game has ended."""

    def lives(self) -> int:
        """Return the lives left."""

    def get_screen(self, out: NDArray[np.uint8]) -> None:
        """Paint the current frame as indices into uint8 [height, width]."""


class GameEnvironment:
    """Play an emulator's game. Lua: alewrap.GameEnvironment.

    ``frames`` counts the emulated frames, ``resets`` the games begun after a game over.
    """

    def __init__(self, emulator: Emulator, args: EnvironmentArgs) -> None:
        """Take a freshly reset emulator and play the first null frame.

        Lua quirk: one more null frame is played before it and undone by loading the emulator's
        state. In qbert that does not undo it, so that the first game, and no later one, begins
        a frame later (golden ale_qbert). In 56 other games no trace of it remains.
        """
        self.emulator, self._generator = emulator, args.generator
        self._actrep, self._random_starts = args.actrep, args.random_starts
        self.game_screen = GameScreen(
            emulator.palette,
            emulator.height,
            emulator.width,
            pool_type=args.pool_frms["type"],
            pool_size=args.pool_frms["size"],
        )
        self.frames = 0
        self.resets = 0
        self.last_random_start: int | None = None
        self._reward, self._terminal, self._lives = 0.0, False, 0
        if args.env in _NOT_UNDONE and args.env_params.get("reset") != "ale":
            emulator.act(0)
        self._update_state(*self._step(0))

    @property
    def actions(self) -> Sequence[int]:
        """The emulator's own numbers of the actions an agent may choose from."""
        return self.emulator.actions

    @property
    def lives(self) -> int:
        """The lives of the current state."""
        return self._lives

    def get_state(self) -> tuple[PooledScreen, float, bool]:
        """Return the current (screen, reward, terminal). Lua: getState."""
        return self.game_screen.grab(), self._reward, self._terminal

    def step(self, action: int, *, training: bool = False) -> tuple[PooledScreen, float, bool]:
        """Play ``action`` for up to actrep frames; the rewards are summed. Lua: step.

        In training a lost life is terminal, though the game goes on.
        """
        total = 0.0
        for _ in range(self._actrep):
            reward, terminal, lives = self._step(action)
            total += reward
            if training and lives < self._lives:
                terminal = True
            if terminal:
                break
        self._update_state(total, terminal, lives)
        return self.get_state()

    def new_game(self) -> tuple[PooledScreen, float, bool]:
        """Play at random to the end of the game, then show a null frame. Lua: newGame.

        Lua quirk: after a terminal, a lost life too, nothing is played at random, so that after a
        lost life the same game goes on (tests/systems/lua_dqn/test_game_environment.py).
        """
        terminal, actions = self._terminal, self.emulator.actions
        while not terminal:
            _, terminal, _ = self._step(actions[self._generator.random(len(actions)) - 1])
        self.game_screen.clear()
        self._update_state(*self._step(0))
        return self.get_state()

    def next_random_game(self) -> tuple[PooledScreen, float, bool]:
        """Start a new game after 1..random_starts null frames. Lua: nextRandomGame.

        With random_starts = 0, where Lua's draw fails, it is ``new_game`` and draws nothing.
        """
        self.new_game()
        if self._random_starts > 0:
            self.last_random_start = self._generator.random(self._random_starts)
            for _ in range(self.last_random_start - 1):
                if self._step(0)[1]:
                    _log.warning("a null frame of a random start ended the game")
            self._update_state(*self._step(0))
        return self.get_state()

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state, of emulator and screen too, but not the generator's.

        Raises:
            CheckpointError: the emulator has no state that can be saved.
        """
        return {
            "emulator": self._savable().state_dict(),
            "game_screen": self.game_screen.state_dict(),
            "frames": self.frames,
            "resets": self.resets,
            "last_random_start": self.last_random_start,
            "reward": self._reward,
            "terminal": self._terminal,
            "lives": self._lives,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of an environment built from the same arguments.

        All of it is checked before anything is changed: it may come from a stranger, see
        AleEmulator.load_state_dict.

        Raises:
            CheckpointError: a field is missing, damaged or does not fit.
        """
        fields = Fields(state, "environment")
        frames = fields.integer("frames", low=0)
        resets = fields.integer("resets", low=0)
        last_random_start = None
        if fields.has("last_random_start"):
            last_random_start = fields.integer("last_random_start", low=1)
        fields.number("reward")
        # Not as a float: a whole number is printed as one.
        reward, terminal = fields.raw("reward"), fields.boolean("terminal")
        lives = fields.integer("lives", low=-(2**31), high=2**31 - 1)
        emulator, emulators = self._savable(), fields.raw("emulator")
        kept = self.game_screen.state_dict()
        self.game_screen.load_state_dict(fields.raw("game_screen"))
        try:
            emulator.load_state_dict(emulators)
        except BaseException:
            self.game_screen.load_state_dict(kept)
            raise
        self.frames, self.resets, self.last_random_start = frames, resets, last_random_start
        self._update_state(reward, terminal, lives)

    def _savable(self) -> Any:
        """Return the emulator, whose state_dict and load_state_dict not every emulator has."""
        if not hasattr(self.emulator, "load_state_dict"):
            raise CheckpointError(
                "environment.emulator: expected one whose state can be saved, got a "
                f"{type(self.emulator).__name__}; train with --checkpoint weights"
            )
        return self.emulator

    def _step(self, action: int) -> tuple[float, bool, int]:
        """Play one frame, or reset a game that is over: (reward, terminal, lives).

        Lua quirk: the call after a game over does not act; it returns reward 0 and the first
        frame of the new game (tests/systems/lua_dqn/test_game_environment.py).
        """
        emulator, reward = self.emulator, 0.0
        if emulator.game_over():
            emulator.reset_game()
            self.resets += 1
        else:
            reward = emulator.act(action)
            self.frames += 1
        emulator.get_screen(self.game_screen.next_frame())
        return reward, emulator.game_over(), emulator.lives()

    def _update_state(self, reward: float, terminal: bool, lives: int) -> None:
        self._reward, self._terminal, self._lives = reward, terminal, lives
