"""Whatever stands in arguments, the options are taken or refused by one error."""

from __future__ import annotations

import json
import math

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dqn_port.errors import DqnPortError
from dqn_port.systems.lua_dqn.drafts import (
    Draft,
    read_args_table,
    read_lua_words,
    read_set,
)
from dqn_port.systems.lua_dqn.options import OPTIONS
from dqn_port.systems.lua_dqn.setup import declared_params, resolve
from tests.cli.running import TOY, TOY_AGENT
from tests.systems.lua_dqn.test_options import finished

# Anything at all.

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, -1, 10**400, 2**53, 1e300, math.nan, math.inf, -0.0, 0.5])
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8)
    | st.sampled_from(["", "x", "a,b", "{", "lr=1", "pong", "toyB", "a/b.t7", "\ud800", "linear"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=6,
)
TOP_KEYS = st.sampled_from([option.name for option in OPTIONS] + ["notes", "ignored", "zzz"])
AGENT_KEYS = st.sampled_from(
    [param.name for param in declared_params({})["agent_params"]] + ["gpu", "zzz"]
)


def same_when_read_again(opt):
    again = Draft()
    read_args_table(again, json.loads(json.dumps(opt.to_json())), "args.json")
    read = resolve(finished(again))
    assert json.dumps(read.to_json(), sort_keys=True) == json.dumps(opt.to_json(), sort_keys=True)


@settings(deadline=None, max_examples=300)
@given(TOP_KEYS, JSON)
@example("seed", 10**400)
@example("ignored", {"seed": 5})
def test_any_value_of_any_option_is_taken_or_refused_by_one_error(name, value):
    draft = Draft()
    try:
        read_args_table(draft, TOY | {name: value}, "a.json")
        opt = resolve(finished(draft))
    except DqnPortError:
        return
    same_when_read_again(opt)


@settings(deadline=None, max_examples=300)
@given(AGENT_KEYS, JSON)
@example("input_dims", {"a": 1})
@example("input_dims", {"1": 3, "2": 10, "3": 10})
@example("rescale_r", [[[]]])
@example("hist_len", 10**15)
def test_any_value_of_any_agent_parameter_is_taken_or_refused_by_one_error(name, value):
    draft = Draft()
    try:
        read_args_table(draft, TOY | {"agent_params": TOY_AGENT | {name: value}}, "a.json")
        opt = resolve(finished(draft))
    except DqnPortError:
        return
    same_when_read_again(opt)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(["seed", "name", "agent_params", "agent_params.lr", "pool_frms", "zzz", ""]),
    st.text(max_size=12) | st.sampled_from(["[" * 5000, "1" * 5000, "{a=1}", "a=1,b={2}"]),
)
def test_any_assignment_is_taken_or_refused_by_one_error(path, text):
    draft = Draft()
    read_args_table(draft, TOY, "a.json")
    try:
        read_set(draft, [f"{path}={text}"])
        resolve(finished(draft))
    except DqnPortError:
        pass


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.sampled_from([f"-{option.name}" for option in OPTIONS])
        | st.text(max_size=6)
        | st.sampled_from(["1", "-1", "nan", "1e400", "lr=1", "type='max'", "-help"]),
        max_size=6,
    )
)
def test_any_words_are_taken_or_refused_by_one_error(words):
    draft = Draft()
    read_args_table(draft, TOY, "a.json")
    try:
        read_lua_words(draft, words)
        resolve(finished(draft))
    except DqnPortError:
        pass
