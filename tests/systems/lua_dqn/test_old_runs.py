"""Histories that a snapshot alone tells: what it lacks stays empty and is never invented."""

from __future__ import annotations

import csv
import io
import shutil

import h5py
import numpy as np
import pytest

from dqn_port.errors import HistoryError, SnapshotError
from dqn_port.exports.hdf5 import export_hdf5
from dqn_port.exports.hdf5_layout import history_series
from dqn_port.exports.hdf5_reading import read_hdf5
from dqn_port.exports.history_table import exported_lines, run_lines, write_csv
from dqn_port.runs.record import read_run
from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.histories import HISTORY as TABLE
from dqn_port.systems.lua_dqn.old_runs import read_old_run
from dqn_port.systems.lua_dqn.system import SYSTEM
from dqn_port.torch7 import save
from dqn_port.torch7.values import LuaTable, TorchObject
from tests.exports.building import write_run
from tests.golden_files import GOLDEN
from tests.systems.lua_dqn.test_setup import PONG, options_of

LISTS = {
    "reward_history": [1.5, 7.25, 31.0],
    "reward_counts": [3, 9, 30],
    "episode_counts": [2, 4, 3],
    "time_history": [0, 100.0, 210.0, 330.0],
    "v_history": [0.1, 0.4, 1.1],
    "td_history": [0.02, 0.03, 0.03],
    "qmax_history": [0.3, 0.9, 2.0],
}
ARGUMENTS = {"env": "breakout", "steps": 750000, "eval_freq": 250000, "seed": 1, "actrep": 4}


@pytest.fixture
def old(tmp_path):
    """Return what saves a snapshot of some fields, and reads it."""

    def read(**fields):
        path = tmp_path / "old.t7"
        save(path, fields)
        return read_old_run(path)

    return read


def steps_of(run):
    return run.history["step"].tolist() if "step" in run.history else None


def test_a_snapshot_of_pong_tells_what_its_run_tells(tmp_path):
    changes = {
        "name": "p", "steps": 130, "eval_freq": 30, "eval_steps": 20, "actrep": 4, "save_freq": 130,
        "random_starts": 30,
    }  # fmt: skip
    list(Run(SYSTEM, options_of(PONG | changes), tmp_path).train("cpu"))
    whole = read_run(tmp_path / "p")
    alone = read_old_run(shutil.copy(tmp_path / "p" / "p.t7", tmp_path / "q.t7"))
    # learn_start is 40: the first multiple of 30 above it is 60.
    assert steps_of(alone) == [60, 90, 120]
    lacking = {"epsilon", "lr", "training_rate", "testing_seconds", "testing_rate"}
    assert set(alone.history) == set(TABLE.names) - lacking
    for column, values in alone.history.items():
        assert values.dtype == whole.history[column].dtype
        if column != "training_seconds":
            assert values.tolist() == whole.history[column].tolist(), column
    assert alone.time.tolist() == whole.time.tolist()
    assert alone.history["training_seconds"].tolist() == np.diff(whole.time).tolist()
    assert (alone.name, alone.game, alone.seed) == ("q", "pong", 1)
    # name, here the file's, is an option as well.
    assert alone.arguments["name"] == "p"
    assert (alone.finished, alone.about, alone.arguments_hash) == (None, {}, "")


def test_the_originals_own_file(tmp_path):
    run = read_old_run(GOLDEN / "t7" / "snap_toyB.t7")
    assert list(run_lines(run)) == [
        "snap_toyB: toyB, seed 1, from its snapshot alone",
        "",
        "      steps       frames     reward episodes rewards         V  TD error  best",
        "        300          600     -2.667        3      17    0.1507    0.2019  *",
        "        600        1,200         -5        2      18    0.1224     0.202",
        "",
        "reward    █▁  -5 to -2.667",
        "V         █▁  0.1224 to 0.1507",
        "TD error  ▁█  0.2019 to 0.202",
    ]
    assert run.arguments["agent_params"]["input_dims"] == [3, 10, 10]


# Where the evaluations were made.


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        # One at every multiple up to the end: no other steps are possible.
        ({}, [250000, 500000, 750000]),
        # The run was not at its end, or learning began late; nobody can tell.
        ({"steps": 1_000_000}, None),
        ({"steps": None}, None),
        ({"steps": 1_000_000, "agent_params": {"lr": 1}}, [250000, 500000, 750000]),
        ({"steps": 10**7, "agent_params": {"learn_start": 250000}}, [500000, 750000, 1000000]),
        ({"steps": 10**7, "agent_params": {"learn_start": 249999}}, [250000, 500000, 750000]),
        ({"steps": 10**7, "agent_params": "learn_start=500000"}, [750000, 1000000, 1250000]),
        # What contradicts itself tells nothing.
        ({"agent_params": {"learn_start": 250000}}, None),
        ({"eval_freq": 300000}, None),
        ({"eval_freq": 0}, None),
        ({"eval_freq": 0.5}, None),
        ({"eval_freq": "x"}, None),
        ({"eval_freq": float("nan")}, None),
        ({"eval_freq": 2.0**60}, None),
        ({"steps": None, "agent_params": {"learn_start": "x"}}, None),
    ],
)
def test_steps_are_told_where_they_follow_for_certain(old, arguments, steps):
    run = old(arguments=ARGUMENTS | arguments, **LISTS)
    assert steps_of(run) == steps
    assert ("frames" in run.history) == (steps is not None)


def test_an_agents_own_learn_start_goes_first(old):
    arguments = ARGUMENTS | {"steps": 10**7, "agent_params": {"learn_start": 1}}

    def steps_by(**fields):
        agent = TorchObject("dqn.NeuralQLearner", LuaTable(fields.items()))
        return steps_of(old(arguments=arguments, agent=agent, **LISTS))

    assert steps_by(learn_start=500000.0) == [750000, 1000000, 1250000]
    assert steps_by(learn_start=500000.0, numSteps=1_250_000.0) == [750000, 1000000, 1250000]
    assert steps_by(learn_start=500000.0, numSteps=1_249_999.0) is None
    assert steps_by(numSteps=750_000.0) == [250000, 500000, 750000]


# What a file lacks.


def test_without_arguments_an_evaluation_has_its_number(old, tmp_path):
    run = old(**LISTS)
    assert list(run_lines(run)) == [
        "old: unknown game, from its snapshot alone",
        "",
        " evaluation       frames     reward episodes rewards         V  TD error  best",
        "          1                     1.5        2       3       0.1      0.02  *",
        "          2                    7.25        4       9       0.4      0.03  *",
        "          3                      31        3      30       1.1      0.03  *",
        "",
        "reward    ▁▂█  1.5 to 31",
        "V         ▁▃█  0.1 to 1.1",
        "TD error  ▁██  0.02 to 0.03",
    ]
    write_csv(tmp_path / "a.csv", [run])
    first, second, _ = csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text()))
    assert {name for name, value in first.items() if not value} == {
        "step", "frames", "epsilon", "lr", "training_rate", "testing_seconds", "testing_rate",
    }  # fmt: skip
    assert (second["evaluation"], second["time"], second["training_seconds"]) == (
        "2", "210.0", "110.0",
    )  # fmt: skip
    export_hdf5(tmp_path / "a.h5", [(run, [])])
    with h5py.File(tmp_path / "a.h5") as file:
        assert "seed" not in file.attrs
        assert "finished" not in file.attrs
        history = file["history"]
        assert history["evaluation"][:].tolist() == [1, 2, 3]
        assert history["time_evaluation"][:].tolist() == [0, 1, 2, 3]
        assert history["time"].dims[0].keys() == ["time_evaluation"]
        assert history["reward"].dims[0].keys() == ["evaluation"]
        assert history["reward"][:].tolist() == LISTS["reward_history"]
        assert not {"step", "frames", "epsilon", "lr"} & set(history)
    (found,) = read_hdf5(tmp_path / "a.h5", layout=True).runs
    assert list(exported_lines(found)) == list(run_lines(run))


def test_a_file_of_one_list_alone(old, tmp_path):
    run = old(v_history=[0.5, 0.25], reward_history=[], time_history=[0])
    assert (set(run.history), run.time, run.n_evaluations) == ({"v"}, None, 2)
    assert list(run_lines(run)) == [
        "old: unknown game, from its snapshot alone",
        "",
        " evaluation       frames     reward episodes rewards         V  TD error  best",
        "          1                                                0.5",
        "          2                                               0.25",
        "",
        "V         █▁  0.25 to 0.5",
    ]
    export_hdf5(tmp_path / "a.h5", [(run, [])])
    (found,) = read_hdf5(tmp_path / "a.h5").runs
    assert set(found.history) == {"evaluation", "v"}
    assert list(exported_lines(found)) == list(run_lines(run))


def test_a_snapshot_before_the_first_evaluation(old, tmp_path):
    run = old(arguments=ARGUMENTS, reward_history=[], time_history=[0])
    assert list(run_lines(run)) == [
        "old: breakout, seed 1, from its snapshot alone",
        "no evaluation yet",
    ]
    export_hdf5(tmp_path / "a.h5", [(run, [])])
    (found,) = read_hdf5(tmp_path / "a.h5").runs
    assert found.history["reward"].tolist() == []
    assert list(exported_lines(found)) == list(run_lines(run))


def test_a_suite_of_all_kinds_in_one_file(old, tmp_path):
    folder = read_run(write_run(tmp_path / "whole"))
    runs = [folder, old(arguments=ARGUMENTS, **LISTS)]
    write_csv(tmp_path / "a.csv", runs)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 7
    export_hdf5(tmp_path / "a.h5", [(run, []) for run in runs])
    found = {run.path: run for run in read_hdf5(tmp_path / "a.h5").runs}
    assert set(found["/runs/whole"].history) == {series.name for series in history_series(TABLE)}
    assert list(exported_lines(found["/runs/old"])) == list(run_lines(runs[1]))


def test_a_whole_run_may_lack_nothing(tmp_path):
    path = tmp_path / "a.h5"
    export_hdf5(path, [(read_run(write_run(tmp_path / "a")), [])])
    with h5py.File(path, "r+") as file:
        del file["history/v"]
    with pytest.raises(HistoryError, match=r"/history: expected the members .* others \(v\)"):
        read_hdf5(path)


# Files from strangers.


def shared_table():
    table = LuaTable([("x", 1.0)])
    for _ in range(60):
        table = LuaTable([("a", table), ("b", table)])
    return table


def test_odd_arguments_are_left_out(old):
    odd = {
        "env": 5, "seed": 0.5, "actrep": 0, "steps": float("inf"), 7: "x", "lr": np.zeros(2),
        "pool_frms": "type=", "name": {True: "y"}, "env_params": {"a": shared_table(), "b": 1},
    }  # fmt: skip
    run = old(arguments=odd, **LISTS)
    assert (run.game, run.seed) == ("", None)
    assert run.arguments == {
        "env": 5, "seed": 0.5, "actrep": 0, "name": {"true": "y"}, "env_params": {},
    }  # fmt: skip
    assert old(arguments=3, **LISTS).arguments == {}
    assert "frames" not in old(arguments=ARGUMENTS | {"actrep": 2.0**52}, **LISTS).history


SEE = "look into it with `dqn-port t7 show`"
ONE_EACH = "histories: expected one number an evaluation in each, after the 0 of time_history, got"
HOSTILE = {
    "sizes": (
        {"v_history": [1, 2]},
        f"{ONE_EACH} 3 in reward_history, 3 in episode_counts, 3 in reward_counts, 2 in v_history, "
        f"3 in td_history, 3 in qmax_history, 3 in time_history; {SEE}",
    ),
    "times": (
        {"time_history": [0, 1, 2], "v_history": None, "td_history": None, "qmax_history": None},
        f"{ONE_EACH} 3 in reward_history, 3 in episode_counts, 3 in reward_counts, 2 in "
        f"time_history; {SEE}",
    ),
    "nan": (
        {"td_history": [1, float("nan"), 3]},
        f"td_history[2]: expected a finite number, got nan; {SEE}",
    ),
    "infinity": (
        {"time_history": [0, 1, 2, float("-inf")]},
        f"time_history[4]: expected a finite number, got -inf; {SEE}",
    ),
    "a word": (
        {"reward_history": [1, "two" * 50, 3]},
        f"reward_history[2]: expected a finite number, got '{'two' * 19}tw; {SEE}",
    ),
    "a boolean": (
        {"qmax_history": [True, False, True]},
        f"qmax_history[1]: expected a finite number, got True; {SEE}",
    ),
    "no list": (
        {"reward_history": 5},
        f"reward_history: expected a list of numbers, got 5.0; {SEE}",
    ),
    "a tensor": (
        {"reward_history": np.zeros(3)},
        f"reward_history: expected a list of numbers, got <torch.DoubleTensor 3>; {SEE}",
    ),
    "gaps": (
        {"v_history": LuaTable([(1, 1.0), (3, 3.0)])},
        f"v_history: expected a list of numbers without gaps, got <LuaTable of 2 pairs>; {SEE}",
    ),
    "names": (
        {"v_history": {"a": 1}},
        f"v_history: expected a list of numbers without gaps, got <LuaTable of 1 pairs>; {SEE}",
    ),
    "half a count": (
        {"episode_counts": [1, 2.5, 3]},
        f"episode_counts[2]: expected a count, got 2.5; {SEE}",
    ),
    "a negative count": (
        {"reward_counts": [1, 2, -3]},
        f"reward_counts[3]: expected a count, got -3; {SEE}",
    ),
    "very many": (
        {"reward_history": [0.0] * 100_001},
        f"reward_history: expected at most 100,000 numbers, got 100,001; {SEE}",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_line(tmp_path, name):
    changes, fault = HOSTILE[name]
    path = tmp_path / "a.t7"
    save(path, LISTS | {"arguments": ARGUMENTS} | changes)
    with pytest.raises(SnapshotError) as caught:
        read_old_run(path)
    assert str(caught.value) == f"{path}: {fault}"


@pytest.mark.parametrize("value", [5, {"x": 1}, ["reward_history"]])
def test_a_file_without_histories(tmp_path, value):
    path = tmp_path / "a.t7"
    save(path, value)
    with pytest.raises(SnapshotError) as caught:
        read_old_run(path)
    got = "5.0" if value == 5 else "<LuaTable of 1 pairs>"
    assert str(caught.value) == (
        f"{path}: expected a training's histories, reward_history and the like, got {got}; name "
        "the snapshot that a training has saved"
    )
