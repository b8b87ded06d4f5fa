"""Names of parts: near matches, module:object, and what a stranger's file may not name."""

from __future__ import annotations

import json
import sys

import pytest

from dqn_port.arguments.trust import with_trust
from dqn_port.errors import ArgsError, RegistryError
from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn import parts as registry
from dqn_port.systems.lua_dqn.parts import PARTS, find
from dqn_port.systems.lua_dqn.setup import load_options, setup
from dqn_port.systems.lua_dqn.system import SYSTEM
from tests.cli.running import run, toy, write_toy

PART = """
from dqn_port.systems.lua_dqn.neural_q_learner import NeuralQLearner
from dqn_port.options import Param
from dqn_port.systems.lua_dqn.networks.toy import net_toy_mlp

IMPORTED = True

class Learner(NeuralQLearner):
    PARAMS = (*NeuralQLearner.PARAMS, Param(name="mine", kind="number", meaning="of mine"))

def network(args, generator):
    return net_toy_mlp(args, generator)

class Half:
    PARAMS = ()

class Bare:
    PARAMS = ()
    def perceive(self):
        pass
"""


@pytest.fixture
def my_part(tmp_path, monkeypatch):
    (tmp_path / "my_part.py").write_text(PART)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_part", raising=False)
    yield
    sys.modules.pop("my_part", None)


@pytest.mark.parametrize(("slot", "name"), [(s, n) for s, names in PARTS.items() for n in names])
def test_every_part_can_be_found_and_has_what_its_slot_needs(slot, name):
    part = find(slot, name)
    assert all(hasattr(part, what) for what in registry._NEEDED[slot])


def test_an_unknown_name_is_refused_with_the_near_match():
    with pytest.raises(RegistryError) as caught:
        find("network", "convnet_atari")
    assert str(caught.value) == (
        "network: expected one of convnet_atari3, convnet_small, net_small, net_toy_conv, "
        "net_toy_mlp, net_tie or module:object, got 'convnet_atari'; did you mean 'convnet_atari3'?"
    )


@pytest.mark.usefixtures("my_part")
def test_module_object_from_the_command_line_is_taken_as_it_is(tmp_path):
    path = write_toy(tmp_path)
    opt = load_options(
        args_file=path,
        assignments=[
            "agent=my_part:Learner",
            "agent_params.mine=5",
            "agent_params.network=my_part:network",
        ],
    )
    assert opt.agent_params["mine"] == 5
    assert type(setup(opt).agent).__name__ == "Learner"


@pytest.mark.usefixtures("my_part")
@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("agent", {"agent": "my_part:Learner"}),
        ("framework", {"framework": "my_part:Learner"}),
        ("network", {"network": "my_part:network"}),
        ("agent_params.network", {"network_of_agent": "my_part:network"}),
        ("agent_params.preproc", {"preproc": "my_part:Half"}),
    ],
)
def test_a_file_may_not_name_what_would_be_imported(key, changes, tmp_path):
    table = toy(**{k: v for k, v in changes.items() if k != "network" and "of" not in k})
    if "network" in changes:
        table["network"] = changes["network"]
    if "network_of_agent" in changes:
        table["agent_params"] = table["agent_params"] | {"network": changes["network_of_agent"]}
    path = tmp_path / "stranger.json"
    path.write_text(json.dumps(table))
    with pytest.raises(ArgsError) as caught:
        load_options(args_file=path)
    value = next(iter(changes.values()))
    assert str(caught.value) == (
        f"{path}: {key}: expected the name of a part, got '{value}', and importing it would run "
        f"code; if you trust it: {with_trust()}"
    )
    assert "my_part" not in sys.modules


@pytest.mark.usefixtures("my_part")
def test_a_snapshot_with_a_part_of_ones_own_is_played_once_it_is_trusted(tmp_path, capsys):

    opt = load_options(args_file=write_toy(tmp_path), assignments=["agent=my_part:Learner"])
    run_ = Run(SYSTEM, opt, tmp_path / "out")
    for _ in run_.train("cpu"):
        pass
    sys.modules.pop("my_part")
    refused = run(capsys, "evaluate", run_.newest_networks(), "--episodes", "1")
    assert refused.code == 1
    assert "agent: expected the name of a part, got 'my_part:Learner'" in refused.error
    assert "my_part" not in sys.modules
    for words in (["--set", "agent=my_part:Learner"], ["--trust"]):
        words = ["--episodes", "1", *words]
        assert run(capsys, "evaluate", run_.newest_networks(), *words).code == 0
        sys.modules.pop("my_part")


@pytest.mark.usefixtures("my_part")
def test_what_is_no_part_is_refused_in_one_line(tmp_path):
    with pytest.raises(RegistryError) as caught:
        find("agent", "my_part:Half")
    assert str(caught.value) == (
        "agent: expected a part with PARAMS, perceive, got 'my_part:Half' without perceive "
        f"({tmp_path}/my_part.py:14); "
        "docs/systems.md says more"
    )
    with pytest.raises(RegistryError) as caught:
        find("network", "my_part:IMPORTED")
    assert str(caught.value) == (
        "network: expected a part with a call, got 'my_part:IMPORTED' without it (my_part); "
        "docs/systems.md says more"
    )
    with pytest.raises(RegistryError) as caught:
        find("network", "no_such_module:x")
    assert str(caught.value) == (
        "network: cannot import 'no_such_module:x': No module named 'no_such_module'"
    )


@pytest.mark.usefixtures("my_part")
def test_an_agent_declares_what_is_read_of_it(tmp_path):
    with pytest.raises(RegistryError) as caught:
        load_options(args_file=write_toy(tmp_path), assignments=["agent=my_part:Bare"])
    assert str(caught.value) == (
        "agent: expected PARAMS with best, hist_len, input_dims, learn_start, minibatch_size, "
        "ncols, network, preproc, replay_memory, state_dim, valid_size, got 'my_part:Bare' "
        "without; docs/systems.md says more"
    )


@pytest.mark.usefixtures("my_part")
def test_a_network_that_cannot_be_called_as_one_is_refused_in_one_line(tmp_path):
    opt = load_options(
        args_file=write_toy(tmp_path), assignments=["agent_params.network=math:floor"]
    )
    with pytest.raises(RegistryError, match=r"network: 'math:floor' cannot be built from"):
        setup(opt)


def test_a_part_goes_before_a_file_of_its_name(tmp_path, monkeypatch):
    path = write_toy(tmp_path)
    (tmp_path / "net_toy_mlp").write_bytes(b"no snapshot")
    monkeypatch.chdir(tmp_path)
    assert setup(load_options(args_file=path)).agent.network.w.numel() > 0


def test_a_game_for_two_is_refused_in_one_line():
    from dqn_port.games.ale.roms import UnknownGameError, check_rom

    with pytest.raises(UnknownGameError) as caught:
        check_rom("combat")
    assert str(caught.value) == (
        "env: expected a game for one player, got 'combat', which two have to play; "
        "`dqn-port roms` lists them"
    )
