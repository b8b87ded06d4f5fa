"""A training that is left at any tick goes on exactly."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.errors import CheckpointError
from dqn_port.events import Finished, Started, Ticked
from dqn_port.runs.run import Run
from dqn_port.systems.practical_rl import make_env
from dqn_port.systems.practical_rl.system import SYSTEM
from tests.systems.practical_rl.running import (
    options,
    plain,
    restored,
    same_networks,
    saved,
    told,
    training,
)

GAMES = ("CartPole-v1", "toyA", "BreakoutNoFrameskip-v4", "gymnasium:CartPole-v1")


def whole_run(environment, **changes):
    """Return a run at its end, the events of every tick, and what was saved before every tick."""
    run = training(environment, **changes)
    events, kept = [], []
    while not run.done:
        kept.append(saved(run))
        events.append([told(event) for event in run.tick()])
    return run, events, kept


@pytest.mark.parametrize("environment", GAMES)
def test_every_tick_can_be_gone_on_from(environment):
    run, events, kept = whole_run(environment, double=True)
    assert len(kept) >= 12 + 6 + 2 * 3
    every = 1 if environment in ("CartPole-v1", "toyA") else 11
    for at in range(0, len(kept), every):
        again = restored(kept[at], environment, double=True)
        rest = []
        while not again.done:
            rest.append([told(event) for event in again.tick()])
        assert rest == events[at:], at
        assert same_networks(run, again), at
        assert again.best_mean_reward == run.best_mean_reward


def test_a_state_says_all_that_changes():
    run, _, kept = whole_run("toyA")
    state, again = kept[-1][0], restored(kept[-1], "toyA")
    assert str(plain(again.state_dict())) == str(state)
    assert run.done
    assert not again.done


def test_without_the_game_the_fill_begins_anew():
    run = training("CartPole-v1")
    while run.next_step < 3:
        run.tick()
    other = training("CartPole-v1")
    other.load_state_dict(plain(run.state_dict(full=False)), full=False)
    assert (other.next_step, other.filling, len(other.exp_replay)) == (3, True, 0)
    assert same_networks(run, other)
    while not other.done:
        other.tick()
    assert other.next_step == 6


@pytest.mark.parametrize("ticks", [1, 7, 15, 19])
@pytest.mark.parametrize(
    ("environment", "changes"),
    [
        ("gymnasium:CartPole-v1", {}),
        (
            "gymnasium:ALE/Breakout-v5",
            {"episodic_life": True, "fire_reset": True, "n_lives": 1, "t_max": 3},
        ),
    ],
    ids=["vector", "lives"],
)
def test_a_game_that_cannot_be_replayed_starts_over(
    environment, changes, ticks, tmp_path, monkeypatch
):
    monkeypatch.setattr(make_env, "_replays", lambda id, made: False)
    opt = options(environment, **changes)
    run = Run(SYSTEM, opt, tmp_path)
    events = run.train("cpu")
    seen = 0
    while seen < ticks:
        seen += isinstance(next(events), Ticked)
    run.save_checkpoint()
    events.close()
    started, *_, last = Run(SYSTEM, opt, tmp_path).train("cpu")
    assert isinstance(started, Started)
    assert started.resumed
    assert isinstance(last, Finished)


DAMAGES = {
    "next_step": (7, "checkpoint.next_step: expected a whole number of 0 to 6, got 7"),
    "seconds": ("long", "checkpoint.seconds: expected a finite number, got a str"),
    "agent": (None, "checkpoint.agent: expected fields by name, got None"),
    "epsilon": (2.0, "checkpoint.epsilon: expected 0 to 1, got 2.0"),
    "state": ([99], "checkpoint.state: expected frames of the replay, got others"),
    "first_state": ([], "checkpoint.first_state: expected frames of the replay, got others"),
    "environment": ({}, "environment.CartPole: expected a value, got nothing"),
    "python_random": (
        {"key": np.zeros(624, dtype=np.uint32), "pos": 625},
        "checkpoint.python_random.pos: expected a whole number of 0 to 624, got 625",
    ),
    "fill_step": (4, "checkpoint.fill_step: expected a whole number of 0 to 3, got 4"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_state_is_refused_in_a_line(name):
    run = training("CartPole-v1")
    for _ in range(14):
        run.tick()
    state, rings = saved(run)
    value, message = DAMAGES[name]
    state[name] = value
    with pytest.raises(CheckpointError) as caught:
        restored((state, rings), "CartPole-v1")
    assert str(caught.value) == message


def test_transitions_of_frames_that_are_not_there_are_refused():
    run = training("CartPole-v1")
    for _ in range(14):
        run.tick()
    state, rings = saved(run)
    rings["transitions"][1]["s2"][3] = 1000
    with pytest.raises(CheckpointError, match=r"^replay\.s2: expected frames 3 to \d+, got others"):
        restored((state, rings), "CartPole-v1")
    state, rings = saved(run)
    rings["transitions"][1]["a"][3] = 2
    with pytest.raises(CheckpointError) as caught:
        restored((state, rings), "CartPole-v1")
    assert str(caught.value) == "replay.a: expected actions of 0 to 1, got others"


def leaves(tree, path=()):
    """Yield the paths of all fields of a state, and of those inside them."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, key))


@pytest.mark.parametrize("environment", ["CartPole-v1", "gymnasium:CartPole-v1"])
def test_whatever_a_field_holds_a_state_is_refused_in_a_line_or_goes_on(environment):
    run = training(environment)
    while run.evaluation is None or run.evaluation.steps < 2:
        run.tick()
    state, rings = saved(run)
    refused = []
    for path in list(leaves(state)):
        for value in (0, 2**53 - 1, "x"):
            damaged = plain(state)
            table = damaged
            for key in path[:-1]:
                table = table[key]
            table[path[-1]] = value
            try:
                restored((damaged, rings), environment).tick()
            except CheckpointError as fault:
                refused.append(str(fault))
    assert len(refused) > 150
    assert not [message for message in refused if "\n" in message]
