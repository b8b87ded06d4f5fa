"""ale-py, set up as the original's xitari was: no frame skipping, no sticky actions by itself.

Lua: xitari's ALEInterface, as alewrap drives it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import numpy as np
from ale_py import Action, ALEInterface, LoggerMode
from ale_py import __version__ as ale_py_version
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.games.ale.ale_random import (
    check_random,
    put_random,
    random_in,
    random_like,
)
from dqn_port.games.ale.roms import check_rom

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
    file = resources.files("dqn_port.games.ale") / "xitari_reset.npz"
    with file.open("rb") as opened, np.load(opened) as arrays:
        games: list[str] = arrays["games"].tolist()
        if env not in games:
            return None
        at = games.index(env)
        return XitariReset(arrays["ram"][at], arrays["screen"][at], int(arrays["lives"][at]))


class AleEmulator:
    """An Atari 2600 game, frame by frame.

    A reset leaves it in the state that xitari was in: xitari's RAM is written, and until the first
    frame its screen and lives are shown. From there ale-py plays as xitari did.
    """

    def __init__(
        self,
        env: str,
        game_path: str = "",
        *,
        reset: str = "xitari",
        rules: str = "xitari",
        sticky: float = 0.0,
        seed: int = 1,
        frame_cap: int | None = None,
    ) -> None:
        """Load the checked ROM of ``env`` and reset the game.

        ``reset``: "xitari", or "ale" to leave ale-py as it is. ``rules``: whose minimal actions,
        and whose limit of a game's frames; ale-py has no limit. ``frame_cap``: another limit.
        ``sticky``: the probability with which a frame repeats the action before, drawn by ale-py
        from ``seed``, 0 to 2³¹ − 1.

        Raises:
            RomError, UnknownGameError: see roms.check_rom.
        """
        self._env, self._game_path, self._reset_is = env, game_path, reset
        self._sticky, self._seed = sticky, seed
        if frame_cap is None:
            frame_cap = _FRAME_CAPS.get(env, _FRAME_CAP) if rules == "xitari" else 0
        self._frame_cap = frame_cap
        self._load_rom()
        minimal = tuple(int(action.value) for action in self.ale.getMinimalActionSet())
        self.actions: tuple[int, ...] = (
            XITARI_ACTIONS.get(env, minimal) if rules == "xitari" else minimal
        )
        self.palette = palette()
        self.height, self.width = self.ale.getScreenDims()
        self._by_number = {int(action.value): action for action in Action.__members__.values()}
        self._reset = xitari_reset(env) if reset == "xitari" else None
        for _ in range(_FIRST_RESETS.get(env, 1) if reset == "xitari" else 1):
            self.reset_game()

    def _load_rom(self) -> None:
        path, self.rom_md5 = check_rom(self._env, self._game_path)
        ALEInterface.setLoggerMode(LoggerMode.Error)
        self.ale = ALEInterface()
        # Nothing is random without sticky actions; the seed is fixed all the same.
        self.ale.setInt("random_seed", self._seed)
        self.ale.setFloat("repeat_action_probability", self._sticky)
        self.ale.setInt("frame_skip", 1)
        self.ale.setInt("max_num_frames_per_episode", self._frame_cap)
        self.ale.loadROM(path)
        self.game_over = self.ale.game_over

    def reset_game(self) -> None:
        """Start a new game."""
        self._before_reset = self._serialized(), self.ale.getRAM()
        self._played = bytearray()
        self.ale.reset_game()
        if self._reset is not None:
            for address, value in enumerate(self._reset.ram.tolist()):
                self.ale.setRAM(address, value)

    def _serialized(self) -> bytes:
        """Return ale-py's own state, with the sticky actions' generator where they are drawn."""
        state: bytes = self.ale.cloneState(include_rng=self._sticky > 0).serialize()
        return state

    def lives(self) -> int:
        """Return the lives left."""
        if self._reset is not None and not self._played:
            return self._reset.lives
        lives: int = self.ale.lives()
        return lives

    def get_screen(self, out: NDArray[np.uint8]) -> None:
        """Paint the current frame as indices into uint8 [210, 160]."""
        if self._reset is not None and not self._played:
            out[:] = self._reset.screen
        else:
            self.ale.getScreen(out)

    def act(self, action: int) -> float:
        """Play one frame and return its reward."""
        reward: float = self.ale.act(self._by_number[action])
        self._played.append(action)
        return reward

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state: what the last reset began from, and the actions since.

        A reset depends on ale-py's random numbers and on the RAM that it finds, and on nothing
        else. ale-py's own states are not used: they lack what qbert and tetris draw next, so that
        one of tetris, put into a fresh emulator, ends the process (docs/nothing-lost.md).
        """
        before, ram = self._before_reset
        state = {
            "rom_md5": self.rom_md5,
            "reset": self._reset_is,
            "random": random_in(before),
            "ram": ram.copy(),
            "frames": len(self._played),
            "actions": np.frombuffer(bytes(self._played), dtype=np.uint8),
            "sha256": self._sha256(),
            "ale_py": ale_py_version,
        }
        if self._sticky:
            random = random_in(before, sticky=True)
            state["sticky"] = {"probability": self._sticky, "random": random}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state: reset a fresh emulator in the same way and play the actions again.

        That takes 50 to 150 µs a frame, and ends where the state was taken or is refused; then
        nothing is changed. No bytes of ``state`` are read by ale-py: it is given numbers that were
        checked, bytes of RAM before a reset, and actions.

        Raises:
            CheckpointError: a field is missing, damaged or not of this game, or the actions lead
                elsewhere.
            RomError: the ROM is no longer there.
        """
        fields = Fields(state, "environment.emulator")
        for name, own in (("rom_md5", self.rom_md5), ("reset", self._reset_is)):
            if (got := fields.text(name)) != own:
                raise CheckpointError(
                    f"environment.emulator.{name}: expected '{own}', got {got[:40]!a}; the "
                    "state is of another game"
                )
        random = check_random(fields.array("random", random_like()), "environment.emulator.random")
        sticky = self._sticky_random(fields) if self._sticky or fields.has("sticky") else None
        ram = fields.array("ram", np.empty(self.ale.getRAMSize(), dtype=np.uint8))
        n_frames = fields.integer("frames", low=0, high=_FRAME_CAP)
        actions = fields.array("actions", np.empty(n_frames, dtype=np.uint8)).tolist()
        if not self._by_number.keys() >= set(actions):
            raise CheckpointError(
                f"environment.emulator.actions: expected numbers of 0 to {max(self._by_number)}, "
                f"got {max(actions)}"
            )
        expected, saved_by = fields.text("sha256"), fields.text("ale_py")
        kept = vars(self).copy()
        try:
            self._load_rom()
            put_random(self.ale, random)
            if sticky is not None:
                put_random(self.ale, sticky, sticky=True)
            for address, value in enumerate(ram.tolist()):
                self.ale.setRAM(address, value)
            self.reset_game()
            for action in actions:
                self.act(action)
            if (got := self._sha256()) != expected:
                raise CheckpointError(
                    f"environment.emulator: expected {n_frames} frames replayed to end at "
                    f"sha256 {expected[:12]!a}, got '{got[:12]}'; saved by ale-py "
                    f"{saved_by[:20]!a}, played by '{ale_py_version}'"
                )
        except BaseException:
            vars(self).update(kept)
            raise

    def _sticky_random(self, fields: Fields) -> NDArray[np.int64]:
        """Return the checked generator of sticky actions from a state's fields."""
        inner = fields.inner("sticky")
        if (probability := inner.number("probability")) != self._sticky:
            raise CheckpointError(
                f"environment.emulator.sticky.probability: expected {self._sticky}, got "
                f"{probability}; the state is of another game"
            )
        where = "environment.emulator.sticky.random"
        return check_random(inner.array("random", random_like()), where)

    def _sha256(self) -> str:
        """Return the sha256 of what was played since the reset, and of where it led."""
        screen = np.empty((self.height, self.width), dtype=np.uint8)
        self.get_screen(screen)
        digest = hashlib.sha256(f"{self.lives()} {self.game_over()} ".encode() + self._played)
        for state, ram in (
            self._before_reset,
            (self._serialized(), self.ale.getRAM()),
        ):
            digest.update(random_in(state).tobytes() + ram.tobytes())
            if self._sticky:
                digest.update(random_in(state, sticky=True).tobytes())
        digest.update(screen.tobytes())
        return digest.hexdigest()
