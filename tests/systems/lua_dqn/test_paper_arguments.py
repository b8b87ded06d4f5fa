"""What a run's arguments have in common with the paper's."""

from __future__ import annotations

from pathlib import Path

from dqn_port.arguments.values import shown
from dqn_port.systems.lua_dqn.options import flat
from dqn_port.systems.lua_dqn.paper_arguments import NOT_COMPARED, differences, dqn3_0_1
from dqn_port.systems.lua_dqn.setup import load_options
from tests.exports.report.building import arguments_of

LEGACY_ARGS = Path(__file__).parents[3] / "legacy_args"


def test_the_papers_arguments_are_those_of_legacy_args():
    there = flat(load_options(args_file=LEGACY_ARGS / "pong.json").to_json())
    assert dqn3_0_1() == {key: v for key, v in there.items() if key not in NOT_COMPARED}


def test_the_papers_arguments_differ_in_nothing():
    for game in ("pong", "breakout"):
        opt = load_options(args_file=LEGACY_ARGS / f"{game}.json")
        assert differences(opt.to_json()) == []


def test_differences_are_told_by_path_and_those_without_effect_last():
    arguments = arguments_of(prog_freq=5, agent_params__lr=0.002, seed=2, verbose=0)
    del arguments["agent_params"]["ep_end"]
    arguments["agent_params"]["mine"] = [1, "é"]
    assert [tuple(difference) for difference in differences(arguments)] == [
        ("agent_params.ep_end", "nothing", "0.1", True),
        ("agent_params.lr", "0.002", "0.00025", True),
        ("agent_params.mine", '[1, "é"]', "nothing", True),
        ("seed", "2", "1", True),
        ("prog_freq", "5", "10,000", False),
        ("verbose", "0", "2", False),
    ]


def test_values_are_written_short():
    assert [shown(v) for v in (None, "", "relu", True, 50_000_000, 0.5)] == [
        "nothing", "nothing", "relu", "true", "50,000,000", "0.5"
    ]  # fmt: skip
    assert shown("x" * 300) == "x" * 199 + "…"
    assert len(shown(10**400)) == 200
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep) == "…"
