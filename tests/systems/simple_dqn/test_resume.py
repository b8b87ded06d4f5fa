"""A training that is left and gone on with after every tick ends as one that was not."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from dqn_port.errors import CheckpointError
from dqn_port.events import Row
from dqn_port.systems.simple_dqn.main import Training
from dqn_port.systems.simple_dqn.options import HISTORY
from dqn_port.systems.simple_dqn.traces.loops import KeptFiles
from tests.systems.simple_dqn.building import training

MEASURED = [column.name for column in HISTORY.columns if column.measured]

CASES = [
    {"toy": True, "save_weights_prefix": "p"},
    {"toy": True, "play_games": 1},
    {"batch_norm": True, "optimizer": "adam"},
    {"optimizer": "adadelta", "target_steps": 0, "random_steps": 0, "datatype": "float64"},
    {
        **{"game": "breakout", "repeat_action_probability": 0.25, "frame_skip": 2},
        **{"random_steps": 7, "train_steps": 3, "test_steps": 2, "epochs": 1},
    },
    {
        **{"environment": "gym", "game": "ALE/Breakout-v5"},
        **{"random_steps": 6, "train_steps": 2, "test_steps": 1, "epochs": 1},
    },
]


def leaves(tree: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield (path, leaf); a list is a leaf only if it is empty."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in inner:
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def assert_plain(state: Mapping[str, Any]) -> None:
    for path, value in leaves(state):
        assert all(isinstance(key, str | int) for key in path)
        good = value is None or isinstance(value, bool | float | str | bytes | np.ndarray)
        assert good or (type(value) is int and abs(value) < 2**53), path


def handed_over(old: Training, files: KeptFiles, **case: Any) -> Training:
    """Return a fresh training that goes on where ``old`` stands."""
    state = copy.deepcopy(old.state_dict())
    assert_plain(state)
    texts = dict(files.texts)
    new = training(files=files, **case)
    files.texts = texts
    for name, ring in old.rings().items():
        for key, array in ring.arrays.items():
            new.rings()[name].arrays[key][...] = array
    new.load_state_dict(state)
    return new


def rest(run: Training) -> list[Any]:
    """Run to the end and return what happened, without times."""
    events = []
    while not run.done:
        events += [without_times(event) for event in run.tick()]
    return events


def without_times(event: Any) -> Any:
    if not isinstance(event, Row):
        return event
    return event.step, {name: cell for name, cell in event.cells.items() if name not in MEASURED}


def without_csv_times(text: str) -> list[list[str]]:
    return [line.split(",")[:-3] for line in text.splitlines()]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_rest_is_the_same_after_every_tick(case, tmp_path):
    whole_files, files = KeptFiles(tmp_path), KeptFiles(tmp_path)
    whole = training(files=whole_files, **case)
    expected = rest(whole)
    run, events = training(files=files, **case), []
    while not run.done:
        events += [without_times(event) for event in run.tick()]
        run = handed_over(run, files, **case)
    assert events == expected
    assert len(expected) >= run.step
    got, there = dict(leaves(run.state_dict())), dict(leaves(whole.state_dict()))
    times = [path for path in there if "time" in str(path[-1])]
    for path in there.keys() - times:
        np.testing.assert_array_equal(got[path], there[path], err_msg=str(path))
    csv = "statistics.csv"
    assert without_csv_times(files.texts[csv]) == without_csv_times(whole_files.texts[csv])
    assert files.written == whole_files.written


def test_weights_alone_go_on_with_a_new_game_and_an_empty_memory():
    run = training(toy=True)
    for _ in range(28):
        run.tick()
    new = training(toy=True)
    new.load_state_dict(copy.deepcopy(run.state_dict(full=False)), full=False)
    assert (new.step, new.i, new.at, new.mem.count) == (28, 8, 1, 0)
    assert new.agent.total_train_steps == 8
    for name, array in run.net.weights().items():
        np.testing.assert_array_equal(new.net.weights()[name], array)
    rest(new)
    assert new.step == 20 + 2 * (14 + 6)


def test_weights_alone_go_on_in_a_test_phase_with_whole_games():
    run = training(toy=True, test_steps=200)
    while run.phases[run.at].name != "test" or run.stats.game_rewards == 0:
        run.tick()
    new = training(toy=True, test_steps=200)
    new.load_state_dict(copy.deepcopy(run.state_dict(full=False)), full=False)
    assert (new.env.mode, new.i, new.stats.game_rewards) == ("test", run.i, 0)
    assert new.agent.buf.get_state().any()


FLOATS = {
    *("total_time", "epoch_time", "cost_sum", "average_cost", "game_rewards"),
    *("average_reward", "min_game_reward", "max_game_reward", "last_exploration_rate"),
}
MAY_BE_NONE = {"first_states", "min_game_reward", "max_game_reward"}


def test_a_damaged_state_is_refused_in_one_line():
    run = training(toy=True)
    for _ in range(30):
        run.tick()
    state, fresh, n = run.state_dict(), training(toy=True), 0
    for path, value in leaves(state):
        if path[-1] in MAY_BE_NONE and value is None:
            continue
        for damage in (None, object(), -1.5, np.zeros(3), 2**60, float("nan")):
            if damage is None and path[-1] in MAY_BE_NONE:
                continue
            if type(damage) is float and damage == -1.5 and path[-1] in FLOATS:
                continue
            damaged = copy.deepcopy(state)
            inner: Any = damaged
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = damage
            with pytest.raises(CheckpointError) as caught:
                fresh.load_state_dict(damaged)
            assert "\n" not in str(caught.value), path
            n += 1
    assert n > 200


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("phase",), 99, "phase: expected a whole number of 0 to 5, got 99"),
        (("i",), 14, "i: expected a whole number of 0 to 13, got 14"),
        (("environment", "mode"), "play", "environment.mode: expected train or test, got a str"),
        (
            ("random", "words"),
            np.full(625, 625, dtype=np.uint32),
            "random.words: expected a position of 0 to 624, got 625",
        ),
        (
            ("network", "weights", "conv1.W"),
            np.zeros(2),
            "network.weights.conv1.W: expected float32 [32, 4, 8, 8], got float64 [2]",
        ),
    ],
)
def test_what_is_wrong_is_named(path, value, message):
    run = training(toy=True)
    for _ in range(25):
        run.tick()
    state = copy.deepcopy(run.state_dict())
    inner: Any = state
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(CheckpointError) as caught:
        training(toy=True).load_state_dict(state)
    assert str(caught.value) == message


def test_a_state_of_another_gym_game_is_refused():
    case = {"environment": "gym", "game": "ALE/Breakout-v5", "random_steps": 3, "epochs": 0}
    run = training(**case)
    run.tick()
    state = run.state_dict()
    with pytest.raises(CheckpointError) as caught:
        training(**{**case, "game": "ALE/Pong-v5"}).env.load_state_dict(state["environment"])
    assert str(caught.value) == "environment.id: expected 'ALE/Pong-v5', got 'ALE/Breakout-v5'"
    state["environment"]["sha256"] = "0" * 64
    with pytest.raises(CheckpointError, match="replayed to end at sha256 '000000000000', got '"):
        training(**case).env.load_state_dict(state["environment"])


def test_what_is_left_is_counted_down_and_a_rows_cells_are_the_tables_columns():
    run = training(toy=True)
    assert run.left() == {"random": 20, "train": 28, "test": 12}
    steps = 60
    while not run.done:
        assert sum(run.left().values()) == steps
        rows = [event.cells for event in run.tick() if isinstance(event, Row)]
        assert all(tuple(cells) == HISTORY.names for cells in rows)
        steps -= 1
    assert (run.left(), steps) == ({}, 0)
    assert training(toy=True, play_games=1).left() is None
    assert run.about()["cpu_seconds"] > 0
