"""The options as a whole, the device, and what a setup wires together."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil

import numpy as np
import pytest
import torch

from dqn_port.errors import (
    ArgsError,
    DqnPortError,
    MemoryNeedError,
    RegistryError,
    RomError,
    UsageError,
)
from dqn_port.games.ale.roms import expected_md5s, rom_path
from dqn_port.memory import machine_memory
from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.drafts import Draft, finish, read_args_table
from dqn_port.systems.lua_dqn.setup import (
    declared_params,
    load_options,
    resolve,
    setup,
)
from dqn_port.systems.lua_dqn.system import SYSTEM
from tests.cli.running import toy

CPU = torch.device("cpu")
PONG = {
    "framework": "alewrap",
    "env": "pong",
    "agent": "NeuralQLearner",
    "agent_params": {
        "network": "net_small",
        "preproc": "net_downsample_2x_full_y",
        "hist_len": 4,
        "bufferSize": 32,
        "valid_size": 20,
        "learn_start": 40,
        "replay_memory": 100,
    },
    "steps": 10,
}


def options_of(table):
    draft = Draft()
    read_args_table(draft, table, "a.json")
    return resolve(finish(draft, declared_params(draft.values)))


def toy_options(**changes):
    return options_of(toy(**changes))


def refused(error_class, table):
    with pytest.raises(DqnPortError) as caught:
        options_of(table)
    assert isinstance(caught.value, error_class)
    return str(caught.value)


# What must be named.


@pytest.mark.parametrize(
    ("key", "example"),
    [("framework", "alewrap"), ("agent", "NeuralQLearner"), ("env", "pong")],
)
def test_what_is_missing_is_named(key, example):
    assert refused(ArgsError, toy(**{key: ""})) == (
        f"{key}: expected a name such as {example}, got nothing; give it in an argument file "
        f"(--args) or with --set {key}={example}"
    )


@pytest.mark.parametrize(
    ("key", "example"), [("network", "convnet_atari3"), ("preproc", "net_downsample_2x_full_y")]
)
def test_what_is_missing_of_agent_params_is_named(key, example):
    assert refused(ArgsError, toy(**{key: None})) == (
        f"agent_params.{key}: expected a name such as {example}, got nothing; give it in an "
        f"argument file (--args) or with --set agent_params.{key}={example}"
    )


@pytest.mark.parametrize(
    ("slot", "name", "fault"),
    [
        (
            "framework",
            "alewrp",
            "expected one of alewrap, toyfw or module:object, got 'alewrp'; "
            "did you mean 'alewrap'?",
        ),
        (
            "agent",
            "NeuralQlearner",
            "expected one of NeuralQLearner or module:object, got 'NeuralQlearner'; "
            "did you mean 'NeuralQLearner'?",
        ),
        (
            "network",
            "net_toymlp",
            "expected one of convnet_atari3, convnet_small, net_small, net_toy_conv, "
            "net_toy_mlp, net_tie or module:object, got 'net_toymlp'; did you mean 'net_toy_mlp'?",
        ),
        (
            "preproc",
            "preprok_toy",
            "expected one of net_downsample_2x_full_y, preproc_toy or module:object, "
            "got 'preprok_toy'; did you mean 'preproc_toy'?",
        ),
        ("agent", "no_such:thing", "cannot import 'no_such:thing': No module named 'no_such'"),
        (
            "agent",
            "math:nothing",
            "cannot import 'math:nothing': module 'math' has no attribute 'nothing'",
        ),
    ],
)  # fmt: skip
def test_an_unknown_part_is_refused_with_the_near_match(slot, name, fault):
    assert refused(RegistryError, toy(**{slot: name})) == f"{slot}: {fault}"


def test_an_unknown_game_is_refused_with_the_near_match():
    assert refused(UsageError, PONG | {"env": "pomg"}) == (
        "env: no game is named 'pomg'; did you mean 'pong'?; `dqn-port roms` lists them"
    )
    assert refused(UsageError, toy(env="toyB1")) == (
        "env: expected one of toyA, toyB, toyC, got 'toyB1'; did you mean 'toyB'?"
    )


# Numbers that contradict each other.


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"learn_start": 30},
            "agent_params.learn_start: expected at least bufferSize − 1 = 31, got 30: the "
            "sampling buffer is filled from the first transitions; raise it or lower bufferSize",
        ),
        (
            {"valid_size": 32},
            "agent_params.valid_size: expected below bufferSize (32), got 32; lower it or raise "
            "bufferSize",
        ),
        (
            {"minibatch_size": 33},
            "agent_params.minibatch_size: expected below bufferSize (32), got 33; lower it or "
            "raise bufferSize",
        ),
        (
            {"replay_memory": 31},
            "agent_params.replay_memory: expected at least bufferSize (32), got 31",
        ),
        (
            {"learn_start": 99, "eval_freq": 50},
            "eval_freq: expected not to divide learn_start + 1 = 100, got 50: that evaluation "
            "would come before the validation sample is drawn",
        ),
        (
            {"state_dim": 101},
            "agent_params.state_dim: expected 100, what preproc preproc_toy gives, got 101",
        ),
        (
            {"input_dims": [3, 10, 11]},
            "agent_params.input_dims: expected a product of hist_len · state_dim = 300, "
            "got [3, 10, 11]",
        ),
        (
            {"input_dims": None},
            "agent_params.input_dims: expected a product of hist_len · state_dim = 300, "
            "got [3, 84, 84]",
        ),
        (
            {"input_dims": [3, -10, -10]},
            "agent_params.input_dims: expected whole numbers above 0, got [3, -10, -10]",
        ),
        (
            {"input_dims": []},
            "agent_params.input_dims: expected whole numbers above 0, got []",
        ),
        (
            {"input_dims": {"a": 3}},
            "agent_params.input_dims: expected whole numbers above 0, got {'a': 3}",
        ),
        ({"name": "a/b"}, "name: expected the name of a folder without a path, got 'a/b'"),
        ({"name": ".."}, "name: expected the name of a folder without a path, got '..'"),
        ({"name": "a\nb"}, "name: expected the name of a folder without a path, got 'a\\nb'"),
        ({"name": "é" * 101}, "name: expected at most 200 bytes, got 202"),
        (
            {"env_params": {"useRGB": False}},
            "env_params.useRGB: expected true, got false; set it to true",
        ),
    ],
)  # fmt: skip
def test_options_that_contradict_each_other(changes, fault):
    table = toy(**changes)
    for key in ("histType",):
        if key in table:
            table["agent_params"] = table["agent_params"] | {key: table.pop(key)}
    assert refused(ArgsError, table) == fault


def test_min_reward_above_max_reward():
    table = toy()
    table["agent_params"] |= {"min_reward": 2, "max_reward": 1}
    assert refused(ArgsError, table) == (
        "agent_params.min_reward: expected at most max_reward (1), got 2"
    )


def test_what_learning_needs_is_not_asked_of_a_run_that_never_learns():
    opt = toy_options(steps=50, learn_start=50, bufferSize=1000)
    assert opt.agent_params["bufferSize"] == 1000


def test_defaults_that_are_computed():
    params = toy_options(state_dim=None).agent_params
    assert (params["state_dim"], params["input_dims"]) == (100, [3, 10, 10])
    params = options_of(PONG).agent_params
    assert (params["state_dim"], params["input_dims"]) == (7056, [4, 84, 84])


@pytest.mark.parametrize("dims", [{1: 3, 2: 10, 3: 10}, {"3": 10, "1": 3, "2": 10}])
def test_input_dims_as_a_lua_table(dims):
    assert toy_options(input_dims=dims).agent_params["input_dims"] == [3, 10, 10]


def test_a_history_longer_than_what_is_held_when_learning_starts():
    # R = 3 · 24 = 72 frames; 71 transitions are held at the first fill.
    with pytest.raises(ArgsError) as caught:
        setup(toy_options(histSpacing=24))
    assert str(caught.value) == (
        "agent_params.hist_len: expected states of at most 69 steps, as learn_start and "
        "replay_memory are, got 72 (histType, histSpacing); lower it or raise learn_start"
    )
    assert setup(toy_options(histSpacing=23)).agent.transitions.recent_mem_size == 69
    with pytest.raises(ArgsError, match="expected states of at most 38 steps"):
        setup(toy_options(histSpacing=13, replay_memory=40))


def test_the_longest_history_that_is_taken_can_be_learnt_from(tmp_path):
    for _ in Run(SYSTEM, toy_options(histSpacing=23, steps=80), tmp_path).train("cpu"):
        pass


def test_exp2_always_fails_in_the_original():
    table = toy(histSpacing=1)
    table["agent_params"]["histType"] = "exp2"
    with pytest.raises(ArgsError) as caught:
        options_of(table)
    assert str(caught.value) == (
        "a.json: agent_params.histType: expected one of linear, exp1.25, got 'exp2'; "
        "did you mean 'exp1.25'?"
    )


def test_a_replay_larger_than_the_memory(monkeypatch):
    monkeypatch.setattr("dqn_port.memory.machine_memory", lambda: 10_000)
    assert refused(MemoryNeedError, toy(steps=10**6)) == (
        "agent_params.replay_memory: 300 transitions take 0.00 GB, this machine has 0.00 GB; "
        "set a smaller one, --set agent_params.replay_memory=66"
    )
    # 66 · (100 + 6) bytes fit; so does a large one of which a short run fills little.
    assert toy_options(steps=60, learn_start=60)
    with pytest.raises(MemoryNeedError) as caught:
        toy_options(steps=10**6, replay_memory=10**6)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        (PONG, {"replay_memory": 9 * 10**15}),
        (toy(steps=60), {"histSpacing": 9 * 10**15}),
        (
            toy(steps=60),
            {"histType": "exp1.25", "histSpacing": 1, "hist_len": 300, "input_dims": [300, 10, 10]},
        ),
    ],
)
def test_a_replay_of_a_size_that_no_machine_has(base, changes):
    opt = options_of(base | {"agent_params": base["agent_params"] | changes})
    with pytest.raises(MemoryNeedError) as caught:
        setup(opt)
    assert str(caught.value) == (
        "agent_params: replay_memory, bufferSize, hist_len and histSpacing ask for more memory "
        "than the machine has; set smaller ones"
    )


def test_the_machines_memory_is_known():
    assert 100 * 2**20 < machine_memory() < 2**50


# ROMs.


@pytest.mark.parametrize("name", ["pong.bin", "Pong.bin"])
def test_game_path_is_where_the_rom_is_read_from(tmp_path, name):
    shutil.copy(rom_path("pong"), tmp_path / name)
    opt = options_of(PONG | {"game_path": str(tmp_path)})
    assert opt.game_path == str(tmp_path)
    assert tuple(setup(opt).actions) == (0, 3, 4)


def test_a_rom_that_is_missing_empty_or_another(tmp_path):
    table = PONG | {"game_path": str(tmp_path)}
    path, md5 = tmp_path / "pong.bin", expected_md5s()["pong"]
    mend = "set game_path to a folder that holds it, or leave game_path out to use ale-py's"
    assert refused(RomError, table) == (
        f"{path}: expected the ROM of pong, got No such file or directory; {mend}"
    )
    for content in (b"", b"changed"):
        path.write_bytes(content)
        found = hashlib.md5(content).hexdigest()
        assert refused(RomError, table) == (
            f"{path}: expected the ROM of pong with md5 {md5}, got {len(content)} bytes with md5 "
            f"{found}; {mend}"
        )
    assert RomError.exit_code == 1


# The wiring.


def test_setup_draws_one_number_and_then_the_weights():
    ready = setup(toy_options(), device=CPU)
    n_weights = 300 * 24 + 24 + 24 * 4 + 4
    assert ready.agent.network.w.numel() == n_weights
    assert ready.agent.generator.n_draws == 1 + n_weights
    assert ready.opt.agent_params["state_dim"] == 100
    assert tuple(ready.actions) == tuple(ready.env.actions) == (0, 1, 3, 4)
    assert torch.equal(setup(toy_options(), device=CPU).agent.network.w, ready.agent.network.w)
    other = setup(toy_options(seed=2), device=CPU).agent.network.w
    assert not torch.equal(other, ready.agent.network.w)


@pytest.mark.parametrize(("value", "on"), [(0, True), (True, True), (False, False), (None, False)])
def test_rescale_r_is_on_as_lua_takes_truth(value, on):
    assert setup(toy_options(rescale_r=value)).agent.rescale_r is on


def test_the_option_network_goes_before_the_agents():
    opt = toy_options(network="net_tie")
    assert opt.network == ""
    table = toy() | {"network": "net_tie"}
    ready = setup(options_of(table))
    assert ready.opt.agent_params["network"] == "net_toy_mlp"
    assert not ready.agent.network.w.any()


def test_changed_options_are_checked_again():
    opt = toy_options()
    assert resolve(opt) is opt
    with pytest.raises(ArgsError) as caught:
        setup(dataclasses.replace(opt, name="a/b"))
    assert str(caught.value) == "name: expected the name of a folder without a path, got 'a/b'"


def test_load_options_reads_all_sources(tmp_path):
    with pytest.raises(ArgsError):
        load_options(args_file=tmp_path / "no.json")
    assert np.isfinite(load_options(
        lua_words=["-framework", "toyfw", "-env", "toyB", "-agent", "NeuralQLearner",
                   "-agent_params",
                   "network='net_toy_mlp',preproc='preproc_toy',input_dims={1,10,10},"
                   "learn_start=600"],
    ).steps)  # fmt: skip
