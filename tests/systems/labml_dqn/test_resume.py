"""Leave a training after any tick and go on with another: nothing may differ."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from dqn_port.errors import CheckpointError
from dqn_port.events import Row
from dqn_port.systems.labml_dqn.system import SYSTEM
from tests.systems.labml_dqn.building import handed_over, plain, training

MEASURED = {c.name for table in SYSTEM.HISTORY for c in table.columns if c.measured}


def told(event):
    fields = dataclasses.asdict(event)
    if isinstance(event, Row):
        fields["cells"] = {k: v for k, v in event.cells.items() if k not in MEASURED}
    return type(event).__name__, fields


def without_times(tree):
    if isinstance(tree, dict):
        return {k: without_times(v) for k, v in tree.items() if "seconds" not in k}
    if isinstance(tree, list):
        return [without_times(value) for value in tree]
    if isinstance(tree, np.ndarray):
        return tree.dtype.str, tree.shape, tree.tobytes()
    return tree


def end_of(one):
    """Return all that a finished training holds."""
    rings = {name: dict(ring.arrays) for name, ring in one.rings().items()}
    return without_times([plain(one.state_dict()), rings])


def whole(**changes):
    one, events = training(**changes), []
    while not one.done:
        events += map(told, one.tick())
    return events, end_of(one)


def relayed(**changes):
    """Hand a training over to a fresh one after every tick."""
    one, events = training(**changes), []
    while not one.done:
        events += map(told, one.tick())
        one = handed_over(one, training(**changes))
    return events, end_of(one)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "n_step": 3,
            "dueling": False,
            "loss": "square",
            "norm": "batch",
            "capacity": 10,
            "eval_games": 1,
            "eval_frames": 80,
            "eval_epsilon": 1,
        },
        {
            "game": "breakout",
            "n_workers": 1,
            "updates": 2,
            "capacity": 3,
            "tree_dtype": "float32",
            "eval_updates": 1,
            "eval_games": 1,
            "eval_frames": 8,
        },
    ],
    ids=["toyA", "switches", "breakout"],
)
def test_a_training_goes_on_exactly_from_any_tick(changes):
    events, end = whole(**changes)
    phases = {fields["phase"] for name, fields in events if name == "Ticked"}
    assert phases == {"playing", "learning", "evaluating"}
    again, same_end = relayed(**changes)
    assert again == events
    assert same_end == end


def test_without_the_replay_a_training_fills_it_anew_and_keeps_the_rest():
    one = training(eval_updates=100)
    while one.update < 4:
        one.tick()
    one.tick()
    other = handed_over(one, training(eval_updates=100), full=False)
    assert (other.update, other.worker_step, other.replay_buffer.size) == (4, 0, 0)
    assert other.frames == one.frames
    for mine, yours in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert mine.equal(yours)
    trained = other.trained
    assert trained == one.trained > 0
    for _ in range(4):
        other.tick()
    # Two updates add 8 transitions of 12: nothing is learnt yet.
    assert (other.update, other.trained) == (6, trained)
    assert other.done


def test_an_evaluation_that_was_going_on_begins_again_without_the_games():
    one = training()
    while not one.evaluation.running:
        one.tick()
    one.tick()
    other = handed_over(one, training(), full=False)
    assert other.evaluation.running
    assert other.evaluation.left() == 2


def test_the_ticks_left_are_those_that_come():
    one = training()
    counts = []
    while not one.done:
        left = one.left()
        ticked = [event for event in one.tick() if hasattr(event, "phase")]
        counts.append((ticked[0].phase, left))
    for phase in ("playing", "learning"):
        done = [i for i, (name, _) in enumerate(counts) if name == phase]
        assert [counts[i][1][phase] for i in done] == list(range(len(done), 0, -1))
    assert one.left() == {"playing": 0, "learning": 0, "evaluating": 0}


def learning(one):
    return one.epoch > 0


def begun(one):
    return one.worker_step == 1


@functools.cache
def left(until):
    one = training()
    while not until(one):
        one.tick()
    return one


@functools.cache
def fresh():
    return training()


def damaged(path, value, until=learning):
    """Return a fault in the state of a training in the middle of learning."""
    one, other = left(until), fresh()
    state = plain(one.state_dict())
    *names, last = path
    table = state
    for name in names:
        table = table[name]
    if value is DELETED:
        del table[last]
    else:
        table[last] = value(table[last]) if callable(value) else value
    for name, ring in one.rings().items():
        for key, array in ring.arrays.items():
            other.rings()[name].arrays[key][:] = array
    with pytest.raises(CheckpointError) as caught:
        other.load_state_dict(state)
    return str(caught.value)


DELETED = object()


def nan(array):
    array.flat[0] = np.nan
    return array


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        (["update"], 7, "training.update: expected a whole number of 0 to 6, got 7"),
        (["update"], DELETED, "training.update: expected a whole number of 0 to 6, got nothing"),
        (["epoch"], 2, "training.epoch: expected a whole number of 0 to 1, got 2"),
        (["worker_step"], 1,
         "replay.added: expected at most 10 transitions, of 2 games each, got 12"),
        (["best_score"], 1.0, "training.best: expected a network where there is a best_score"),
        (["model"], [], "training.model: expected a network, got a list"),
        (["model", "conv.0.weight"], DELETED,
         "training.model.conv.0.weight: expected float32 [32, 4, 8, 8], got none"),
        (["model", "lin.bias"], np.zeros(3, dtype=np.float32),
         "training.model.lin.bias: expected float32 [512], got [3]"),
        (["target_model", "lin.bias"], nan,
         "training.target_model.lin.bias: expected finite weights, got NaN or infinity"),
        (["optimizer", "lin.bias", "exp_avg_sq"], lambda a: a - 1,
         "training.optimizer.lin.bias: expected finite moments, the second at least 0"),
        (["replay", "added"], 13,
         "replay.added: expected at most 12 transitions, of 2 games each, got 13"),
        (["replay", "added"], 2**52, "replay.added: expected at most 12 transitions, of 2 games "
                                     "each, got 4503599627370496"),
        (["replay", "leaves"], nan,
         "replay.leaves: expected finite priorities above 0, got others"),
        (["replay", "leaves"], lambda a: a[:-1],
         "replay.leaves: expected float64 [12], got float64 [11]"),
        (["replay", "max_priority"], float("inf"),
         "replay.max_priority: expected a finite number, got inf"),
        (["games"], lambda games: games[:1], "training.games: expected 2, got 1"),
        (["games", 1, "lives"], 9, "game.lives: expected at most 3, those left, got 9"),
        (["games", 0, "obs_4"], b"", "game.obs_4: expected uint8 [4, 84, 84], got a bytes"),
        (["games", 0, "env", "emulator", "px"], 99,
         "environment.emulator.px: expected a whole number of 0 to 13, got 99"),
        (["tracker", "added"], {"__class__": 1},
         "tracker.added: expected a table by name, got a dict"),
        (["tracker", "shown", 0], ["loss", "", 0.0, 0],
         "tracker.shown: expected a name, its text, an average and a number, got others"),
        (["torch"], lambda a: a * 0,
         "torch: expected the state of a PyTorch generator, got another"),
        (["random"], lambda a: a * 0,
         "random: expected 624 words, not all 0, and a position of 0 to 624, got position 0"),
        (["evaluation", "returns"], [1.0, 2.0, 3.0],
         "evaluation.returns: expected those of 2 games, got 3"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_damaged_state_is_refused_in_one_line(path, value, error):
    assert damaged(path, value) == error


def test_minibatches_before_all_steps_are_refused():
    assert damaged(["epoch"], 1, until=begun) == (
        "training.epoch: expected minibatches of a full replay after 2 steps, got 1 after 1"
    )
