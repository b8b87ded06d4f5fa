from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dqn_port.torch7.cmdline import CmdLine, CmdLineResult, OptionValue

GOLDEN: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "golden" / "cmdline.json").read_text()
)
OPTIONS: dict[str, tuple[OptionValue, str]] = {
    "framework": ("", "module that provides GameEnvironment"),
    "env": ("", "game name"),
    "game_path": ("", "folder of the ROMs"),
    "env_params": ("", "parameters of the environment"),
    "pool_frms": ("", "frame pooling"),
    "actrep": (1, "frames per chosen action"),
    "random_starts": (0, "most null actions at the start of an episode"),
    "name": ("", "file name stem of everything saved"),
    "network": ("", "a saved network to start from"),
    "agent": ("", "agent class"),
    "agent_params": ("", "parameters of the agent"),
    "seed": (1, "seed of every draw"),
    "saveNetworkParams": (False, "also save the parameters"),
    "prog_freq": (5000, "steps between progress lines"),
    "save_freq": (50000, "steps between snapshots"),
    "eval_freq": (10000, "steps between evaluations"),
    "save_versions": (0, "steps to a version of the snapshot"),
    "steps": (100000, "steps to train"),
    "eval_steps": (100000, "steps per evaluation"),
    "verbose": (2, "how much is reported"),
    "threads": (1, "BLAS threads"),
    "gpu": (-1, "device"),
}
DEFAULTS = {name: default for name, (default, _) in OPTIONS.items()}


def train_agent_cmdline() -> CmdLine:
    cmd = CmdLine()
    for name, (default, help_text) in OPTIONS.items():
        cmd.option(f"-{name}", default, help_text)
    return cmd


def as_golden(value: OptionValue) -> list[str]:
    """Return a value as the golden file has it: its Lua type and its text."""
    if isinstance(value, bool):
        return ["boolean", "true" if value else "false"]
    if isinstance(value, str):
        return ["string", value]
    return ["number", f"{value:.17g}"]


def test_golden_file_is_the_one_expected() -> None:
    assert len(GOLDEN) == 33
    assert GOLDEN[0]["argv"] == []
    assert sorted(case["exit"] for case in GOLDEN) == [0] * 22 + [1] * 11


def test_golden_defaults() -> None:
    values = train_agent_cmdline().parse(GOLDEN[0]["argv"]).values
    assert sorted([name, *as_golden(value)] for name, value in values.items()) == sorted(
        GOLDEN[0]["parsed"]
    )


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: " ".join(case["argv"]) or "(none)")
def test_golden_words(case: dict[str, Any]) -> None:
    cmd = train_agent_cmdline()
    result = cmd.parse(case["argv"])
    assert result.stderr == case["stderr"]
    goes_on = case["stdout"] is None
    assert result.exit_code == (None if goes_on else case["exit"])
    assert result.stdout == ("" if goes_on else cmd.help_text())
    if goes_on:
        differing = {
            name: as_golden(value)
            for name, value in result.values.items()
            if as_golden(value) != as_golden(DEFAULTS[name])
        }
        assert differing == case.get("differs_from_default", {})
        assert list(result.values) == list(OPTIONS)


@pytest.mark.parametrize(
    ("words", "given_names"),
    [
        ([], ()),
        (["-seed", "1", "-name", "x", "-seed", "2"], ("seed", "name")),
        (["-saveNetworkParams", "-saveNetworkParams"], ("saveNetworkParams",)),
        (["-gpu", "-1"], ("gpu",)),
        (["-seed", "3", "-foo"], ("seed",)),
        (["-seed", "3", "-help"], ("seed",)),
        (["-name", "x", "-seed", "abc"], ("name",)),
    ],
)
def test_given_names_what_words_set(words: list[str], given_names: tuple[str, ...]) -> None:
    assert train_agent_cmdline().parse(words).given == given_names


def test_result_of_an_error_holds_what_was_read_before_it() -> None:
    cmd = CmdLine()
    cmd.option("-a", 1, "first")
    cmd.option("-b", "x", "second")
    assert cmd.parse(["-a", "0x10", "-b"]) == CmdLineResult(
        values={"a": 16, "b": "x"},
        given=("a",),
        exit_code=1,
        stdout=cmd.help_text(),
        stderr="missing argument for option -b",
    )


def test_flag_that_is_on_by_default_is_turned_off_and_stays_off() -> None:
    cmd = CmdLine()
    cmd.option("-best", True, "take the best network")
    assert cmd.parse(["-best"]).values == {"best": False}
    assert cmd.parse(["-best", "-best"]).values == {"best": False}


def test_numbers_are_int_where_they_are_integral() -> None:
    cmd = train_agent_cmdline()
    assert repr(cmd.parse(["-steps", "1e3"]).values["steps"]) == "1000"
    assert repr(cmd.parse(["-steps", "1.5"]).values["steps"]) == "1.5"
    assert repr(cmd.parse(["-steps", "-0"]).values["steps"]) == "-0.0"
    assert repr(cmd.parse(["-steps", "1e16"]).values["steps"]) == "1e+16"


def test_parse_leaves_the_defaults_as_they_are() -> None:
    cmd = train_agent_cmdline()
    cmd.parse(["-seed", "5", "-saveNetworkParams"])
    assert cmd.parse([]).values == DEFAULTS


def test_help_text() -> None:
    cmd = CmdLine()
    cmd.option("-env", "", "game name")
    cmd.option("-steps", 1e15, "steps to train")
    cmd.option("-quiet", False, "say nothing")
    assert cmd.help_text() == (
        "Usage: [options]\n"
        "\n"
        "Options:\n"
        "  -env   game name []\n"
        "  -steps steps to train [1e+15]\n"
        "  -quiet say nothing [false]\n"
    )
    assert CmdLine().help_text() == "Usage: [options]\n\nOptions:\n"


def test_help_names_every_option() -> None:
    text = train_agent_cmdline().help_text()
    for name, (_, help_text) in OPTIONS.items():
        assert f"  -{name} " in text
        assert f" {help_text} [" in text


WORDS = st.one_of(
    st.text(),
    st.sampled_from([*(f"-{name}" for name in OPTIONS), "-help", "5", "x", "--seed", ""]),
)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=6))
def test_any_words_give_a_result(words: list[str]) -> None:
    result = train_agent_cmdline().parse(words)
    assert list(result.values) == list(OPTIONS)
    assert {
        as_golden(result.values[name])[0] == as_golden(DEFAULTS[name])[0] for name in OPTIONS
    } == {True}
    assert (result.exit_code == 1) == bool(result.stderr)
    assert (result.exit_code is None) == (not result.stdout)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=6))
def test_without_what_is_unknown_no_word_is_invalid(words: list[str]) -> None:
    known, unknown = train_agent_cmdline().known(words)
    assert "invalid argument" not in train_agent_cmdline().parse(known).stderr
    assert sorted([*known, *(word for group in unknown for word in group)]) == sorted(words)
    for name, *_ in unknown:
        assert train_agent_cmdline().parse([name]).stderr == f"invalid argument: {name}"


def test_an_unknown_option_has_the_words_up_to_the_next() -> None:
    words = ["-seed", "-more", "-far", "-1", "2", "-saveNetworkParams", "x", "--b", "-gpu", "0"]
    assert train_agent_cmdline().known(words) == (
        ["-seed", "-more", "-saveNetworkParams", "-gpu", "0"],
        [["-far", "-1", "2"], ["x"], ["--b"]],
    )


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([name for name in OPTIONS if name != "saveNetworkParams"]),
        st.integers(-(2**53) + 1, 2**53 - 1),
    )
)
def test_words_of_values_are_read_back(chosen: dict[str, int]) -> None:
    words = [word for name, number in chosen.items() for word in (f"-{name}", str(number))]
    result = train_agent_cmdline().parse(words)
    assert result.exit_code is None
    assert result.given == tuple(chosen)
    assert result.values == DEFAULTS | {
        name: str(number) if isinstance(DEFAULTS[name], str) else number
        for name, number in chosen.items()
    }
