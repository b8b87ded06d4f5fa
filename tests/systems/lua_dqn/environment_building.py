"""Games as their frameworks make them."""

from __future__ import annotations

from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.frameworks import ToyFramework
from dqn_port.systems.lua_dqn.slots import EnvironmentArgs


def make_game(
    framework, env, *, actrep=1, random_starts=0, pool_size=2, generator=None, env_params=None
):
    return framework.make(
        EnvironmentArgs(
            env=env,
            game_path="",
            env_params=env_params or {},
            pool_frms={"type": "max", "size": pool_size},
            actrep=actrep,
            random_starts=random_starts,
            generator=generator or Generator(1),
        )
    )


def make_toy(env="toyB", **changes):
    return make_game(ToyFramework, env, **changes)
