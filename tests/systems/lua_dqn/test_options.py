"""Where options come from, in which order they count, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from dqn_port.arguments.values import checked
from dqn_port.errors import ArgsError
from dqn_port.systems.lua_dqn.drafts import (
    Draft,
    finish,
    read_args_file,
    read_args_table,
    read_lua_words,
    read_set,
    train_cmdline,
)
from dqn_port.systems.lua_dqn.options import OPTIONS, lua_truth, shown_value
from dqn_port.systems.lua_dqn.setup import declared_params, load_options, resolve
from tests.cli.running import TOY, TOY_AGENT, toy, write_toy

LUA_DEFAULTS = {
    "framework": "", "env": "", "game_path": "", "env_params": "", "pool_frms": "", "actrep": 1,
    "random_starts": 0, "name": "", "network": "", "agent": "", "agent_params": "", "seed": 1,
    "saveNetworkParams": False, "prog_freq": 5000, "save_freq": 50000, "eval_freq": 10000,
    "save_versions": 0, "steps": 100000, "eval_steps": 100000, "verbose": 2, "threads": 1,
    "gpu": -1,
}  # fmt: skip
"""The options of train_agent.lua."""

LUA_AGENT_DEFAULTS = {
    "lr": 0.01, "lr_end": 0.01, "lr_endt": 1000000, "ep": 1, "ep_end": 1, "ep_endt": 1000000,
    "wc": 0, "minibatch_size": 1, "valid_size": 500, "discount": 0.99, "update_freq": 1,
    "n_replay": 1, "learn_start": 0, "replay_memory": 1000000, "hist_len": 1, "ncols": 1,
    "histType": "linear", "histSpacing": 1, "nonTermProb": 1, "bufferSize": 512,
}  # fmt: skip
"""The parameters of NeuralQLearner.lua that have a default."""


def finished(draft):
    return finish(draft, declared_params(draft.values))


def of_table(table, source="a.json"):
    draft = Draft()
    read_args_table(draft, table, source)
    return finished(draft)


def of_set(*assignments):
    draft = Draft()
    read_set(draft, assignments)
    return finished(draft)


def of_words(*words):
    draft = Draft()
    read_lua_words(draft, words)
    return finished(draft), draft.warnings


def message(call, *arguments):
    with pytest.raises(ArgsError) as caught:
        call(*arguments)
    assert caught.value.exit_code == 2
    return str(caught.value)


# Defaults and order.


def test_the_options_and_their_defaults_are_the_lua_programs():
    assert train_cmdline().parse([]).values == LUA_DEFAULTS
    opt = finished(Draft())
    for name, default in LUA_DEFAULTS.items():
        if name not in ("env_params", "pool_frms", "agent_params"):
            assert getattr(opt, name) == default, name
    assert opt.env_params["useRGB"] is True
    assert opt.pool_frms == {"type": "mean", "size": 2}
    assert opt.agent_params == LUA_AGENT_DEFAULTS


def test_every_option_and_every_declared_key_has_a_meaning():
    declared = declared_params({})
    for param in [*OPTIONS, *(p for params in declared.values() for p in params)]:
        assert param.meaning.strip(), param.name


def test_defaults_then_file_then_lua_words_then_set(tmp_path):
    path = write_toy(tmp_path, seed=2, steps=300, lr=0.5)
    draft = Draft()
    opt = load_options(
        args_file=path,
        lua_words=["-steps", "400", "-threads", "2", "-actrep", "2"],
        assignments=["threads=3", "agent_params.lr=0.25", "actrep=3", "actrep=4"],
        draft=draft,
    )
    assert (opt.save_versions, opt.seed, opt.steps, opt.threads) == (0, 2, 400, 3)
    assert opt.agent_params["lr"] == 0.25
    assert opt.actrep == 4
    assert draft.sources["seed"] == str(path)
    assert draft.sources["steps"] == "Lua words"
    assert draft.sources["threads"] == "--set"
    assert "save_versions" not in draft.sources


def test_a_table_among_the_lua_words_replaces_the_files_whole_table():
    draft = Draft()
    read_args_table(draft, TOY, "a.json")
    read_lua_words(draft, ["-agent_params", "hist_len=4"])
    params = finished(draft).agent_params
    assert params == LUA_AGENT_DEFAULTS | {"hist_len": 4}


def test_set_of_a_table_replaces_it_and_set_of_a_key_adds_to_it():
    assert of_set("agent_params.lr=1", 'agent_params={"ep":0.5}').agent_params["lr"] == 0.01
    params = of_set("agent_params=ep=0.5,wc=2", "agent_params.lr=1").agent_params
    assert (params["ep"], params["wc"], params["lr"]) == (0.5, 2, 1)


def test_lr_end_and_ep_end_follow_lr_and_ep_unless_given():
    params = of_set("agent_params.lr=0.5", "agent_params.ep=0.25").agent_params
    assert (params["lr_end"], params["ep_end"]) == (0.5, 0.25)
    params = of_set("agent_params.lr=0.5", "agent_params.lr_end=0.125").agent_params
    assert params["lr_end"] == 0.125


def test_a_table_may_be_an_object_or_a_lua_string():
    as_object = {"agent_params": {"lr": 0.5, "input_dims": [4, 84, 84]}, "env_params": {}}
    as_string = {"agent_params": "lr=0.5, input_dims={4,84,84}", "env_params": ""}
    assert resolve(of_table(toy(**as_object) | {"agent_params": TOY_AGENT})) == resolve(
        of_table(toy(**as_string) | {"agent_params": TOY_AGENT})
    )
    assert of_table(as_string).agent_params == of_table(as_object).agent_params | {
        "input_dims": {1: 4, 2: 84, 3: 84}
    }


def test_a_bare_name_is_nil_and_the_key_takes_its_default_with_a_warning():
    draft = Draft()
    read_args_table(draft, {"agent_params": "replay_memory=5000,ep_endt=replay_memory"}, "a.json")
    params = finished(draft).agent_params
    assert (params["replay_memory"], params["ep_endt"]) == (5000, 1000000)
    assert draft.warnings == [
        "a.json: agent_params.ep_endt: the bare name replay_memory is nil in Lua, so ep_endt is "
        "absent and takes its default"
    ]


@pytest.mark.parametrize(
    ("assignments", "warnings", "notes"),
    [
        # What is meant is the default: no number changes.
        (["agent_params=ep_endt=replay_memory,replay_memory=1000000"], 0, 1),
        (["agent_params=ep_endt=replay_memory,replay_memory=1000001"], 1, 0),
        (["agent_params=ep_endt=replay_memory"], 1, 0),
        # What is given later is no longer absent.
        (["agent_params=ep_endt=replay_memory", "agent_params.ep_endt=5"], 0, 0),
        (["agent_params=ep_endt=replay_memory", "agent_params=ep_endt=5"], 0, 0),
    ],
)
def test_a_bare_name_is_told_as_far_as_it_matters(assignments, warnings, notes):
    draft = Draft()
    read_set(draft, assignments)
    finished(draft)
    assert (len(draft.warnings), len(draft.notes)) == (warnings, notes)


def test_a_bare_name_that_came_through_a_shell_is_told_how_to_write():
    draft = Draft()
    read_lua_words(draft, ["-agent_params", "ep_endt=learn_start,learn_start=5,preproc=x"])
    assert draft.warnings == [
        "Lua words: agent_params.ep_endt: the bare name learn_start is nil in Lua, so ep_endt is "
        "absent and takes its default; write ep_endt=5",
        "Lua words: agent_params.preproc: the bare name x is nil in Lua, so preproc is absent and "
        "takes its default; a text needs quotes that the shell keeps: 'preproc=\"x\"'",
    ]


def test_a_table_string_is_never_run():
    text = message(of_table, {"agent_params": "lr=os.exit(3)"})
    assert text == (
        "a.json: agent_params: 'lr=os.exit(3)' is not the inside of a Lua table: character 4: "
        "expected a value written out, got the Lua global 'os'"
    )


def test_null_is_nil_and_takes_the_default():
    opt = of_table({"seed": None, "agent_params": {"target_q": None, "lr": None}})
    assert opt.seed == 1
    assert "target_q" not in opt.agent_params
    assert opt.agent_params["lr"] == 0.01
    assert of_set("agent_params.lr=0.5", "agent_params.lr=null").agent_params["lr"] == 0.01


def test_the_name_is_the_given_one_or_the_files_or_the_games(tmp_path):
    assert of_table({"env": "pong"}).name == "pong"
    assert load_options(args_file=write_toy(tmp_path)).name == "toy"
    assert load_options(args_file=write_toy(tmp_path, name="mine")).name == "mine"


def test_notes_are_no_option():
    assert of_table({"notes": {"seed": "2"}, "seed": 3}) == of_table({"seed": 3})


def test_set_takes_json_and_what_is_no_json_is_a_string():
    opt = of_set(
        "seed=1e2",
        "name=5",
        'env="pong"',
        "game_path=a=b",
        "network=5.t7",
        "saveNetworkParams=true",
        "agent_params.preproc=preproc_toy",
        "agent_params.input_dims=[1,2]",
    )
    assert (opt.seed, opt.name, opt.env, opt.game_path) == (100, "5", "pong", "a=b")
    assert (opt.network, opt.saveNetworkParams) == ("5.t7", True)
    assert opt.agent_params["preproc"] == "preproc_toy"
    assert opt.agent_params["input_dims"] == [1, 2]


@pytest.mark.parametrize("assignment", ["seed", "", "=5", "seed:5"])
def test_set_without_a_key_or_a_value(assignment):
    assert message(of_set, assignment) == (
        f"--set {assignment}: expected key=value, such as agent_params.lr=0.001"
    )


def test_set_of_a_table_to_something_else():
    assert message(of_set, "agent_params=5") == (
        "--set agent_params=5: expected an object or a Lua table, got 5"
    )
    assert message(of_set, "env_params=[1]") == (
        "--set env_params=[1]: expected an object or a Lua table, got a list"
    )
    assert message(of_set, "pool_frms=null") == (
        "--set pool_frms=null: expected an object or a Lua table, got null"
    )


def test_whole_numbers_may_be_written_as_floats():
    opt = of_words("-steps", "1e3", "-seed", "0x10")[0]
    assert repr((opt.steps, opt.seed)) == "(1000, 16)"
    assert repr(of_table({"steps": 1e3}).steps) == "1000"


# What is refused.


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("seed", "1", "expected a whole number, got '1'"),
        ("seed", 1.5, "expected a whole number, got 1.5"),
        ("seed", True, "expected a whole number, got true"),
        ("seed", [], "expected a whole number, got []"),
        ("seed", 2**53, "expected a whole number, got 9007199254740992"),
        ("seed", 10**400, f"expected a whole number, got 1{'0' * 56}…"),
        ("seed", math.nan, "expected a whole number, got NaN"),
        ("steps", 0, "expected at least 1, got 0"),
        ("actrep", 0, "expected at least 1, got 0"),
        ("gpu", -2, "expected at least -1, got -2"),
        ("threads", 0, "expected 1 to 1024, got 0"),
        ("threads", 1025, "expected 1 to 1024, got 1025"),
        ("saveNetworkParams", 1, "expected true or false, got 1"),
        ("name", 5, "expected a string, got 5"),
        ("name", "\0", "expected text that UTF-8 can hold, got '\\x00'"),
        ("game_path", "\ud800", "expected text that UTF-8 can hold, got '\\ud800'"),
        ("env", {"a": 1}, 'expected a string, got {"a": 1}'),
        ("agent_params.lr", "fast", "expected a number, got 'fast'"),
        ("agent_params.lr", 10**400, f"expected a number, got 1{'0' * 56}…"),
        ("agent_params.lr", math.inf, "expected a number, got Infinity"),
        ("agent_params.lr", -1, "expected at least 0, got -1"),
        ("agent_params.ep", 1.5, "expected 0 to 1, got 1.5"),
        ("agent_params.discount", -0.1, "expected 0 to 1, got -0.1"),
        ("agent_params.hist_len", 0, "expected at least 1, got 0"),
        ("agent_params.rescale_r", "no", "expected true, false or a number, got 'no'"),
        ("agent_params.rescale_r", math.nan, "expected true, false or a number, got NaN"),
        ("agent_params.best", [1], "expected true, false or a number, got [1]"),
        ("agent_params.input_dims", 84, "expected a list or an object, got 84"),
        (
            "agent_params.histType",
            "linaer",
            "expected one of linear, exp1.25, got 'linaer'; did you mean 'linear'?",
        ),
        (
            "pool_frms.type",
            "maxx",
            "expected one of max, mean, min, got 'maxx'; did you mean 'max'?",
        ),
        ("env_params.useRGB", 1, "expected true or false, got 1"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_or_out_of_range(path, value, fault):
    table, _, key = path.rpartition(".")
    given_table = {table: {key: value}} if table else {path: value}
    assert message(of_table, given_table) == f"a.json: {path}: {fault}"


@pytest.mark.parametrize(
    ("value", "shown"), [(5, "5"), ([1], "a list"), (True, "true"), (1.5, "1.5")]
)
def test_a_table_that_is_neither_object_nor_string(value, shown):
    assert message(of_table, {"agent_params": value}) == (
        f"a.json: agent_params: expected an object or a Lua string, got {shown}"
    )


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("seeed", "; did you mean 'seed'?"),
        ("agent_params.learnstart", "; did you mean 'learn_start'?"),
        ("pool_frms.sizes", "; did you mean 'size'?"),
        ("env_params.useRgb", "; did you mean 'useRGB'?"),
        ("zzz", ""),
        ("agent_params.zzz", ""),
        ("lr", "; did you mean 'agent_params.lr'?"),
        ("seed.x", "; did you mean 'seed'?"),
        ("agent_parms.lr", "; did you mean 'agent_params.lr'?"),
    ],
)
def test_an_unknown_key_is_refused_with_the_near_match(path, near):
    expected = f"{path}: no such key{near}; `dqn-port args show` lists all"
    assert message(of_set, f"{path}=1") == f"--set: {expected}"
    table, _, key = path.rpartition(".")
    if table in ("agent_params", "pool_frms", "env_params"):
        assert message(of_table, {table: {key: 1}}) == f"a.json: {expected}"


def test_an_unknown_key_of_lua_words_is_warned_about_kept_and_ignored():
    opt, warnings = of_words("-agent_params", "learnstart=7,lr=0.5,zzz={1,2}", "-env_params", "x=1")
    assert warnings == [
        "Lua words: agent_params.learnstart: no such key; did you mean "
        "'learn_start'?; ignored, as in Lua",
        "Lua words: agent_params.zzz: no such key; ignored, as in Lua",
        "Lua words: env_params.x: no such key; ignored, as in Lua",
    ]
    assert opt.agent_params == LUA_AGENT_DEFAULTS | {"lr": 0.5, "lr_end": 0.5}
    kept = {"agent_params.learnstart": 7, "agent_params.zzz": {1: 1, 2: 2}, "env_params.x": 1}
    assert opt.ignored == kept
    assert opt.to_json()["ignored"] == kept


def test_what_is_ignored_stays_ignored_and_quiet_when_args_json_is_read_again(tmp_path):
    draft = Draft()
    words = ["-agent_params", "zzz=0/0,gpu=0,verbose=2,transition_params={a=1}"]
    read_args_table(draft, TOY | {"tensorType": "torch.FloatTensor"}, "a.json")
    read_lua_words(draft, words)
    opt = finished(draft)
    assert draft.warnings == [
        "Lua words: agent_params.zzz: no such key; ignored, as in Lua",
    ]
    path = tmp_path / "whatever.args"
    path.write_text(json.dumps(opt.to_json()))
    again = Draft()
    read_args_file(again, path)
    assert finished(again).ignored.keys() == {
        "tensorType",
        "agent_params.zzz",
        "agent_params.gpu",
        "agent_params.verbose",
        "agent_params.transition_params",
    }
    assert again.warnings == []


@pytest.mark.parametrize("path", ["agent_params.gpu", "agent_params.verbose"])
def test_keys_that_never_did_anything_are_quiet_from_everywhere(path):
    table, _, key = path.rpartition(".")
    assert of_table({table: {key: 0}}).ignored == {path: 0}
    assert of_set(f"{path}=0").ignored == {path: 0}
    opt, warnings = of_words(f"-{table}", f"{key}=0")
    assert (opt.ignored, warnings) == ({path: 0}, [])


# Values.


def test_truth_is_luas():
    assert [lua_truth(v) for v in (None, False, 0, True, 1, "", [])] == [False] * 2 + [True] * 5


def test_values_are_shown_as_lua_writes_them():
    assert shown_value({"a": [1, {"b": True}], "c": "x"}) == '{a={1,{b=true}},c="x"}'
    assert (shown_value(True), shown_value(0.5), shown_value("x")) == ("true", "0.5", "x")


def test_checked_gives_whole_numbers_as_int():
    steps = next(option for option in OPTIONS if option.name == "steps")
    assert repr(checked(steps, 5.0, "here")) == "5"


def test_to_json_read_again_gives_the_same_options(tmp_path):
    opt = load_options(args_file=write_toy(tmp_path, name="ünï"), assignments=["seed=7"])
    path = tmp_path / "args.json"
    path.write_text(json.dumps(opt.to_json()), encoding="utf-8")
    assert load_options(args_file=path) == opt


LEGACY = [
    path
    for path in sorted((Path(__file__).parents[3] / "legacy_args").glob("*.json"))
    if '"system"' not in path.read_text()
]


@pytest.mark.parametrize("path", LEGACY, ids=lambda path: path.stem)
def test_every_argument_file_that_comes_along_is_taken(path):
    draft = Draft()
    read_args_file(draft, path)
    opt = finished(draft)
    framework = "toyfw" if opt.env.startswith("toy") else "alewrap"
    assert (opt.framework, opt.agent) == (framework, "NeuralQLearner")
    assert opt.ignored == {}
