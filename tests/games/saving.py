"""Play, save and go on; restore and go on: nothing may differ."""

from __future__ import annotations

import hashlib
from unittest import mock

from dqn_port.errors import CheckpointError
from dqn_port.games.ale import emulator as ale_emulator
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.frameworks import AleFramework, ToyFramework
from tests.systems.lua_dqn.environment_building import make_game

# Frames after which a game is over, so that every game soon meets game overs and resets, and the
# steps that are compared after a restore: the game ends in them.
CAP, STEPS = 72, 22
MOMENTS = ("game over", "reset", "mid-game")


def make(game, *, seed=1, reset="xitari", pool_size=2):
    framework = ToyFramework if game.startswith("toy") else AleFramework
    generator = Generator(seed)
    env = make_game(
        framework,
        game,
        actrep=4,
        random_starts=8,
        pool_size=pool_size,
        generator=generator,
        env_params={} if framework is ToyFramework else {"reset": reset},
    )
    return env, generator


def inside(env):
    """Return all that ale-py tells of its emulator's state: processors, memories, random numbers.

    Left out are the counters before it; that of all frames ever played is not saved.
    """
    emulator = env.emulator
    if not hasattr(emulator, "ale"):
        return emulator.state_dict()
    state = emulator.ale.cloneState(include_rng=False).serialize()
    ram = hashlib.sha256(emulator.ale.getRAM().tobytes()).hexdigest()
    system = hashlib.sha256(state[state.index(b"System") :]).hexdigest()
    return system, ram, emulator.ale.getEpisodeFrameNumber()


def shown(env, generator):
    screen, reward, terminal = env.get_state()
    sha256 = hashlib.sha256(screen.frames.tobytes()).hexdigest()
    counts = (env.frames, env.resets, env.last_random_start, generator.n_draws)
    return sha256, repr(reward), terminal, env.lives, env.emulator.game_over(), *counts


def seen(env, generator):
    return inside(env), shown(env, generator)


def play(env, generator, steps=STEPS, *, until=None):
    """Play at random as training does; return what is seen after every step."""
    views = []
    for _ in range(steps):
        if env.get_state()[2]:
            env.next_random_game()
        else:
            env.step(env.actions[generator.random(len(env.actions)) - 1], training=True)
        views.append(seen(env, generator))
        if until is not None and until(env):
            return views
    assert until is None, f"it did not come to that in {steps} steps"
    return views


def at_game_over(env):
    return env.emulator.game_over()


def after_a_lost_life(env):
    return env.get_state()[2] and not env.emulator.game_over()


def saved(env, generator):
    """Return the state, that of the generator, what is seen now and what is seen after it."""
    state, numbers = env.state_dict(), generator.get_state()
    return state, numbers, seen(env, generator), play(env, generator)


def differences(env, generator, moments):
    """Restore every moment in turn; return the names of those from which it goes on otherwise."""
    faults = []
    for moment, (state, numbers, now, after) in moments.items():
        generator.set_state(numbers)
        try:
            env.load_state_dict(state)
        except CheckpointError as error:
            faults.append(f"{moment}: {error}")
            continue
        if seen(env, generator) != now:
            faults.append(f"{moment}: it is another")
        if play(env, generator) != after:
            faults.append(f"{moment}: it goes on otherwise")
    return faults


def faults_of_game(game, reset="xitari", wanted=MOMENTS, fresh=True):
    """Return in what a game does not go on from saved moments, all after its second game over.

    What a reset begins from is then no longer what the first one began from. It is restored into
    a fresh environment or into the one that was played.
    """
    with mock.patch.multiple(ale_emulator, _FRAME_CAP=CAP, _FRAME_CAPS={}):
        env, generator = make(game, reset=reset)
        moments = {}
        play(env, generator, 300, until=at_game_over)
        play(env, generator, 1)
        play(env, generator, 300, until=at_game_over)
        if "game over" in wanted:
            moments["game over"] = saved(env, generator)
        if "reset" in wanted:
            if not at_game_over(env):
                play(env, generator, 300, until=at_game_over)
            env.new_game()
            moments["reset"] = saved(env, generator)
        if "mid-game" in wanted:
            play(env, generator, 7)
            moments["mid-game"] = saved(env, generator)
        assert sorted(moments) == sorted(wanted)
        into = make(game, seed=2, reset=reset) if fresh else (env, generator)
        return differences(*into, moments)
