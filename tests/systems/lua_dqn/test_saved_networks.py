"""Runs that start from a snapshot's network, and snapshots that are played."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from dqn_port.errors import SnapshotError, T7Error
from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.networks.sequential import from_lua
from dqn_port.systems.lua_dqn.setup import options_of_snapshot, setup, setup_to_play
from dqn_port.systems.lua_dqn.snapshot import load_snapshot
from dqn_port.systems.lua_dqn.system import SYSTEM
from dqn_port.torch7.nn_modules import rows_of, sequential_of
from dqn_port.torch7.t7 import load, save
from tests.cli.running import toy
from tests.systems.lua_dqn.test_setup import PONG, options_of, toy_options


@pytest.fixture(scope="module")
def toy_snapshot(tmp_path_factory):
    out = tmp_path_factory.mktemp("toy")
    for _ in Run(SYSTEM, toy_options(name="t"), out).train("cpu"):
        pass
    return out / "t" / "t.t7"


# Networks from snapshots.


def saved_network(path, which):
    found = load(path)[which]
    return from_lua(found, which).w.detach()


@pytest.mark.parametrize(("best", "which"), [(None, "model"), (True, "best_model")])
def test_a_run_starts_from_a_snapshots_network_or_its_best(toy_snapshot, best, which):
    table = toy() | {"network": str(toy_snapshot)}
    table["agent_params"]["best"] = best
    ready = setup(options_of(table))
    assert torch.equal(ready.agent.network.w.detach(), saved_network(toy_snapshot, which))
    assert ready.agent.generator.n_draws == 1
    assert not torch.equal(
        saved_network(toy_snapshot, "model"), saved_network(toy_snapshot, "best_model")
    )


def test_agent_params_network_may_be_a_snapshot_too(toy_snapshot):
    ready = setup(toy_options(network=str(toy_snapshot)))
    assert torch.equal(ready.agent.network.w.detach(), saved_network(toy_snapshot, "model"))


def test_a_snapshot_of_another_game_or_input_is_refused(toy_snapshot):
    with pytest.raises(SnapshotError) as caught:
        setup(options_of(PONG | {"network": str(toy_snapshot)}))
    assert str(caught.value).startswith(
        f"{toy_snapshot}: model: expected a network for states of [4, 84, 84], got shape "
        "'[1, 300]' is invalid for input of size 28224"
    )
    table = load(toy_snapshot)
    rows = rows_of(table["model"])
    rows[-1] |= {"weight": rows[-1]["weight"][:3], "bias": rows[-1]["bias"][:3]}
    other = toy_snapshot.with_name("three.t7")
    save(other, {"network": bare(rows)})
    with pytest.raises(SnapshotError) as caught:
        setup(options_of(toy() | {"network": str(other)}))
    assert str(caught.value) == f"{other}: network: expected a network of 4 actions for toyB, got 3"


def bare(rows):
    flat = np.concatenate([row[k].reshape(-1) for row in rows for k in ("weight", "bias")
                           if k in row])  # fmt: skip
    return sequential_of(rows, flat, np.zeros_like(flat))


@pytest.mark.parametrize("name", ["subprocess:run", "nn.Concat"])
def test_a_snapshot_cannot_name_code_to_call(toy_snapshot, tmp_path, name):
    table = load(toy_snapshot)
    table["model"].class_name = name
    other = tmp_path / "hostile.t7"
    save(other, table)
    with pytest.raises(SnapshotError) as caught:
        setup_to_play(other)
    assert str(caught.value) == (
        f"{other}: model: expected a network of class nn.Sequential, got {name!r}"
    )


def test_a_network_file_that_is_not_there(tmp_path):
    with pytest.raises(T7Error) as caught:
        setup(options_of(toy() | {"network": f"{tmp_path}/no.t7"}))
    assert str(caught.value) == (f"{tmp_path}/no.t7: cannot be read: No such file or directory")


def test_parameters_alone_go_into_the_network_that_is_named(toy_snapshot, tmp_path):
    flat = saved_network(toy_snapshot, "model")
    path = tmp_path / "a.params.t7"
    save(path, {"network": flat.numpy()}, ascii=True)
    table = toy() | {"network": str(path)}
    ready = setup(options_of(table))
    assert torch.equal(ready.agent.network.w.detach(), flat)
    assert ready.agent.generator.n_draws == 1
    table["agent_params"]["network"] = "net_tie"
    with pytest.raises(SnapshotError) as caught:
        setup(options_of(table))
    assert str(caught.value) == (
        f"{path}: network: expected the 1204 parameters of net_tie with 4 actions, got 7324; "
        "name the network they are of with --set agent_params.network=…"
    )


def test_the_arguments_in_a_snapshot_hold_the_network_it_began_with_as_luas_do(tmp_path):
    def train(name, **changes):
        run = Run(SYSTEM, options_of(PONG | {"name": name, "steps": 50} | changes), tmp_path)
        list(run.train("cpu"))
        return run.newest_networks()

    first = train("first")
    second = train("second", network=str(first))
    arguments = [load_snapshot(path).arguments for path in (first, second)]
    assert [(table["network"], table["agent_params"]["network"]) for table in arguments] == [
        ("", "net_small"), (str(first), str(first)),
    ]  # fmt: skip
    ours = json.loads((second.parent / "args.json").read_text())
    assert (ours["network"], ours["agent_params"]["network"]) == (str(first), "net_small")
    for _ in ("with the first", "without it"):
        played = setup_to_play(second)[0].agent.network.w.detach()
        assert torch.equal(played, saved_network(second, "model"))
        begun = setup(options_of(PONG | {"network": str(second)})).agent.network.w.detach()
        assert torch.equal(begun, played)
        first.unlink(missing_ok=True)


def test_to_play_a_snapshot_little_memory_is_needed(toy_snapshot):
    ready, saved = setup_to_play(toy_snapshot, best=True, seed=9)
    assert ready.agent.transitions.s.shape == (1, 100)
    assert ready.opt.seed == 9
    assert torch.equal(ready.agent.network.w.detach(), saved_network(toy_snapshot, "best_model"))
    assert saved.which == "best"


def test_a_snapshot_whose_arguments_are_none(toy_snapshot):
    table = load(toy_snapshot)
    table["arguments"]["seed"] = -0.5
    other = toy_snapshot.with_name("arguments.t7")
    save(other, table)
    with pytest.raises(SnapshotError) as caught:
        options_of_snapshot(load_snapshot(other))
    assert str(caught.value) == (f"{other}: arguments: seed: expected a whole number, got -0.5")
