from __future__ import annotations

import csv
import dataclasses
import json

import pytest

from dqn_port.errors import RunFolderError
from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.arguments_hash import (
    LENGTH,
    arguments_hash,
    canonical_arguments,
)
from dqn_port.systems.lua_dqn.histories import HISTORY as TABLE
from dqn_port.systems.lua_dqn.options import OPTIONS
from dqn_port.systems.lua_dqn.system import SYSTEM
from tests.systems.lua_dqn.trace_options import options_of_trace

# One other value for each option that is left out.
OTHER = {
    "name": "another",
    "prog_freq": 7,
    "save_freq": 70,
    "verbose": 0,
    "threads": 2,
}


@pytest.fixture
def opt():
    opt = options_of_trace("loop_A_s1")
    return dataclasses.replace(opt, steps=900, eval_freq=400, eval_steps=300, save_freq=500)


def test_key_order_and_whole_floats_do_not_matter(opt):
    params = {k: float(v) if type(v) is int else v for k, v in opt.agent_params.items()}
    other = dataclasses.replace(opt, agent_params=dict(reversed(params.items())))
    assert canonical_arguments(other) == canonical_arguments(opt)
    assert len(arguments_hash(opt)) == LENGTH


NOTHING = {option.name for option in OPTIONS if option.changes == "nothing"}


@pytest.mark.parametrize("name", sorted(NOTHING - {"gpu"}))
def test_what_is_left_out_does_not_matter(opt, name):
    value = OTHER.get(name, "elsewhere")
    assert getattr(opt, name) != value
    assert arguments_hash(dataclasses.replace(opt, **{name: value})) == arguments_hash(opt)


def test_ignored_keys_and_the_gpus_number_do_not_matter(opt):
    first, second = (dataclasses.replace(opt, gpu=gpu) for gpu in (0, 3))
    assert arguments_hash(first) == arguments_hash(second) != arguments_hash(opt)
    assert arguments_hash(dataclasses.replace(opt, ignored={"x": 1})) == arguments_hash(opt)


def test_every_other_option_matters(opt):
    for option in OPTIONS:
        if option.name in NOTHING:
            continue
        value = getattr(opt, option.name)
        other = {
            dict: lambda v: v | {"more": 1},
            str: lambda v: v + "x",
            bool: lambda v: not v,
            int: lambda v: v + 1,
        }[type(value)](value)
        changed = dataclasses.replace(opt, **{option.name: other})
        assert arguments_hash(changed) != arguments_hash(opt), option.name


def test_save_freq_matters_where_every_snapshot_is_kept(opt):
    first, second = (
        dataclasses.replace(opt, save_versions=50, save_freq=freq) for freq in (50, 100)
    )
    assert arguments_hash(first) != arguments_hash(second)


def test_a_networks_file_counts_by_its_content(opt, tmp_path):
    files = [tmp_path / name for name in ("a.t7", "b.t7")]
    for file in files:
        file.write_bytes(b"a network")
    first, second = (dataclasses.replace(opt, network=str(file)) for file in files)
    assert arguments_hash(first) == arguments_hash(second)
    files[1].write_bytes(b"another")
    assert arguments_hash(first) != arguments_hash(second)
    files[1].unlink()
    with pytest.raises(RunFolderError, match=r"b\.t7: cannot be read: No such file"):
        arguments_hash(second)


def test_what_is_left_out_changes_no_row_of_the_history(opt, tmp_path):
    def rows(other):
        run = Run(SYSTEM, dataclasses.replace(opt, **other), tmp_path / json.dumps(other))
        list(run.train("cpu"))
        with (run.folder / "history.csv").open() as file:
            found = list(csv.DictReader(file))
        assert found
        return [{k: v for k, v in row.items() if k not in TABLE.measured} for row in found]

    expected = rows({})
    for name, value in OTHER.items():
        assert rows({name: value}) == expected, name
