"""Arguments of the original's .t7 files, in all three shapes, in and out."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.errors import ArgsError, LuaExit, T7Error
from dqn_port.systems.lua_dqn.drafts import Draft
from dqn_port.systems.lua_dqn.old_arguments import (
    given_options,
    read_old_arguments,
    read_old_line,
    read_options_file,
    split_line,
    to_arg_table,
    to_options_table,
)
from dqn_port.systems.lua_dqn.setup import finish_draft, load_options, resolve
from dqn_port.torch7.t7 import dumps, load, loads, save
from dqn_port.torch7.values import LuaTable
from tests.cli.running import toy
from tests.golden_files import GOLDEN

T7 = GOLDEN / "t7"


def read(value, **more):
    draft = Draft()
    read_old_arguments(draft, loads(dumps(value)), "a.t7", **more)
    return draft


PAPER = {
    "lr": 0.00025, "ep": 1, "ep_end": 0.1, "discount": 0.99, "hist_len": 4, "learn_start": 50000,
    "replay_memory": 1000000, "update_freq": 4, "n_replay": 1, "network": "convnet_atari3",
    "preproc": "net_downsample_2x_full_y", "state_dim": 7056, "minibatch_size": 32, "rescale_r": 1,
    "ncols": 1, "bufferSize": 512, "valid_size": 500, "target_q": 10000, "clip_delta": 1,
    "min_reward": -1, "max_reward": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", ["pong_arguments.t7", "pong_arguments.ascii.t7"])
def test_the_arg_table_of_a_process(name):
    draft = Draft()
    read_options_file(draft, T7 / name)
    opt = resolve(finish_draft(draft))
    assert {key: opt.agent_params[key] for key in PAPER} == PAPER
    # Lua quirk: ep_endt=replay_memory is nil there.
    assert opt.agent_params["ep_endt"] == 1_000_000
    assert (opt.env, opt.steps, opt.eval_freq, opt.eval_steps) == ("pong", 50_000_000, 250_000,
                                                                   125_000)  # fmt: skip
    assert (opt.prog_freq, opt.save_freq, opt.actrep, opt.random_starts) == (10_000, 125_000, 4, 30)
    assert (opt.gpu, opt.threads, opt.seed, opt.name) == (0, 4, 1, "DQN3_0_1_pong_FULL_Y")
    assert (opt.env_params["useRGB"], opt.pool_frms) == (True, {"type": "max", "size": 2})
    assert opt.game_path == ""
    path = f"{T7 / name}: "
    folder = draft.warnings[0].split("'")[1]
    # Its default is what the name stands for in the script.
    assert draft.notes == [
        f"{path}agent_params.ep_endt: the bare name replay_memory is nil in Lua, so ep_endt is "
        "absent and takes its default",
    ]
    assert draft.warnings == [
        f"{path}game_path: {folder!r} is a folder of the machine it was made on; left out, so that "
        "the ROMs of ale-py are used",
    ]


@pytest.mark.parametrize("name", ["opt.t7", "opt.ascii.t7", "snap_toyB.t7"])
def test_the_options_and_the_snapshot_that_holds_them(name):
    opt = load_options(args_file=T7 / name)
    assert (opt.framework, opt.env, opt.name) == ("toyfw", "toyB", "snap_toyB")
    assert opt.agent_params["network"] == "net_toy_conv"
    assert opt.agent_params["input_dims"] == [3, 10, 10]
    assert (opt.steps, opt.saveNetworkParams, opt.game_path) == (600, True, "")
    assert opt.ignored == {
        "agent_params.gpu": -1, "agent_params.verbose": 2, "tensorType": "torch.FloatTensor",
    }  # fmt: skip


def test_options_from_before_their_strings_became_tables():
    words = {
        "env": "pong",
        "agent_params": "lr=1,hist_len=4",
        "pool_frms": 'type="max"',
        "steps": 5,
    }
    assert read(words).values == {
        "env": "pong", "agent_params.lr": 1, "agent_params.hist_len": 4, "pool_frms.type": "max",
        "steps": 5,
    }  # fmt: skip


def test_what_stands_before_1_in_an_arg_table_is_not_read():
    table = LuaTable([(-3, "luajit"), (-1, "-e"), (0, "train_agent.lua"), (1, "-seed"), (2, "7")])
    assert read(table).values == {"seed": 7}


def test_unknown_keys_are_ignored_as_in_lua_and_told():
    draft = read({"env": "toyB", "agent_params": {"zzz": 1, "lr": 2}})
    assert finish_draft(draft).ignored == {"agent_params.zzz": 1}
    assert draft.warnings == ["a.t7: agent_params.zzz: no such key; ignored, as in Lua"]


def test_values_of_no_option_are_left_out_and_told():
    draft = read(
        {"env": "toyB", 5: "x", "agent_params": {"lr": np.zeros(2), "ep": 1}, "seed": [[1]]}
    )
    assert draft.values == {"env": "toyB", "agent_params.ep": 1, "seed": [[1]]}
    assert draft.warnings == [
        "a.t7: [5] is not an option; left out",
        "a.t7: agent_params.lr: <torch.DoubleTensor 2> is not a value that an option can have; "
        "left out",
    ]


def test_a_table_that_stands_in_many_places_does_not_fill_the_memory():
    table = LuaTable([("x", 1.0)])
    for _ in range(60):
        table = LuaTable([("a", table), ("b", table)])
    draft = read({"seed": 7, "agent_params": {"network": table, "lr": 2}})
    assert draft.values == {"seed": 7}
    assert draft.warnings == [
        "a.t7: agent_params.network: more than 100,000 values; left out",
        "a.t7: agent_params.lr: more than 100,000 values; left out",
    ]


def test_paths_of_the_other_machine_are_left_out(tmp_path):
    there = {"env": "toyB", "game_path": "/no/roms/", "network": "/no/a.t7",
             "agent_params": {"network": "/no/a.t7"}}  # fmt: skip
    draft = read(there)
    assert (draft.values["game_path"], draft.values["network"]) == ("", "")
    assert draft.values["agent_params.network"] == "convnet_atari3"
    assert draft.warnings == [
        "a.t7: game_path: '/no/roms/' is a folder of the machine it was made on; left out, so that "
        "the ROMs of ale-py are used",
        "a.t7: network: '/no/a.t7' is not here; left out, so that training begins with a new "
        "network; name the file with --network",
        "a.t7: agent_params.network: '/no/a.t7' is not here; convnet_atari3 is taken",
    ]
    here = {"game_path": str(tmp_path)}
    assert read(here).values["game_path"] == ""
    assert read(here, keep_paths=True).values["game_path"] == str(tmp_path)


def test_words_of_a_script():
    draft = Draft()
    read_old_line(draft, "-env pong -game_path /roms -agent_params lr=x", "--words")
    assert draft.values == {"env": "pong", "game_path": ""}
    assert len(draft.warnings) == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        # As echo prints it, and as it is typed.
        ('network="a",preproc="b" -seed 1', ['network="a",preproc="b"', "-seed", "1"]),
        (r"network=\"a\",preproc='b'", ["network=\"a\",preproc='b'"]),
        ('"useRGB=true" \'type="max",size=2\'', ["useRGB=true", 'type="max",size=2']),
        (r'"type=\"max\"" "lr=1, ep=2"', ['type="max"', "lr=1, ep=2"]),
        # Printed by a script that put quotes around words with quotes.
        ('"lr=1, network="a"" "type="max",size=2"', ['lr=1, network="a"', 'type="max",size=2']),
        ("-env \\\n  pong\t-name ''\n", ["-env", "pong", "-name", ""]),
        ('x="a b" \\', ['x="a b"', "\\"]),
        ("", []),
    ],
)
def test_quotes_within_a_word_stay_and_those_round_it_go(line, words):
    assert split_line(line, "--words") == words


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (
            "-name it's",
            "--words: character 9: expected a second ' to close this one, got the end of the line",
        ),
        (
            '-agent_params lr="$lr",ep=1',
            "--words: expected words as a script passes them, got the shell's $lr; put `echo` "
            "before the script's last command, run it, and paste what it prints",
        ),
    ],
)
def test_a_line_that_cannot_be_split(line, fault):
    with pytest.raises(ArgsError) as caught:
        split_line(line, "--words")
    assert str(caught.value) == fault


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (5, "a.t7: expected the arguments of a training: a process' arg table, its options, or a "
            "snapshot, got 5.0"),
        ({}, "a.t7: expected the arguments of a training: a process' arg table, its options, or a "
             "snapshot, got <LuaTable of 0 pairs>"),
        ({"arguments": 5}, "a.t7: arguments: expected a table, got 5.0"),
        (LuaTable([(1, "-seed"), (9, "5")]), "a.t7: expected words at 1 to 9, got 2 in all"),
        (LuaTable([(1, 5.0)]), "a.t7: [1]: expected a string, got 5.0"),
        ({"agent_params": "lr="}, "a.t7: agent_params: 'lr=' is not the inside of a Lua "
                                  "table: character 4: expected a value, got the end of the text"),
    ],
)  # fmt: skip
def test_what_is_none_of_the_shapes(value, fault):
    with pytest.raises(ArgsError) as caught:
        read(value)
    assert str(caught.value) == fault


def test_options_of_a_fork_are_left_out_and_all_of_them_told():
    draft = read(LuaTable.from_list(["-penalty", "-1", "-seed", "5", "-fast", "-gpu", "-1", "x"]))
    assert draft.values == {"seed": 5, "gpu": -1}
    assert draft.warnings == [
        "a.t7: -penalty -1: no such option; left out",
        "a.t7: -fast: no such option; left out",
        "a.t7: x: no such option; left out",
    ]


def test_words_at_which_the_original_ends():
    with pytest.raises(LuaExit) as caught:
        read(LuaTable.from_list(["-seed", "x"]))
    assert str(caught.value) == (
        "a.t7: invalid type for option -seed (should be number); `dqn-port train -- -help` lists "
        "the options"
    )


def test_code_is_not_imported_at_the_word_of_a_t7(tmp_path):
    save(tmp_path / "a.t7", {"framework": "os:system", "env": "x"})
    with pytest.raises(ArgsError, match="importing it would run code"):
        load_options(args_file=tmp_path / "a.t7")


def test_a_damaged_file(tmp_path):
    (tmp_path / "a.t7").write_bytes((T7 / "opt.t7").read_bytes()[:-4])
    with pytest.raises(T7Error, match=r"a\.t7: byte "):
        load_options(args_file=tmp_path / "a.t7")


def options_of(value, tmp_path):
    save(tmp_path / "b.t7", value)
    return load_options(args_file=tmp_path / "b.t7")


def test_what_is_written_is_read_back_as_the_same_options(tmp_path):
    draft = Draft(stem="t")
    read_old_arguments(draft, loads(dumps(toy(saveNetworkParams=True))), "a.t7")
    opt = finish_draft(draft)
    given = given_options(draft, opt)
    assert given["agent_params"].keys() == toy()["agent_params"].keys()
    first = options_of(to_arg_table(given), tmp_path)
    second = options_of(to_options_table(opt), tmp_path)
    for again in (first, second):
        assert again.to_json() | {"ignored": 0} == resolve(opt).to_json() | {"ignored": 0}
    words = load(tmp_path / "b.t7")
    assert isinstance(words["agent_params"], LuaTable)
    assert to_arg_table(given)[0] == "train_agent.lua"
