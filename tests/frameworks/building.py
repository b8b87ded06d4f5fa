"""A toy game as its framework makes it."""

from __future__ import annotations

from dqn_port.frameworks.toyfw import ToyFramework
from dqn_port.torch7.generator import Generator


def make_toy(
    env="toyB", *, actrep=1, random_starts=0, pool_type="max", pool_size=2, generator=None
):
    return ToyFramework.make(
        env=env,
        game_path="",
        env_params={},
        pool_type=pool_type,
        pool_size=pool_size,
        actrep=actrep,
        random_starts=random_starts,
        generator=generator or Generator(1),
    )
