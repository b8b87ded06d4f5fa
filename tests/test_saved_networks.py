"""Runs that start from a snapshot's network, and snapshots that are played."""

from __future__ import annotations

import pytest
import torch

from dqn_port.assemble import (
    setup,
    setup_to_play,
)
from dqn_port.errors import (
    SnapshotError,
)
from dqn_port.run import Run
from tests.cli.running import toy
from tests.test_assemble import CPU, PONG, options_of, toy_options


@pytest.fixture(scope="module")
def toy_snapshot(tmp_path_factory):
    out = tmp_path_factory.mktemp("toy")
    for _ in Run(toy_options(name="t"), out).train(CPU):
        pass
    return out / "t" / "t.pt"


# Networks from snapshots.


def saved_network(path, which):
    table = torch.load(path, weights_only=True)[which]
    flat = [row[name].reshape(-1) for row in table["modules"] for name in ("weight", "bias")
            if name in row]  # fmt: skip
    return torch.cat(flat)


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
        f"{toy_snapshot}: expected a network for states of [4, 84, 84], got shape '[1, 300]' is "
        "invalid for input of size 28224"
    )
    damaged = torch.load(toy_snapshot, weights_only=True)
    rows = damaged["model"]["modules"]
    rows[-1] |= {"output_size": 3, "weight": rows[-1]["weight"][:3], "bias": rows[-1]["bias"][:3]}
    other = toy_snapshot.with_name("three.pt")
    torch.save(damaged, other)
    with pytest.raises(SnapshotError) as caught:
        setup(options_of(toy() | {"network": str(other)}))
    assert str(caught.value) == f"{other}: expected a network of 4 actions for toyB, got 3"


@pytest.mark.parametrize(
    "modules",
    [
        [],
        [5],
        [{"class": "nn.Reshape", "size": []}],
        [{"class": "nn.Linear"}],
        [{"class": "nn.Sigmoid"}],
        [{"class": []}],
        [{"class": "nn.Reshape", "size": "x"}],
    ],
)
def test_a_snapshot_of_no_network_at_all(toy_snapshot, modules):
    table = torch.load(toy_snapshot, weights_only=True)
    table["model"]["modules"] = modules
    other = toy_snapshot.with_name("modules.pt")
    torch.save(table, other)
    with pytest.raises(SnapshotError):
        setup_to_play(other)


@pytest.mark.parametrize("name", ["subprocess:run", "nn.Concat", ""])
def test_a_snapshot_cannot_name_code_to_call(toy_snapshot, tmp_path, name):
    mark = tmp_path / "called"
    table = torch.load(toy_snapshot, weights_only=True)
    table["model"] = {"class": name, "modules": ["touch", str(mark)]}
    other = tmp_path / "hostile.pt"
    torch.save(table, other)
    with pytest.raises(SnapshotError) as caught:
        setup_to_play(other)
    assert str(caught.value) == (
        f"{other}: expected a network of class nn.Sequential, got {name!r}"
    )
    assert not mark.exists()


def test_a_network_file_that_is_not_there(tmp_path):
    with pytest.raises(SnapshotError) as caught:
        setup(options_of(toy() | {"network": f"{tmp_path}/no.pt"}))
    assert str(caught.value) == (
        f"{tmp_path}/no.pt: cannot be read: No such file or directory; "
        "`dqn-port train` makes snapshots"
    )
    with pytest.raises(SnapshotError) as caught:
        setup(options_of(toy() | {"network": "old.t7"}))
    assert str(caught.value) == ("old.t7: expected a snapshot .pt; Torch7 files are not read yet")


def test_to_play_a_snapshot_little_memory_is_needed(toy_snapshot):
    ready, saved = setup_to_play(toy_snapshot, best=True, seed=9)
    assert ready.agent.transitions.s.shape == (1, 100)
    assert ready.opt.seed == 9
    assert torch.equal(ready.agent.network.w.detach(), saved_network(toy_snapshot, "best_model"))
    assert saved.table["step"] == 200


def test_a_snapshot_whose_arguments_are_none(toy_snapshot):
    table = torch.load(toy_snapshot, weights_only=True)
    table["arguments"]["seeed"] = 1
    other = toy_snapshot.with_name("arguments.pt")
    torch.save(table, other)
    with pytest.raises(SnapshotError) as caught:
        setup_to_play(other)
    assert str(caught.value) == (
        f"{other}: arguments: {other}: seeed: no such key; did you mean 'seed'?; "
        "`dqn-port args show` lists all"
    )
