"""``dqn-port args show``."""

from __future__ import annotations

import json

import pytest

from dqn_port.systems.lua_dqn.options import OPTIONS
from dqn_port.systems.lua_dqn.setup import declared_params
from tests.cli.running import run, toy, write_toy


def rows(result):
    return {row["option"]: row for row in json.loads(result.out)}


def test_without_a_file_every_option_is_shown_with_its_default(capsys):
    result = run(capsys, "args", "show", "--json")
    assert (result.code, result.err) == (0, "")
    shown = rows(result)
    for option in OPTIONS:
        if option.kind != "table":
            row = shown.pop(option.name)
            assert row["value"] == option.default
            assert row["from"].startswith("default"), row
            assert (row["unit"], row["meaning"]) == (option.unit, option.meaning)
    declared = {
        f"{table}.{param.name}": param
        for table, params in declared_params({}).items()
        for param in params
    }
    assert shown.keys() == declared.keys()
    for path, param in declared.items():
        assert shown[path]["meaning"] == param.meaning
        assert shown[path]["from"].startswith("default"), path
    assert shown["agent_params.lr_end"]["value"] == 0.01
    assert shown["agent_params.lr_end"]["from"] == "default (= lr)"
    assert shown["agent_params.input_dims"]["from"] == "default ({hist_len*ncols, 84, 84})"
    assert shown["agent_params.learn_start"]["unit"] == "agent steps"


def test_sources_are_the_file_the_lua_words_set_and_the_defaults(capsys, tmp_path):
    path = write_toy(tmp_path)
    result = run(
        capsys, "args", "show", path, "--json", "--set", "agent_params.lr=0.5", "--set", "seed=3",
        "--", "-seed", "2", "-threads", "2",
    )  # fmt: skip
    assert (result.code, result.err) == (0, "")
    shown = rows(result)
    assert (shown["seed"]["value"], shown["seed"]["from"]) == (3, "--set")
    assert (shown["threads"]["value"], shown["threads"]["from"]) == (2, "Lua words")
    assert (shown["env"]["value"], shown["env"]["from"]) == ("toyB", str(path))
    assert shown["agent_params.lr"]["from"] == "--set"
    assert (shown["agent_params.lr_end"]["value"], shown["agent_params.lr_end"]["from"]) == (
        0.5, "default (= lr)",
    )  # fmt: skip
    assert shown["agent_params.ep"]["from"] == str(path)
    assert (shown["actrep"]["value"], shown["actrep"]["from"]) == (1, "default")
    assert shown["name"]["value"] == "toy"
    assert shown["name"]["from"] == "default (the argument file's, and env if given elsewhere)"


def test_a_table_of_the_lua_words_takes_all_keys_of_the_file_away(capsys, tmp_path):
    shown = rows(
        run(
            capsys,
            "args",
            "show",
            write_toy(tmp_path),
            "--json",
            "--",
            "-pool_frms",
            "size=1",
        )
    )
    assert (shown["pool_frms.type"]["value"], shown["pool_frms.type"]["from"]) == (
        "mean", "default",
    )  # fmt: skip
    assert (shown["pool_frms.size"]["value"], shown["pool_frms.size"]["from"]) == (1, "Lua words")


def test_the_table_has_a_line_an_option_with_unit_and_meaning(capsys, tmp_path):
    path = write_toy(tmp_path)
    result = run(capsys, "args", "show", path)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].split() == ["option", "value", "from", "meaning", "[unit]"]
    cells = {line.split()[0]: " ".join(line.split()) for line in lines[1:]}
    assert cells["steps"] == f"steps 200 {path} steps to train [agent steps]"
    assert cells["agent_params.input_dims"] == (
        f"agent_params.input_dims {{3,10,10}} {path} shape of a state"
    )
    assert cells["network"] == (
        "network '' default saved network to start from, instead of agent_params'"
    )
    assert cells["saveNetworkParams"] == (
        "saveNetworkParams false default also save the flat parameters"
    )
    assert cells["agent_params.target_q"].startswith("agent_params.target_q nil default steps ")
    assert len(lines) - 1 == len(rows(run(capsys, "args", "show", path, "--json")))


def test_what_is_ignored_is_said(capsys, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(toy(tensorType="torch.FloatTensor")))
    words = ["-env_params", "zzz={1}"]
    result = run(capsys, "args", "show", path, "--", *words)
    assert result.code == 0
    assert result.out.splitlines()[-2:] == [
        "tensorType = torch.FloatTensor is ignored, as in Lua",
        "env_params.zzz = {1} is ignored, as in Lua",
    ]
    assert result.err == "dqn-port: Lua words: env_params.zzz: no such key; ignored, as in Lua\n"


def test_lua_words_without_a_file(capsys):
    result = run(capsys, "args", "show", "--json", "--", "-seed", "5")
    shown = rows(result)
    assert (shown["seed"]["value"], shown["seed"]["from"]) == (5, "Lua words")


def test_options_that_cannot_be_run_are_shown_and_then_refused(capsys, tmp_path):
    result = run(capsys, "args", "show", write_toy(tmp_path, valid_size=32))
    assert result.code == 2
    assert result.out.startswith("option ")
    assert result.error == (
        "agent_params.valid_size: expected below bufferSize (32), got 32; lower it or raise "
        "bufferSize"
    )


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (
            ["--set", "seeed=1"],
            "--set: seeed: no such key; did you mean 'seed'?; `dqn-port args show` lists all",
        ),
        (
            ["no.json"],
            "no.json: cannot be read: No such file or directory; legacy_args/ holds examples",
        ),
        (
            ["--", "-zzz"],
            "Lua words: invalid argument: -zzz; `dqn-port train -- -help` lists the options, "
            "`dqn-port args convert --words '…' NEW.json` leaves unknown ones out",
        ),
        (
            ["--set", "framework=alewrp"],
            "framework: expected one of alewrap, toyfw or module:object, got 'alewrp'; "
            "did you mean 'alewrap'?",
        ),
    ],
)  # fmt: skip
def test_faults(capsys, words, fault):
    result = run(capsys, "args", "show", *words)
    assert (result.code, result.out, result.error) == (2, "", fault)
