"""Build small trainings of labml's DQN."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np

from dqn_port.systems.labml_dqn.system import SYSTEM

SMALL = {
    "game": "toyA",
    "seed": 3,
    "updates": 6,
    "n_workers": 2,
    "worker_steps": 2,
    "train_epochs": 2,
    "mini_batch_size": 4,
    "capacity": 12,
    "update_target_model": 2,
    "eval_updates": 3,
    "eval_games": 2,
    "eval_frames": 12,
}
"""Full in the third update, then four minibatches; evaluations after the third and the last."""


def options(**changes):
    values = {**SMALL, **changes}
    return dict(_checked(json.dumps(values)))


@functools.cache
def _checked(values):
    texts = {name: value if isinstance(value, str) else json.dumps(value)
             for name, value in json.loads(values).items()}  # fmt: skip
    return SYSTEM.load(assignments=[f"{name}={text}" for name, text in texts.items()])


class NoFiles:
    folder = Path("/nowhere")

    def append(self, name, text):
        raise AssertionError

    def write(self, name, write):
        raise AssertionError


def training(parts=None, start=None, **changes):
    return SYSTEM.training(options(**changes), NoFiles(), parts=parts, start=start)


def plain(tree):
    """Return a copy of a state, of the types that a checkpoint can hold and no others."""
    if isinstance(tree, dict):
        assert all(type(key) is str for key in tree)
        return {key: plain(value) for key, value in tree.items()}
    if type(tree) is list:
        return [plain(value) for value in tree]
    if isinstance(tree, np.ndarray):
        return tree.copy()
    assert tree is None or type(tree) in (bool, int, float, str, bytes), type(tree)
    assert type(tree) is not int or abs(tree) < 2**53
    return tree


def handed_over(old, new, *, full=True):
    """Put the state of a training, and its rings, into another."""
    state = plain(old.state_dict(full=full))
    if full:
        for name, ring in old.rings().items():
            for key, array in ring.arrays.items():
                new.rings()[name].arrays[key][:] = array
    new.load_state_dict(state, full=full)
    return new
