"""What is played here: every game three times, its resets, and the original's ale traces."""

from __future__ import annotations

import dataclasses
import hashlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.ale.roms import rom_path
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.exactness.records import (
    Record,
    Reset,
    read_records,
    read_resets,
    read_trace,
)
from dqn_port.systems.lua_dqn.frameworks import AleFramework
from dqn_port.systems.lua_dqn.game_environment import GameEnvironment
from dqn_port.systems.lua_dqn.slots import EnvironmentArgs, State

STEPS: Final = 1000
"""Agent steps of a play."""
HISTORY: Final = 300
"""Agent steps of what is played before the third play."""

# The original's run_gpu.
ACTREP: Final = 4
RANDOM_STARTS: Final = 30
POOL_FRMS: Final = {"type": "max", "size": 2}

Make = Callable[[EnvironmentArgs], GameEnvironment]


@dataclass(frozen=True, kw_only=True)
class Played:
    """What was seen of one game."""

    game: str
    sha256: str
    """Of all that the first play showed; see Watched and play."""
    same_again: bool
    """In a fresh environment."""
    same_after_history: bool
    """In the first environment, after another play and a reset."""
    resets: int
    resets_as_recorded: int
    """Of ``resets``, those after which RAM, screen and lives were xitari's."""
    start_as_recorded: bool
    """Whether the action set is xitari's, and ale-py's own reset differs as was recorded."""
    later_reset_is_xitaris: bool
    """Whether ale-py's own RAM is xitari's after its second reset, though not after its first."""
    trace_rows: int | None = None
    """None: the original left no trace of the game."""
    trace_rows_differing: int | None = None

    @property
    def deterministic(self) -> bool:
        """Tell whether all three plays were the same."""
        return self.same_again and self.same_after_history


class Watched:
    """An emulator of which every frame is hashed and every reset compared with xitari's."""

    def __init__(self, emulator: AleEmulator, expected: Reset) -> None:
        self.emulator, self._expected = emulator, expected
        self.actions, self.palette = emulator.actions, emulator.palette
        self.height, self.width = emulator.height, emulator.width
        self.resets = self.resets_as_recorded = 0
        self.begin()

    def begin(self) -> None:
        """Forget what was hashed."""
        self.sha256 = hashlib.sha256()

    def note(self, *numbers: float) -> None:
        """Hash numbers."""
        self.sha256.update(repr(tuple(float(number) for number in numbers)).encode())

    def reset_game(self) -> None:
        """Start a new game and compare it."""
        self.emulator.reset_game()
        self.compare_reset()

    def compare_reset(self) -> None:
        """Compare the state right after a reset: RAM, screen and lives."""
        screen = np.empty((self.height, self.width), dtype=np.uint8)
        self.emulator.get_screen(screen)
        same = (
            np.array_equal(self.emulator.ale.getRAM(), self._expected.ram)
            and np.array_equal(screen, self._expected.screen)
            and self.emulator.lives() == self._expected.lives
        )
        self.resets += 1
        self.resets_as_recorded += same

    def act(self, action: int) -> float:
        """Play one frame and return its reward."""
        reward = self.emulator.act(action)
        self.note(action, reward)
        return reward

    def game_over(self) -> bool:
        """Tell whether the game has ended."""
        over: bool = self.emulator.game_over()
        return over

    def lives(self) -> int:
        """Return the lives left."""
        return self.emulator.lives()

    def get_screen(self, out: NDArray[np.uint8]) -> None:
        """Paint the current frame as indices into uint8 [210, 160]."""
        self.emulator.get_screen(out)
        self.sha256.update(out.tobytes())


def environment_args(game: str, generator: Generator) -> EnvironmentArgs:
    """Return what a training by the original's arguments builds its game from."""
    return EnvironmentArgs(
        env=game,
        game_path="",
        env_params={"useRGB": True},
        pool_frms=POOL_FRMS,
        actrep=ACTREP,
        random_starts=RANDOM_STARTS,
        generator=generator,
    )


def play(env: GameEnvironment, watched: Watched, generator: Generator, steps: int) -> str:
    """Play random actions as training does; return the sha256 of all that was seen.

    Hashed are the frames (palette indices), actions and rewards of the emulator, and after every
    agent step the RAM, the summed reward, terminal and lives.
    """
    env.emulator = watched
    watched.begin()
    terminal = False
    for _ in range(steps):
        if terminal:
            _, reward, terminal = env.next_random_game()
        else:
            action = env.actions[generator.random(len(env.actions)) - 1]
            _, reward, terminal = env.step(action, training=True)
        watched.note(reward, terminal, env.lives)
        watched.sha256.update(watched.emulator.ale.getRAM().tobytes())
    return watched.sha256.hexdigest()


def play_thrice(
    record: Record,
    expected: Reset,
    *,
    steps: int = STEPS,
    history: int = HISTORY,
    make: Make = AleFramework.make,
) -> Played:
    """Play a game in two fresh environments, and in the first again after another play."""
    game = record.game

    def fresh() -> tuple[GameEnvironment, Watched, Generator]:
        generator = Generator(1)
        env = make(environment_args(game, generator))
        assert isinstance(env.emulator, AleEmulator)
        return env, Watched(env.emulator, expected), generator

    env, watched, generator = fresh()
    first = play(env, watched, generator, steps)

    watched.reset_game()
    generator = Generator(2)
    play(GameEnvironment(watched, environment_args(game, generator)), watched, generator, history)
    watched.reset_game()
    generator = Generator(1)
    env = GameEnvironment(watched, environment_args(game, generator))
    after_history = play(env, watched, generator, steps)

    env, other, generator = fresh()
    again = play(env, other, generator, steps)
    # Two resets with nothing but a reset between them.
    other.reset_game()
    other.reset_game()
    start_as_recorded, later_reset_is_xitaris = starts_as_recorded(record, expected)
    return Played(
        game=game,
        sha256=first,
        same_again=again == first,
        same_after_history=after_history == first,
        resets=watched.resets + other.resets,
        resets_as_recorded=watched.resets_as_recorded + other.resets_as_recorded,
        start_as_recorded=start_as_recorded,
        later_reset_is_xitaris=later_reset_is_xitaris,
    )


def starts_as_recorded(record: Record, expected: Reset) -> tuple[bool, bool]:
    """Tell whether ale-py is the recorded one as far as its own resets show, and ours xitari's.

    First: ale-py's first reset differs from xitari's in the recorded addresses, pixels and lives, a
    fresh game of ours in nothing, and the action set is xitari's. Second: ale-py's second reset
    leaves xitari's RAM, as its first does not.
    """
    plain = AleEmulator(record.game, reset="ale")
    # Loaded anew, so that the next reset is ale-py's first, whatever was done since.
    plain.ale.loadROM(rom_path(record.game))
    plain.reset_game()
    screen = np.empty((plain.height, plain.width), dtype=np.uint8)
    plain.get_screen(screen)
    differs_at = _other_bytes(plain, expected)
    lives = plain.lives()
    plain.reset_game()
    ours = Watched(AleEmulator(record.game), expected)
    ours.compare_reset()
    as_recorded = (
        differs_at == record.ram_differs_at
        and np.count_nonzero(screen != expected.screen) == record.screen_differs_in
        and lives == record.ale_lives
        and ours.actions == record.actions
        and ours.resets_as_recorded == 1
    )
    return as_recorded, bool(differs_at) and not _other_bytes(plain, expected)


def _other_bytes(emulator: AleEmulator, expected: Reset) -> tuple[int, ...]:
    return tuple(np.flatnonzero(emulator.ale.getRAM() != expected.ram).tolist())


def replay_trace(game: str, golden: Path) -> tuple[int, int] | None:
    """Play what the original played; return its number of rows and how many of ours differ.

    Compared are reward, terminal, lives, the draws of random starts, the sha256 of the pooled
    screen and, where the trace has them, the action set and the counts of frames and resets. None:
    there is no trace of the game.

    Raises:
        TraceError: see records.read_trace.
    """
    read = read_trace(game, golden)
    if read is None:
        return None
    trace, recorded_actions = read
    generator = Generator(1)
    # Lua's torchSetup draws once before the game is built.
    generator.random()
    env = AleFramework.make(environment_args(game, generator))
    n = len(trace["kind"])
    if recorded_actions is not None and list(env.actions) != recorded_actions:
        return n, n
    differing = 0
    at = env.get_state()
    for i in range(n):
        k = -1
        if i > 0 and at[2]:
            at = env.next_random_game()
            k = env.last_random_start or -1
        elif i > 0:
            at = env.step(env.actions[int(trace["action"][i]) - 1], training=True)
        differing += not _is_row(env, at, k, {name: array[i] for name, array in trace.items()})
    return n, differing


def _is_row(env: GameEnvironment, at: State, k: int, row: dict[str, NDArray[np.generic]]) -> bool:
    screen, reward, terminal = at
    got: dict[str, float] = {
        "reward": reward,
        "terminal": terminal,
        "lives": env.lives,
        "k": k,
        # The original counts the frame that its constructor plays and undoes.
        "frames": env.frames + 1,
        "resets": env.resets,
    }
    pixels = np.rint(screen.rgb() * 255).astype(np.uint8)
    same = all(value == row[name] for name, value in got.items() if name in row)
    return same and hashlib.sha256(pixels.tobytes()).digest() == row["sha256"].tobytes()


def look_at(game: str, golden: Path) -> Played:
    """Play one game thrice and replay its trace.

    Raises:
        TraceError: see records.read_records.
    """
    played = play_thrice(read_records(golden)[game], read_resets(golden)[game])
    trace = replay_trace(game, golden)
    if trace is None:
        return played
    return dataclasses.replace(played, trace_rows=trace[0], trace_rows_differing=trace[1])


def look_at_all(games: Sequence[str], golden: Path) -> Iterator[Played]:
    """Yield what ``look_at`` sees of each game, one process a core."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(mp_context=spawn) as pool:
        yield from pool.map(look_at, games, [golden] * len(games))
