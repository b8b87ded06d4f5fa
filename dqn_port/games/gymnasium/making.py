"""Make an environment by its id, refuse what no DQN can play, and describe it."""

from __future__ import annotations

from typing import Any, Final

import ale_py
import gymnasium
from gymnasium import spaces

from dqn_port.errors import MissingLibraryError, UsageError, near_match
from dqn_port.external import remember

Env = gymnasium.Env[Any, Any]

_KNOWN: Final = ("gymnasium.", "ale_py.")
"""Packages whose environments are no external code."""

gymnasium.register_envs(ale_py)
ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)


def make(id: str, *, trust: bool = False, pictures: bool = False) -> Env:
    """Return the environment of an id, such as CartPole-v1 or ALE/Breakout-v5.

    ``trust``: whether ``module:id`` may import a module. ``pictures``: whether it is to render.

    Raises:
        UsageError: no environment has that id, or a DQN cannot play it.
        MissingLibraryError: a library of the environment's own is not installed.
    """
    module, colon, name = id.partition(":")
    if ":" in name:
        raise UsageError(f"environment {id}: expected an id or module:id, got two colons or more")
    if colon and not trust:
        raise UsageError(
            f"environment {id}: it imports the module '{module}', which may do anything; "
            "add --trust if you trust it"
        )
    if colon:
        remember(module)
    try:
        env = gymnasium.make(id, disable_env_checker=True)
        if pictures and "rgb_array" in env.metadata.get("render_modes", []):
            env.close()
            env = gymnasium.make(id, disable_env_checker=True, render_mode="rgb_array")
    except (gymnasium.error.DependencyNotInstalled, ImportError) as error:
        raise MissingLibraryError(
            f"environment {id}: a library it needs is not installed: {_line(error)}"
        ) from error
    except gymnasium.error.Error as error:
        line = _line(error)
        near = "" if "Did you mean" in line else near_match(id, gymnasium.registry)
        raise UsageError(f"environment {id}: {line}{near}") from error
    made = type(env.unwrapped)
    if not made.__module__.startswith(_KNOWN):
        remember(made.__module__, made)
    _check(env, id)
    return env


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def _check(env: Env, id: str) -> None:
    """Refuse what a DQN cannot play.

    Raises:
        UsageError: actions are not discrete, or observations no picture and no vector.
    """
    actions, seen = env.action_space, env.observation_space
    if not isinstance(actions, spaces.Discrete) or actions.start != 0:
        raise UsageError(
            f"environment {id}: expected actions 0 to n − 1, got {actions}; a DQN values every "
            "action, so take an environment with discrete ones"
        )
    if not isinstance(seen, spaces.Box) or len(seen.shape) not in (1, 3) or 0 in seen.shape:
        raise UsageError(
            f"environment {id}: expected observations that are a vector or a picture "
            f"[height, width, channels], got {seen}"
        )


def meanings(env: Env) -> list[str]:
    """Return the names of an environment's actions; numbers where it has none."""
    names = getattr(env.unwrapped, "get_action_meanings", None)
    if names is not None:
        return list(names())
    assert isinstance(env.action_space, spaces.Discrete)
    return [str(i) for i in range(env.action_space.n)]


def frames_of(env: Env) -> range:
    """Return how many emulator frames a step of an environment may take by itself."""
    skip = getattr(env.unwrapped, "_frameskip", 1)
    return range(*skip) if isinstance(skip, tuple) else range(skip, skip + 1)


def told(env: Env, name: str, skip: int = 1, *, max_frames: int = 0) -> str:
    """Return one line on what is played: frames a step, sticky actions, actions, limits.

    ``skip``: times that a wrapper plays every action; ``max_frames``: after which one ends a game.
    """
    spec = env.spec
    kwargs: dict[str, Any] = {} if spec is None else spec.kwargs
    each = frames_of(env)
    frames = " to ".join(str(skip * n) for n in sorted({each[0], each[-1]}))
    sticky = kwargs.get("repeat_action_probability", 0.0)
    limits = []
    if spec is not None and spec.max_episode_steps:
        limits.append(f"{spec.max_episode_steps:,} steps")
    if most := max_frames or kwargs.get("max_num_frames_per_episode") or 0:
        limits.append(f"{most:,} frames")
    seen = env.observation_space
    parts = (
        f"{frames} frame{'' if frames == '1' else 's'} a step",
        f"sticky actions {sticky:g}" if sticky else "no sticky actions",
        f"actions {', '.join(meanings(env))}",
        f"observation {seen.dtype} {list(seen.shape or ())}",
        f"ends after {' or '.join(limits)}" if limits else "no time limit",
    )
    return f"{name}: {', '.join(parts)}"
