"""Small trainings for the tests."""

from __future__ import annotations

import copy
import dataclasses
import re

import numpy as np

from dqn_port.systems.hvass16.system import SYSTEM

SMALL = {
    "seed": 3,
    "env": "toyA",
    "episodes": 5,
    "replay_size": 40,
    "replay_fraction_start_value": 0.5,
    "replay_fraction_num_iterations": 80,
    "batch_size": 8,
    "max_epochs_start_value": 2,
    "max_epochs_end_value": 3,
    "max_epochs_num_iterations": 100,
    "epsilon_num_iterations": 100,
    "state_height": 21,
    "state_width": 16,
    "filters": [2, 3, 4],
    "dense": [8, 6],
}


class Kept:
    """A run's folder that is only remembered."""

    def __init__(self):
        self.texts = {}

    def append(self, name, text):
        self.texts[name] = self.texts.get(name, "") + text


def options(**changed):
    table = SMALL | changed
    draft = SYSTEM.new_draft()
    draft.put(table, "test")
    return SYSTEM.load(draft=draft)


def training(opt=None, **more):
    files = Kept()
    made = SYSTEM.training(opt or options(), files, **more)
    made.files = files
    return made


def run(made, most=10_000):
    """Play to the end; return all events."""
    events = []
    while not made.done:
        assert len(events) < most
        events += made.tick()
    return events


def rings_of(made):
    """Return what checkpoints keep apart: the rows that are held, by number."""
    kept = {}
    for name, ring in made.rings().items():
        numbers = np.arange(ring.added - ring.held, ring.added)
        for column, array in ring.arrays.items():
            kept[name, column] = numbers, array[numbers % len(array)].copy()
    return kept


def fill_rings(made, kept):
    for (name, column), (numbers, rows) in kept.items():
        array = made.rings()[name].arrays[column]
        array[numbers % len(array)] = rows


def frozen(state):
    """Return a copy of a state, and see that it is a tree of what states may hold."""
    if isinstance(state, dict):
        assert all(type(key) is str for key in state)
        return {key: frozen(value) for key, value in state.items()}
    if isinstance(state, list):
        return [frozen(value) for value in state]
    if isinstance(state, np.ndarray):
        assert state.dtype.kind in "biuf"
        return state.copy()
    assert state is None or type(state) in (bool, int, float, str, bytes)
    assert type(state) is not int or abs(state) < 2**53
    return copy.copy(state)


def same(a, b):
    """Tell whether two trees are equal, NaN too."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return type(a) is type(b) and a == b


def told(events):
    """Return events without what differs between two equal runs: the time left."""
    shown = []
    for event in events:
        if hasattr(event, "text"):
            event = dataclasses.replace(
                event, text=re.sub(r", at most [0-9:]+ left", "", event.text)
            )
        shown.append(repr(event))
    return shown


class Drawn:
    """A game of drawn frames, rewards and lengths, that keeps no state."""

    action_names = ("WAIT", "WIN")

    def __init__(self, seed):
        self.random = np.random.RandomState(seed)

    def frame(self):
        return self.random.randint(0, 256, (30, 20, 3)).astype(np.uint8)

    def reset(self):
        return self.frame()

    def step(self, action):
        return self.frame(), action - self.random.rand(), self.random.rand() < 0.2

    def lives(self):
        return 1
