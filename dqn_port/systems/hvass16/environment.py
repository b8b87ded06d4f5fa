"""The game as in gym 0.8.1: an action is played for some frames, and a step limit ends the game.

Hvass: gym 0.8.1's AtariEnv and TimeLimit. Its draws (how many frames, which actions stick) were
seeded from system entropy, and no trace covers them; here a seed determines them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import ArgsError, UsageError
from dqn_port.external import place_of
from dqn_port.fields import Fields
from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.ale.roms import rom_of_id
from dqn_port.games.picture_games import Emulator, action_names, open_game
from dqn_port.games.toy import GAMES
from dqn_port.systems.hvass16.generators import load_random_state, random_state_dict

Frame = NDArray[np.uint8]
"""uint8 [height, width, 3], RGB."""

STICKY: Final = {"v0": 0.25, "v3": 0.0, "v4": 0.0}
"""Revision of gym's game → the probability with which a frame repeats the action before."""
MAX_STEPS: Final = {"v0": 10_000, "v3": 100_000, "v4": 100_000}
"""Revision of gym's game → steps after which it ends. v4 is what later gyms called v3."""
_REVISION: Final = re.compile(r"(.+)-(v\d+)")
_FRAME_CAP: Final = 1_000_000
"""More frames than any game has: the step limit ends it earlier."""


class Environment(Protocol):
    """A game, step by step: gym's interface with what exact resuming needs.

    Custom environments have it, too: ``env=module:object`` names a callable that returns one for a
    seed.
    """

    action_names: tuple[str, ...]
    """One per action."""

    def reset(self) -> Frame:
        """Start a new game and return its first frame."""

    def step(self, action: int) -> tuple[Frame, float, bool]:
        """Play an action, an index, and return the frame after it, its reward, and the end."""

    def lives(self) -> int:
        """Return the lives left."""

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state; see interfaces.Training.state_dict."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: it is damaged, or of another game.
        """


def checked(frame: Any, env: Environment) -> Frame:
    """Return the first frame of a game of a custom environment.

    Raises:
        UsageError: it is none.
    """
    if isinstance(frame, np.ndarray) and frame.ndim == 3 and frame.shape[2] >= 3 and frame.size:
        return frame
    got = f"{frame.dtype} {list(frame.shape)}" if isinstance(frame, np.ndarray) else type(frame)
    got = got if isinstance(got, str) else f"a {got.__name__}"
    raise UsageError(
        f"env: expected reset() to return uint8 [height, width, 3], got {got} "
        f"({place_of(type(env).__module__)})"
    )


@dataclass(frozen=True)
class Game:
    """The game that a name stands for."""

    name: str
    """toyA, a ROM without .bin, or module:object."""
    sticky: float
    max_steps: int | None
    """None: no limit."""


def game_of(env: str) -> Game:
    """Return the game of a name: gym's id, a ROM's name (then as -v0), toyA, or module:object.

    Raises:
        ArgsError: it is none.
    """
    if ":" in env or env in GAMES:
        return Game(env, 0.0, None)
    match = _REVISION.fullmatch(env)
    name, revision = (match[1], match[2]) if match is not None else (env, "v0")
    rom = name if name == name.lower() else rom_of_id(name)
    if revision not in STICKY or rom is None:
        raise ArgsError(
            f"env: expected a name such as Breakout-v0, Breakout-v3, breakout, toyA or "
            f"module:object, got '{env}'"
        )
    return Game(rom, STICKY[revision], MAX_STEPS[revision])


class AtariEnvironment:
    """An Atari game, or toyA, played a few frames a step."""

    def __init__(
        self,
        game: str,
        *,
        seed: Sequence[int],
        game_path: str = "",
        frame_skip: Sequence[int] = (2, 3, 4),
        in_turn: bool = False,
        sticky: float = 0.0,
        max_steps: int | None = None,
    ) -> None:
        """``frame_skip``: frames of a step, of which one is drawn, or one after another is taken.

        Raises:
            RomError, UnknownGameError: see games.ale.roms.check_rom.
        """
        self._generator = np.random.RandomState(list(seed))
        self._frame_skip, self._in_turn = tuple(frame_skip), in_turn
        self._max_steps = max_steps
        self._is_toy = game in GAMES
        self.emulator: Emulator
        if self._is_toy:
            self.emulator = open_game(game)
            actions: Sequence[int] = self.emulator.actions
        else:
            self.emulator = emulator = AleEmulator(
                game,
                game_path,
                reset="ale",
                sticky=sticky,
                seed=int(self._generator.randint(2**31 - 1)),
                frame_cap=_FRAME_CAP,
            )
            actions = [int(action.value) for action in emulator.ale.getMinimalActionSet()]
        self._actions = tuple(actions)
        self.action_names: tuple[str, ...] = action_names(actions)
        # Colours as words of four bytes: looking them up is then about ten times faster.
        palette = np.pad(self.emulator.palette, ((0, 0), (0, 1)))
        self._colours = np.ascontiguousarray(palette).view(np.uint32).reshape(-1)
        self._screen = np.empty((self.emulator.height, self.emulator.width), dtype=np.uint8)
        self.steps = 0
        """Since the reset."""
        self.all_steps = 0
        """Ever played."""
        self.frames = 0
        """Frames ever played."""

    def reset(self) -> Frame:
        """Start a new game and return its first frame."""
        self.emulator.reset_game()
        self.steps = 0
        return self.picture()

    def picture(self) -> Frame:
        """Return the current frame: uint8 [height, width, 3]."""
        self.emulator.get_screen(self._screen)
        pixels = self._colours.take(self._screen).view(np.uint8)
        return pixels.reshape(*self._screen.shape, 4)[:, :, :3]

    def step(self, action: int, shown: list[Frame] | None = None) -> tuple[Frame, float, bool]:
        """Play an action for some frames and return the last of them, all rewards, and the end.

        ``shown``: where given, all frames are appended to it.

        Quirk: a step of an Atari game is not cut short when the game ends, a step of toyA is;
        test_environment.py, test_a_step_is_not_cut_short. Quirk: the step limit counts as the
        game's end; test_environment.py, test_the_limit_is_an_end.
        """
        skips = self._frame_skip
        if self._in_turn:
            k = skips[self.all_steps % len(skips)]
        else:
            k = skips[int(self._generator.randint(len(skips)))]
        reward = 0.0
        for _ in range(k):
            reward += self.emulator.act(self._actions[action])
            self.frames += 1
            if shown is not None:
                shown.append(self.picture())
            if self._is_toy and self.emulator.game_over():
                break
        self.steps += 1
        self.all_steps += 1
        done = self.emulator.game_over() or self.steps == self._max_steps
        return self.picture(), reward, done

    def lives(self) -> int:
        """Return the lives left."""
        return self.emulator.lives()

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state: the emulator, the counts and what is drawn next."""
        return {
            "emulator": self.emulator.state_dict(),
            "generator": random_state_dict(self._generator),
            "steps": self.steps,
            "all_steps": self.all_steps,
            "frames": self.frames,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: a field is missing, damaged or of another game.
        """
        fields = Fields(state, "environment")
        counts = {name: fields.integer(name, low=0) for name in ("steps", "all_steps", "frames")}
        generator = load_random_state(fields.inner("generator"))
        self.emulator.load_state_dict(fields.raw("emulator"))
        self._generator = generator
        self.steps, self.all_steps, self.frames = (
            counts[name] for name in ("steps", "all_steps", "frames")
        )
