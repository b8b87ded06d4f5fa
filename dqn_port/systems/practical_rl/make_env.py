"""Make the environment that a run plays.

Practical_RL: homework_pytorch_main.ipynb and homework_pytorch_debug.ipynb, make_env
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import gymnasium
import numpy as np
from gymnasium.wrappers import AtariPreprocessing, ReshapeObservation

from dqn_port.arguments.trust import is_trusted, require_trust
from dqn_port.errors import UsageError, near_match
from dqn_port.fields import Fields
from dqn_port.games.ale.roms import check_rom, expected_md5s, rom_of_id, title_of
from dqn_port.games.cartpole import CartPole
from dqn_port.games.gymnasium.making import Env, make, meanings
from dqn_port.games.gymnasium.replayed import ReplayedEnv, replays_exactly
from dqn_port.games.toy import GAMES
from dqn_port.systems.practical_rl.atari_wrappers import (
    ClipRewardEnv,
    EpisodicLifeEnv,
    FireResetEnv,
    MaxAndSkipEnv,
)
from dqn_port.systems.practical_rl.framebuffer import FrameBuffer
from dqn_port.systems.practical_rl.preprocess_atari_obs import Gray64, PreprocessAtariObs
from dqn_port.systems.practical_rl.raw_game import GameRecord, RawGame

GYMNASIUM: Final = "gymnasium:"
"""Prefix of the id of an environment that gymnasium makes."""
CARTPOLE: Final = "CartPole-v1"
_ATARI: Final = (210, 160, 3)
_OPTIONS: Final = (
    "environment", "game_path", "max_game_frames", "frame_skip", "episodic_life", "fire_reset",
    "clip_rewards", "preprocess", "n_frames", "oldest_first",
)  # fmt: skip
"""Those on which an environment's spaces depend."""
_NO_FRAMESKIP: Final = "NoFrameskip-v4"


def raw_game_of(environment: str) -> str | None:
    """Return the ROM, or toy, that is played frame by frame; None for gymnasium and CartPole.

    Raises:
        UsageError: there is no such environment.
    """
    if environment in GAMES:
        return environment
    if environment == CARTPOLE or environment.startswith(GYMNASIUM):
        return None
    rom = rom_of_id(environment) if environment.endswith(_NO_FRAMESKIP) else None
    if rom is None:
        ids = [f"{title_of(game)}{_NO_FRAMESKIP}" for game in expected_md5s()]
        known = [CARTPOLE, *GAMES, *expected_md5s(), *ids]
        raise UsageError(
            f"environment: expected {CARTPOLE}, toyA, an Atari game such as "
            f"Breakout{_NO_FRAMESKIP} or breakout, or gymnasium:ID, got '{environment}'"
            f"{near_match(environment, known)}"
        )
    return rom


def _with_prefix(environment: str) -> str:
    """Return an id with gymnasium's prefix where only gymnasium, or a stranger's module, has it."""
    ours = environment == CARTPOLE or environment.endswith(_NO_FRAMESKIP)
    theirs = environment in gymnasium.registry or ":" in environment
    is_bare = not environment.startswith(GYMNASIUM)
    return f"{GYMNASIUM}{environment}" if is_bare and theirs and not ours else environment


def base_env(options: Mapping[str, Any], *, pictures: bool = False) -> Env:
    """Return the environment without the homework's wrappers.

    Raises:
        UsageError, RomError, MissingLibraryError: it cannot be played.
    """
    environment = options["environment"]
    game = raw_game_of(environment)
    if game is not None:
        return RawGame(game, game_path=options["game_path"], max_frames=options["max_game_frames"])
    if environment == CARTPOLE:
        return CartPole()
    id = environment.removeprefix(GYMNASIUM)
    if ":" in id:
        require_trust("environment", id)

    def made() -> Env:
        return make(id, trust=is_trusted(), pictures=pictures)

    return ReplayedEnv(made(), exact=_replays(id, made))


_exact: dict[str, bool] = {}
"""Id → result of replays_exactly, computed once in a process."""


def _replays(id: str, made: Any) -> bool:
    if id not in _exact:
        _exact[id] = replays_exactly(made)
    return _exact[id]


def fill_in(options: dict[str, Any]) -> None:
    """Set the wrappers that were not chosen, depending on the environment.

    Raises:
        UsageError, RomError, MissingLibraryError: it cannot be played, or a wrapper asks for what
            it lacks.
    """
    if options["environment"] in expected_md5s():
        options["environment"] = f"{title_of(options['environment'])}{_NO_FRAMESKIP}"
    environment = options["environment"] = _with_prefix(options["environment"])
    game = raw_game_of(environment)
    if game is not None and game not in GAMES:
        check_rom(game, options["game_path"])
    base = spaces(options, wrapped=False)
    pictures, names = len(base.shape) == 3, base.actions
    defaults: dict[str, Any] = {
        "frame_skip": 1 if game is None else 4,
        "episodic_life": game is not None,
        "fire_reset": game is not None and len(names) >= 3 and names[1] == "FIRE",
        "clip_rewards": game is not None,
        "preprocess": "none" if not pictures else "crop64" if base.shape == _ATARI else "gray64",
        "n_frames": 4 if pictures else 1,
    }
    for name, value in defaults.items():
        if options[name] is None:
            options[name] = value
    if options["episodic_life"] and not base.has_lives:
        raise UsageError(
            f"episodic_life: expected a game with lives, got {environment}; set episodic_life=false"
        )
    _check_preprocess(options, base, plays_ale=game is None and base.has_lives)
    shape = spaces(options).shape
    architecture = "dense" if len(shape) == 1 else "nature" if shape[-1] == 84 else "homework"
    if options["architecture"] is None:
        options["architecture"] = architecture
    if (options["architecture"] == "dense") != (architecture == "dense"):
        raise UsageError(
            f"architecture {options['architecture']}: expected "
            f"{'pictures' if architecture == 'dense' else 'a vector'}, got states {list(shape)}; "
            f"set architecture={architecture}, or leave it out"
        )


def _check_preprocess(options: Mapping[str, Any], base: Spaces, *, plays_ale: bool) -> None:
    """Refuse observations that a wrapper, or the network after it, cannot use.

    Raises:
        UsageError: the observations are such.
    """
    preprocess, got = options["preprocess"], f"got {list(base.shape)}"
    if len(base.shape) == 3 and (base.dtype != np.uint8 or base.shape[-1] not in (1, 3, 4)):
        raise UsageError(
            f"environment {options['environment']}: expected a vector, or pictures of bytes "
            f"[height, width, 1, 3 or 4], got {base.dtype} {list(base.shape)}; wrap it so that it "
            "shows one of them"
        )
    if preprocess == "crop64" and base.shape != _ATARI:
        raise UsageError(
            f"preprocess crop64: expected pictures {list(_ATARI)}, {got}; leave it out"
        )
    if preprocess == "gray64" and len(base.shape) != 3:
        raise UsageError(f"preprocess gray64: expected pictures of bytes, {got}; leave it out")
    if preprocess == "gray84" and not plays_ale:
        raise UsageError(
            f"preprocess gray84: expected {GYMNASIUM}ALE/…, got {options['environment']}; set "
            "preprocess=crop64, or play gymnasium's game"
        )
    if preprocess == "none" and len(base.shape) == 3:
        raise UsageError(f"preprocess none: expected a vector, {got}; set preprocess=gray64")


class Spaces(NamedTuple):
    """The observations and actions of an environment."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    actions: tuple[str, ...]
    has_lives: bool


def spaces(options: Mapping[str, Any], *, wrapped: bool = True) -> Spaces:
    """Return the observations and actions of a run; without ``wrapped``, before the homework's
    wrappers.

    Raises:
        UsageError, RomError, MissingLibraryError: see base_env, FireResetEnv.
    """
    return _spaces(tuple((name, options[name]) for name in _OPTIONS), wrapped)


@functools.lru_cache
def _spaces(options: tuple[tuple[str, Any], ...], wrapped: bool) -> Spaces:
    env = make_env(dict(options)) if wrapped else base_env(dict(options))
    space, actions = env.observation_space, tuple(meanings(env))
    assert space.dtype is not None
    found = Spaces(space.shape or (), space.dtype, actions, hasattr(env.unwrapped, "ale"))
    env.close()
    return found


def make_env(
    options: Mapping[str, Any],
    *,
    clip_rewards: bool = True,
    pictures: bool = False,
) -> Env:
    """Return the environment with the homework's wrappers; its first reset must be seeded.

    ``clip_rewards``: false: never; true: if the options say so.
    """
    env: Env = GameRecord(base_env(options, pictures=pictures))
    if options["frame_skip"] > 1:
        env = MaxAndSkipEnv(env, skip=options["frame_skip"])
    if options["preprocess"] == "gray84":
        env = AtariPreprocessing(env, noop_max=0, frame_skip=1, screen_size=84)
        env = ReshapeObservation(env, (1, 84, 84))
    if options["episodic_life"]:
        env = EpisodicLifeEnv(env)
    if options["fire_reset"]:
        env = FireResetEnv(env)
    if clip_rewards and options["clip_rewards"]:
        env = ClipRewardEnv(env)
    if options["preprocess"] == "crop64":
        env = PreprocessAtariObs(env)
    if options["preprocess"] == "gray64":
        env = Gray64(env)
    if options["n_frames"] > 1:
        env = FrameBuffer(env, options["n_frames"], "pytorch", oldest_first=options["oldest_first"])
    return env


def clips_rewards(options: Mapping[str, Any]) -> bool:
    """Return whether training clips rewards.

    Quirk: make_env(seed) passes the seed as clip_rewards, so that seed 0 clips nothing.
    """
    by_seed = bool(options["seed"]) or not options["seed_clips_rewards"]
    return bool(options["clip_rewards"] and by_seed)


def record_of(env: Env) -> GameRecord:
    """Return the wrapper that records the whole games of an environment."""
    return next(part for part in chain(env) if isinstance(part, GameRecord))


def chain(env: Env) -> Iterator[Env]:
    """Yield an environment and all that it wraps, from the outside in."""
    yield env
    while env is not env.unwrapped:
        env = env.env  # type: ignore[attr-defined]
        yield env


def state_of(env: Env) -> dict[str, Any]:
    """Return the exact states of all parts of an environment, by class."""
    return {
        type(part).__name__: part.state_dict() for part in chain(env) if hasattr(part, "state_dict")
    }


def put_back(env: Env, state: Any) -> bool:
    """Restore the states of all parts; return whether the game could be restored, or must start
    over.

    Raises:
        CheckpointError: a part's state is missing or damaged.
    """
    fields = Fields(state, "environment")
    parts = [part for part in chain(env) if hasattr(part, "load_state_dict")]
    # From the inside out: replaying a game must not pass through the other parts.
    for part in reversed(parts):
        part.load_state_dict(fields.raw(type(part).__name__))
    lost = any(getattr(part, "begins_anew", False) for part in parts)
    for part in parts:
        if lost and isinstance(part, EpisodicLifeEnv):
            # Its next reset must not play on in a game that is not there.
            part.was_real_done = True
    return not lost
