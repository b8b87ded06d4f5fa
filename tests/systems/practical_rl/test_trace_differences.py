"""A trace that differs in one value of every array is told to differ in every one."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from dqn_port.verify.groups import verify
from tests.systems.practical_rl.test_traces import FOLDER

INPUTS = {"W"}
"""Arrays that a replay is made from."""
GROUPS = (
    "wrappers_breakout", "lives_scripted", "framebuffer", "replay", "smoothen", "play_and_log",
    "img_by_obs", "td_loss", "epsilon_greedy", "cartpole_env", "loop_cartpole",
)  # fmt: skip


def altered(array):
    """Return an array whose last value is another."""
    array = np.atleast_1d(array).copy() if array.ndim == 0 else array.copy()
    last = array.reshape(-1)[-1:]
    last[:] = ~last if array.dtype.kind == "b" else last + 1
    return array


@pytest.mark.parametrize("group", GROUPS)
def test_every_array_is_compared(group, tmp_path):
    with np.load(FOLDER / f"{group}.npz") as file:
        arrays = {name: file[name] for name in file.files}
    changed = {n: a if n in INPUTS else altered(a) for n, a in arrays.items()}
    for name, array in arrays.items():
        if array.ndim == 0:
            changed[name] = changed[name].reshape(())
    np.savez(tmp_path / f"{group}.npz", **changed)
    if (FOLDER / f"{group}.json").exists():
        shutil.copy(FOLDER / f"{group}.json", tmp_path)
    (result,) = verify(tmp_path, system="practical_rl")
    assert result.error == ""
    assert {difference.name for difference in result.differences} == arrays.keys() - INPUTS


FACTS = {
    "linear_decay": ("0.9999991", "0.9999992", {"value"}),
    "epsilon_greedy": ("0.906555499221179", "0.906555499221178", {"next_random_after"}),
    "replay": ("0.2604923103919594", "0.2604923103919595", {"next_random_after"}),
    "framebuffer": ('"bad_dim_order": "ValueError"', '"bad_dim_order": "x"', {"bad_dim_order"}),
    "cartpole_env": ('"episodes": 17', '"episodes": 18', {"episodes"}),
    "wrappers": ('"raw_steps": 4219', '"raw_steps": 4218', {"raw_steps"}),
    "play_and_log": ('"error": "IndexError"', '"error": "ValueError"', {"error"}),
    "loop_cartpole": ("0.7447879190678743", "0.7447879190678744", {"next_np_random"}),
}


@pytest.mark.parametrize("group", FACTS)
def test_facts_of_the_json_are_compared(group, tmp_path):
    was, becomes, names = FACTS[group]
    for path in FOLDER.glob(f"{group}.*"):
        shutil.copy(path, tmp_path)
    path = tmp_path / f"{group}.json"
    text = json.dumps(json.loads(path.read_text()))
    assert was in text
    path.write_text(text.replace(was, becomes, 1))
    (result,) = verify(tmp_path, system="practical_rl")
    assert {difference.name for difference in result.differences} == names
    assert result.n_differ == 1
