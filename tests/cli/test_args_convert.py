"""``dqn-port args convert``."""

from __future__ import annotations

import json

import pytest

from dqn_port.systems.lua_dqn.setup import load_options
from dqn_port.torch7.t7 import load, save
from tests.cli.running import run, toy
from tests.golden_files import GOLDEN, meta
from tests.test_legacy_args import LEGACY_ARGS

T7 = GOLDEN / "t7"


def notes(path):
    return json.loads(path.read_text())["notes"]


def without_notes(path):
    return {key: value for key, value in json.loads(path.read_text()).items() if key != "notes"}


def test_the_arguments_of_the_paper_say_what_was_left_out_and_why(capsys, tmp_path):
    new = tmp_path / "pong.json"
    result = run(capsys, "args", "convert", T7 / "pong_arguments.t7", new)
    assert (result.code, result.err) == (0, "")
    first, second, last = result.out.splitlines()
    assert first == (
        "agent_params.ep_endt: the bare name replay_memory is nil in Lua, so ep_endt is absent and "
        "takes its default"
    )
    assert second.startswith("game_path: ")
    assert last == f"17 options: {new}"
    assert notes(new) == f"Converted from pong_arguments.t7. {first}. {second}."
    table = without_notes(new)
    assert list(table)[:2] == ["framework", "env"]
    assert table["agent_params"]["lr"] == 0.00025
    assert "ep_endt" not in table["agent_params"]
    shown = run(capsys, "args", "show", new)
    assert (shown.code, shown.err) == (0, "")


@pytest.mark.parametrize("name", ["opt.t7", "snap_toyB.t7"])
def test_what_is_converted_trains(capsys, tmp_path, name):
    new = tmp_path / "toy.json"
    result = run(capsys, "args", "convert", T7 / name, new)
    assert result.code == 0
    assert result.out.splitlines()[1:4] == [
        "agent_params.gpu = -1 did nothing in the original",
        "agent_params.verbose = 2 did nothing in the original",
        "tensorType = torch.FloatTensor did nothing in the original",
    ]
    words = ["train", "--args", new, "--out", tmp_path, "--quiet", "--set", "steps=300"]
    assert run(capsys, *words).code == 0
    assert (tmp_path / "snap_toyB" / "snap_toyB.t7").is_file()


@pytest.mark.parametrize("more", [[], ["--ascii"], ["--shape", "options"]])
def test_there_and_back_again(capsys, tmp_path, more):
    there, back, again = (tmp_path / name for name in ("a.json", "b.t7", "c.json"))
    run(capsys, "args", "convert", T7 / "pong_arguments.t7", there)
    assert run(capsys, "args", "convert", there, back, *more).code == 0
    assert run(capsys, "args", "convert", back, again).code == 0
    left, right = without_notes(there), without_notes(again)
    if more[:1] == ["--shape"]:
        # The options' table has the defaults, too.
        assert left["agent_params"] == {k: right["agent_params"][k] for k in left["agent_params"]}
        for name in left.keys() - {"agent_params", "env_params"}:
            assert left[name] == right[name]
    else:
        assert left == right
        assert load(back)[0] == "train_agent.lua"
    assert back.read_bytes().startswith(b"3\n" if more == ["--ascii"] else b"\3\0\0\0")


def test_words(capsys, tmp_path):
    new = tmp_path / "a.json"
    words = "-framework toyfw -zzz -env toyB -agent_params \"lr=0.1,preproc='preproc_toy'\" -seed x"
    result = run(capsys, "args", "convert", "--words", words, new)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines() == [
        "dqn-port: --words: -zzz: no such option; left out",
        "dqn-port: error: --words: invalid type for option -seed (should be number); "
        "`dqn-port train -- -help` lists the options",
    ]
    assert not new.exists()
    inner = 'lr=0.1,preproc="preproc_toy",network="net_tie",input_dims={100},learn_start=600'
    words = f"-framework toyfw -agent NeuralQLearner -env toyB -agent_params '{inner}'"
    result = run(capsys, "args", "convert", "--words", words, new)
    assert (result.code, result.out) == (0, f"5 options: {new}\n")
    assert without_notes(new)["agent_params"]["input_dims"] == [100]
    assert without_notes(new)["name"] == "a"


def test_the_line_that_the_papers_script_echoes_is_the_papers_run(capsys, tmp_path):
    items = dict(meta("t7/pong_arguments")["items"])
    line = " ".join(items[i] for i in range(1, max(items) + 1))
    assert 'network="convnet_atari3",preproc=' in line
    new = tmp_path / "pong.json"
    result = run(capsys, "args", "convert", "--words", line, new)
    assert (result.code, result.err) == (0, "")
    assert load_options(args_file=new) == load_options(args_file=LEGACY_ARGS / "pong.json")


ESCAPED = (
    r"-framework alewrap -env breakout -agent NeuralQLearner -agent_params lr=0.001,eq=1,"
    r"learn_start=600,network=\"convnet_atari3\",preproc=\"net_downsample_2x_full_y\","
    r"state_dim=7056 -gameOverPenalty 1 -display_freq 3 -toc_freq 100"
)


def test_all_that_a_fork_added_is_left_out_and_told_at_once(capsys, tmp_path):
    new = tmp_path / "breakout.json"
    result = run(capsys, "args", "convert", "--words", ESCAPED, new)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "-gameOverPenalty 1: no such option; left out",
        "-display_freq 3: no such option; left out",
        "-toc_freq 100: no such option; left out",
        "agent_params.eq: no such key; ignored, as in Lua",
        f"5 options: {new}",
    ]
    opt = load_options(args_file=new)
    assert (opt.env, opt.agent_params["lr"]) == ("breakout", 0.001)
    assert opt.ignored == {}


def test_what_is_odd_is_told_where_the_words_are_refused(capsys, tmp_path):
    words = "-framework alewrap -env pong -agent NeuralQLearner -agent_params preproc=x -more 1"
    result = run(capsys, "args", "convert", "--words", words, tmp_path / "a.json")
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines() == [
        "dqn-port: --words: agent_params.preproc: the bare name x is nil in Lua, so preproc is "
        "absent and takes its default",
        "dqn-port: --words: -more 1: no such option; left out",
        "dqn-port: error: agent_params.preproc: expected a name such as net_downsample_2x_full_y, "
        "got nothing; give it in an argument file (--args) or with --set "
        "agent_params.preproc=net_downsample_2x_full_y",
    ]


def test_a_game_without_a_rom_is_converted_and_this_is_said(capsys, tmp_path):
    old = {"framework": "alewrap", "env": "combat", "agent": "NeuralQLearner",
           "agent_params": {"preproc": "net_downsample_2x_full_y", "network": "convnet_atari3",
                            "hist_len": 4, "learn_start": 600}}  # fmt: skip
    save(tmp_path / "a.t7", old)
    result = run(capsys, "args", "convert", tmp_path / "a.t7", tmp_path / "b.json")
    assert result.code in (0, 2)
    assert (tmp_path / "b.json").exists() == (result.code == 0)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([], "args convert: expected OLD and NEW, got 0 files"),
        (["a.t7"], "args convert: expected OLD and NEW, got 1 files"),
        (["--words", "-seed 1", "a", "b"], "args convert: expected NEW alone, got 2 files"),
        (
            ["--words", "'", "b.json"],
            "--words: character 1: expected a second ' to close this one, got the end of the line",
        ),
        (["a.t7", "b.txt"], "b.txt: expected a name that ends in .json or .t7"),
    ],
)
def test_faults_of_usage(capsys, words, fault):
    result = run(capsys, "args", "convert", *words)
    assert (result.code, result.out, result.error) == (2, "", fault)


def test_a_file_that_stands_there_is_replaced_only_when_asked(capsys, tmp_path):
    old, new = tmp_path / "a.t7", tmp_path / "b.json"
    save(old, toy())
    new.write_text("mine")
    result = run(capsys, "args", "convert", old, new)
    assert (result.code, new.read_text()) == (2, "mine")
    assert result.error == f"{new}: already exists; give another name or --overwrite"
    assert run(capsys, "args", "convert", old, new, "--overwrite").code == 0
    assert without_notes(new)["env"] == "toyB"


def test_what_does_not_validate_is_not_written(capsys, tmp_path):
    old, new = tmp_path / "a.t7", tmp_path / "b.json"
    save(old, toy(lr=-1))
    result = run(capsys, "args", "convert", old, new)
    assert (result.code, result.out) == (2, "")
    assert result.error == f"{old}: agent_params.lr: expected at least 0, got -1"
    assert not new.exists()
