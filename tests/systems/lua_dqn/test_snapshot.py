"""Snapshots: the original's file, written and read."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dqn_port.errors import SnapshotError, T7Error
from dqn_port.randoms.torch import Generator
from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.networks.layers import Linear, Rectifier, Reshape
from dqn_port.systems.lua_dqn.networks.sequential import Sequential, from_lua
from dqn_port.systems.lua_dqn.setup import load_options
from dqn_port.systems.lua_dqn.snapshot import is_snapshot, load_network, load_snapshot
from dqn_port.systems.lua_dqn.system import SYSTEM
from dqn_port.torch7.t7 import load, save
from dqn_port.torch7.tensors import Storage, Tensor
from dqn_port.torch7.values import LuaTable, TorchObject
from tests.golden_files import GOLDEN

SNAP = GOLDEN / "t7" / "snap_toyB.t7"


# The original's own snapshot, trained again from its own arguments.


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("again")
    run = Run(SYSTEM, load_options(args_file=SNAP), out)
    for _ in run.train("cpu"):
        pass
    return run.newest_networks()


SCRATCH = ("output", "gradInput", "finput", "fgradInput", "addBuffer", "batchsize")
"""Buffers of nn's layers: empty in ours, but batchsize, which is that of a batch of one."""

DEFAULTS = {"histType", "histSpacing", "nonTermProb", "wc", "lr_end", "lr_endt"}
"""What our arguments hold beside those given: the defaults that took effect."""


def differences(ours, theirs, path=""):
    """Yield the paths at which two trees differ, floats by more than 1e-6."""
    if type(ours) is not type(theirs):
        yield path
    elif isinstance(ours, TorchObject):
        if ours.class_name != theirs.class_name:
            yield path
        yield from differences(ours.fields, theirs.fields, path)
    elif isinstance(ours, LuaTable):
        for key in sorted({*ours, *theirs}, key=str):
            yield from differences(ours.get(key), theirs.get(key), f"{path}.{key}")
    elif isinstance(ours, Tensor):
        layout = [(t.class_name, t.size, t.stride, t.offset) for t in (ours, theirs)]
        if layout[0] != layout[1] or (
            ours.size and np.abs(ours.numpy() - theirs.numpy()).max() > 1e-6
        ):
            yield path
    elif isinstance(ours, Storage):
        if not np.array_equal(ours.array, theirs.array):
            yield path
    elif abs(ours - theirs) > 1e-6 if isinstance(ours, float) else ours != theirs:
        yield path


def test_a_run_by_the_same_arguments_leaves_the_originals_file_field_by_field(trained):
    found = set(differences(load(trained), load(SNAP)))
    scratch = {path for path in found if path.rpartition(".")[2] in SCRATCH}
    assert found - scratch == {
        # The machine's own.
        ".arguments.game_path",
        ".time_history.2",
        ".time_history.3",
        *(f".arguments.agent_params.{name}" for name in DEFAULTS),
    }
    assert scratch


def test_the_scratch_buffers_are_there_and_empty(trained):
    for network in (load(trained)["model"], load(SNAP)["model"]):
        for module in [network, *network["modules"].to_list()]:
            assert isinstance(module["output"], Tensor)
    for module in load(trained)["model"]["modules"].to_list():
        names = [name for name in module.fields if name in SCRATCH]
        assert {"output", "gradInput"} <= set(names)
        assert all(module[name].size == () for name in names if name != "batchsize")


def test_what_the_original_shares_is_shared(trained):
    for table in (load(trained), load(SNAP)):
        assert table["model"] is table["agent"]["network"]
        assert table["best_model"] is table["agent"]["best_network"]
        modules = table["model"]["modules"].to_list()
        assert table["model"]["output"] is modules[-1]["output"]
        weighted = [module for module in modules if "weight" in module]
        for of, gradient in (("weight", "bias"), ("gradWeight", "gradBias")):
            storages = {id(m[name].storage) for m in weighted for name in (of, gradient)}
            assert len(storages) == 1
        storage = weighted[0]["weight"].storage
        parameters = load(trained.with_name(f"{trained.stem}.params.t7"))["network"]
        assert len(storage.array) == parameters.element_count == 592


def test_the_flat_parameters_are_the_networks_and_ascii(trained):
    path = trained.with_name(f"{trained.stem}.params.t7")
    theirs = load(GOLDEN / "t7" / "snap_toyB.params.t7")["network"].numpy()
    np.testing.assert_allclose(load(path)["network"].numpy(), theirs, atol=1e-6, rtol=0)
    np.testing.assert_array_equal(
        load(path)["network"].numpy(), load_network(trained).module["modules"][2]["weight"]
        .storage.array,
    )  # fmt: skip
    assert path.read_bytes().startswith(b"3\n1\n1\n2\n7\nnetwork\n")


def test_a_snapshot_of_either_tells_its_steps_and_histories(trained):
    for path in (trained, SNAP):
        snapshot = load_snapshot(path)
        assert snapshot.num_steps == 600
        assert snapshot.history("reward_history") == pytest.approx([-8 / 3, -5])
        assert snapshot.history("episode_counts") == [3, 2]
        assert snapshot.history("no_history") == []
        assert snapshot.arguments["env"] == "toyB"


# Any snapshot.


def small_network(seed=1):
    network = Sequential([Reshape((6,)), Linear(6, 3), Rectifier(), Linear(3, 2)])
    network.reset(Generator(seed))
    return network


def small_table(**changes):
    table = {
        "model": small_network().to_lua(),
        "best_model": small_network(2).to_lua(),
        "arguments": {"seed": 1},
        "reward_history": [1],
    }
    return LuaTable((table | changes).items())


def saved(folder, value):
    save(folder / "a.t7", value)
    return folder / "a.t7"


def refused(path, read=load_snapshot):
    with pytest.raises(SnapshotError) as caught:
        read(path)
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def test_the_last_or_the_best_network_is_built_again_to_the_bit(tmp_path):
    path = saved(tmp_path, small_table())
    for best, which, seed in ((False, "last", 1), (True, "best", 2)):
        found = load_network(path, best=best)
        assert found.which == which
        network = from_lua(found.module, found.where)
        assert torch.equal(network.w, small_network(seed).w)
        assert str(network) == str(small_network(seed))


def test_without_a_best_network_the_last_one_is_given(tmp_path):
    found = load_network(saved(tmp_path, small_table(best_model=None)), best=True)
    assert (found.which, found.name) == ("last", "model")


def test_a_network_alone_and_its_parameters_alone(tmp_path):
    network = small_network()
    found = load_network(saved(tmp_path, network.to_lua()))
    assert torch.equal(from_lua(found.module, found.where).w, network.w)
    found = load_network(saved(tmp_path, {"network": network.to_lua()}))
    assert torch.equal(from_lua(found.module, found.where).w, network.w)
    found = load_network(saved(tmp_path, {"network": network.w.detach().numpy()}))
    assert found.module is None
    np.testing.assert_array_equal(found.parameters, network.w.detach())


def test_the_same_table_gives_the_same_bytes(tmp_path):
    first = saved(tmp_path, small_table()).read_bytes()
    assert saved(tmp_path, small_table()).read_bytes() == first


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("convnet_atari3", False),
        ("my_pkg.mod:net", False),
        ("a.t7", True),
        ("folder/a", True),
        ("", False),
        ("\0", False),
    ],
)
def test_what_is_a_files_name(name, is_one):
    assert is_snapshot(name) is is_one


def test_a_file_without_an_ending_is_known_when_it_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_snapshot("mine")
    (tmp_path / "mine").touch()
    assert is_snapshot("mine")


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(T7Error) as caught:
        load_snapshot(tmp_path / "no.t7")
    assert str(caught.value) == f"{tmp_path}/no.t7: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (5, "expected the snapshot of a training, got 5.0"),
        ({"x": 1}, "expected the snapshot of a training, got <LuaTable of 1 pairs>"),
        (small_table(model=None), "model: expected it in a snapshot, got None"),
        (small_table(model={}), "model: expected it in a snapshot, got <LuaTable of 0 pairs>"),
        (small_table(arguments=3), "arguments: expected it in a snapshot, got 3.0"),
        (small_table(best_model=5), "best_model: expected a network, got 5.0"),
    ],
)
def test_a_file_that_is_no_snapshot(tmp_path, value, fault):
    assert refused(saved(tmp_path, value)) == fault


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (5, "expected a snapshot, an agent, a network or its parameters, got 5.0"),
        ({"network": "x"}, "expected a snapshot, an agent, a network or its parameters, got "
         "<LuaTable of 1 pairs>"),
        ({"network": np.zeros(3, dtype=np.int64)}, "network: expected a vector of floats, got "
         "<torch.LongTensor 3>"),
        ({"network": np.zeros(0, dtype=np.float32)}, "network: expected a vector of floats, got "
         "<torch.FloatTensor empty>"),
        (
            {"network": Tensor("torch.FloatTensor", (10**12,), (0,), 0,
                               Storage("torch.FloatStorage", np.zeros(1, dtype=np.float32)))},
            "network: expected a vector of floats, got <torch.FloatTensor 1000000000000>",
        ),
    ],
)  # fmt: skip
def test_a_file_without_a_network(tmp_path, value, fault):
    assert refused(saved(tmp_path, value), load_network) == fault


def test_a_history_that_is_none(tmp_path):
    for history in (5, {"x": 1}, ["a"], [True]):
        snapshot = load_snapshot(saved(tmp_path, small_table(reward_history=history)))
        with pytest.raises(SnapshotError, match="reward_history: expected a list of numbers, got"):
            snapshot.history("reward_history")
