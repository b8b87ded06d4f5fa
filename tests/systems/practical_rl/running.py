"""Small trainings, and what they tell."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from dqn_port.systems.practical_rl.main_loop import Training
from dqn_port.systems.practical_rl.system import SYSTEM

SMALL = {
    "CartPole-v1": {"n_lives": 1, "t_max": 5},
    "toyA": {"n_lives": 1, "t_max": 3},
    "BreakoutNoFrameskip-v4": {"n_lives": 1, "t_max": 3},
}


def options(environment: str = "CartPole-v1", **changes: Any) -> dict[str, Any]:
    """Return options of a run of some steps."""
    values = {
        "environment": environment, "seed": 1, "batch_size": 2, "total_steps": 5,
        "decay_steps": 4, "loss_freq": 2, "refresh_target_network_freq": 3, "eval_freq": 4,
        "n_steps": 4, "fill_calls": 3, "buffer_size": 10, "learning_rate": 0.001,
        **SMALL.get(environment, {}), **changes,
    }  # fmt: skip
    return SYSTEM.load(assignments=[f"{k}={_text(v)}" for k, v in values.items()])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def training(environment: str = "CartPole-v1", **changes: Any) -> Training:
    return SYSTEM.training(options(environment, **changes))


def plain(tree: Any) -> Any:
    """Return a copy of a state, and assert that it is of what states may hold."""
    if isinstance(tree, dict):
        assert all(isinstance(key, str) for key in tree)
        return {key: plain(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [plain(value) for value in tree]
    if isinstance(tree, np.ndarray):
        assert tree.dtype.kind in "biuf"
        return tree.copy()
    assert tree is None or type(tree) in (bool, int, float, str, bytes), type(tree)
    assert type(tree) is not int or abs(tree) < 2**53
    return tree


def saved(run: Training) -> tuple[Any, Any]:
    """Return a training's state and its rings, as a checkpoint has them."""
    rings = {}
    for name, ring in run.rings().items():
        rows = np.arange(ring.added - ring.held, ring.added)
        length = len(next(iter(ring.arrays.values())))
        places = rows % length if ring.slots is None else ring.slots(rows)
        rings[name] = (rows, {key: array[places].copy() for key, array in ring.arrays.items()})
    return plain(run.state_dict()), rings


def restored(kept: tuple[Any, Any], environment: str, **changes: Any) -> Training:
    """Return a fresh training that goes on from what was saved."""
    state, rings = kept
    run = training(environment, **changes)
    for name, ring in run.rings().items():
        rows, arrays = rings[name]
        length = len(next(iter(ring.arrays.values())))
        places = rows % length if ring.slots is None else ring.slots(rows)
        for key, array in ring.arrays.items():
            array[places] = arrays[key]
    run.load_state_dict(copy.deepcopy(state))
    return run


def told(event: Any) -> Any:
    """Return an event without what is measured."""
    cells = getattr(event, "cells", None)
    if cells is None:
        return event
    return event.step, event.table, {k: v for k, v in cells.items() if k != "seconds"}


def same_networks(one: Training, other: Training) -> bool:
    pairs = zip(one.agent.parameters(), other.agent.parameters(), strict=True)
    return all(bool((a == b).all()) for a, b in pairs)
