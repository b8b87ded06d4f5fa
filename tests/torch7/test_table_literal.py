from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dqn_port.errors import TableSyntaxError
from dqn_port.torch7.lua_number import tonumber
from dqn_port.torch7.table_literal import DEPTH_LIMIT, LuaKey, LuaValue, ParsedTable, parse_table
from dqn_port.torch7.table_writer import format_table

GOLDEN: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "golden" / "str_to_table.json").read_text()
)
# Lua values that are no strings give an empty table; parse_table takes strings only.
NOT_STRINGS = ("<nil>", "<number 5>", "<boolean true>")
# These need a Lua interpreter: Lua takes them, the port refuses them on purpose.
REFUSED = {
    "a=math.huge,b=-math.huge": "character 3: expected a value written out, got the Lua global "
    "'math'",
    "a=not nil": "character 3: expected a value, got the Lua keyword 'not'",
    'a=#"abc"': "character 3: expected a value, got '#'",
    "a=os.time and 1 or 2": "character 3: expected a value written out, got the Lua global 'os'",
    "a=tostring(5)": "character 3: expected a value written out, got the Lua global 'tostring'",
}
ACCEPTED = [
    case
    for case in GOLDEN
    if case["ok"] and case["input"] not in REFUSED and case["input"] not in NOT_STRINGS
]
INVALID = [case["input"] for case in GOLDEN if not case["ok"]]


def as_golden(value: LuaValue) -> object:
    """Return a value in a form that compares with the golden nodes, as ``from_golden`` does."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, int | float):
        return ("number", f"{value:.17g}")
    if isinstance(value, str):
        return ("string", os.fsencode(value))
    return {as_golden(key): as_golden(item) for key, item in value.items()}


def from_golden(node: dict[str, Any]) -> object:
    if node["t"] == "table":
        items = [(from_golden(key), from_golden(item)) for key, item in node.get("items", [])]
        assert len(items) == node["n"]
        return dict(items)
    if node["t"] == "string":
        data = bytes.fromhex(node["hex"]) if "hex" in node else node["v"].encode()
        return ("string", data)
    return (node["t"], node["v"])


def error_of(text: str) -> str:
    with pytest.raises(TableSyntaxError) as caught:
        parse_table(text)
    return str(caught.value)


def value_of(text: str) -> LuaValue:
    return parse_table(f"a={text}").values["a"]


def same(left: LuaValue, right: LuaValue) -> bool:
    """Compare with types, signs of zero and NaN equal to NaN."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, float) and isinstance(right, float):
        return repr(left) == repr(right)
    return type(left) is type(right) and left == right


def test_golden_file_is_the_one_expected() -> None:
    inputs = {case["input"] for case in GOLDEN}
    assert len(GOLDEN) == len(inputs) == 37
    assert inputs >= {*NOT_STRINGS, *REFUSED}
    assert (len(ACCEPTED), len(INVALID)) == (23, 6)


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: str(case["input"]))
def test_golden_table(case: dict[str, Any]) -> None:
    assert as_golden(parse_table(case["input"]).values) == from_golden(case["result"])


@pytest.mark.parametrize("text", NOT_STRINGS)
def test_golden_value_that_is_no_string_is_an_empty_table_in_lua(text: str) -> None:
    (case,) = (case for case in GOLDEN if case["input"] == text)
    assert from_golden(case["result"]) == as_golden(parse_table("").values) == {}


@pytest.mark.parametrize("text", REFUSED)
def test_golden_input_that_needs_an_interpreter_is_refused(text: str) -> None:
    assert error_of(text) == f"{text!r} is not the inside of a Lua table: {REFUSED[text]}"


@pytest.mark.parametrize("text", INVALID)
def test_golden_error(text: str) -> None:
    expected = {
        "a=": "character 3: expected a value, got the end of the text",
        'a="unterminated': 'character 16: expected the closing ", got the end of the text',
        "}": "character 1: expected a value, got '}'",
        "a=1 --comment": "character 5: expected ',' or ';' or the end, got a '--' comment, "
        "which swallows the closing brace",
        "a=1 b=2": "character 5: expected ',' or ';' or the end, got 'b'",
        "=1": "character 1: expected a value, got '='",
    }
    assert error_of(text) == f"{text!r} is not the inside of a Lua table: {expected[text]}"


def test_bare_name_is_nil_and_reported() -> None:
    assert parse_table("ep_endt=replay_memory,replay_memory=5") == ParsedTable(
        {"replay_memory": 5}, (("ep_endt", "replay_memory"),)
    )


@pytest.mark.parametrize(
    ("text", "values", "nil_names"),
    [
        ("b={y=two,x=1},a=one", {"b": {"x": 1}}, (("b.y", "two"), ("a", "one"))),
        ("1,foo,[7]=(bar)", {1: 1}, (("2", "foo"), ("7", "bar"))),
        ("a=foo,a=5", {"a": 5}, ()),
        ("a=5,a=foo", {}, (("a", "foo"),)),
        ("a=foo,a=nil", {}, ()),
        ("a={b=foo},a=1", {"a": 1}, ()),
        ("é=ü", {}, (("é", "ü"),)),
        ("a=inf,b=goto", {}, (("a", "inf"), ("b", "goto"))),
        ("a=nil,nil", {}, ()),
    ],
)
def test_nil_names(
    text: str, values: dict[LuaKey, LuaValue], nil_names: tuple[tuple[str, str], ...]
) -> None:
    assert parse_table(text) == ParsedTable(values, nil_names)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("nil,2", {2: 2}),
        ("'a',[1]='b'", {1: "b"}),
        ("[1]='b','a'", {1: "a"}),
        ("[2.0]=1,[1.5]=2,[-0]=3,[-1]=4", {2: 1, 1.5: 2, 0: 3, -1: 4}),
        ("[ [[k]] ]=1,[[v]]", {"k": 1, 1: "v"}),
        ("['a'..1]=1", {"a1": 1}),
        ("a={},a=1", {"a": 1}),
        ("a=1,a=nil", {}),
        (" \t\r\n\v\f a = 1 ; ", {"a": 1}),
        ("{},{{}}", {1: {}, 2: {1: {}}}),
        ("goto=1", {"goto": 1}),
    ],
)
def test_keys(text: str, values: dict[LuaKey, LuaValue]) -> None:
    assert same(parse_table(text).values, values)
    assert list(map(type, parse_table(text).values)) == list(map(type, values))


# Expected by hand from Lua's precedence and the rules of IEEE doubles.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10^6", 1000000),
        ("5*10^3", 5000),
        ("-2^2", -4),
        ("2^-1", 0.5),
        ("2^3^2", 512),
        ("2^-3^2", 1 / 512),
        ("-2^-2*8", -2),
        ("2*-3", -6),
        ("10-4-3", 3),
        ("1+2*3", 7),
        ("(1+2)*3", 9),
        ("8/4/2", 1),
        ("- - -5", -5),
        ("- -5", 5),
        ("5- -3", 8),
        ("1e5-3", 99997),
        ("0xe-1", 13),
        ("7%4", 3),
        ("-5%3", 1),
        ("5%-3", -1),
        ("5.5%2", 1.5),
        ("5%0", math.nan),
        ("5%(1/0)", math.nan),
        ("1/0", math.inf),
        ("-1/0", -math.inf),
        ("1/-0", -math.inf),
        ("0/0", math.nan),
        ("1e308*10", math.inf),
        ("1e400", math.inf),
        ("0^-1", math.inf),
        ("(-0)^-1", -math.inf),
        ("(-8)^(1/3)", math.nan),
        ("(-10)^309", -math.inf),
        ("(-10)^310", math.inf),
        ("0^0", 1),
        ("-0", -0.0),
        ("0*-1", -0.0),
        ("0-0", 0),
        ("9007199254740991", 9007199254740991),
        ("9007199254740992", 9007199254740992.0),
        ("-9007199254740992", -9007199254740992.0),
        ("0b11", 3),
        ("0x1p4", 16),
        ("0x.8", 0.5),
        ("00012", 12),
        ("1 ..2", "12"),
        ("'a'..'b'..'c'", "abc"),
        ("'x'..0.1+0.2", "x0.3"),
        ("2^53 ..''", "9.007199254741e+15"),
        ("1/0 ..''..0/0", "infnan"),
        ("'a'..-1", "a-1"),
        ("true", True),
        ("((false))", False),
    ],
)
def test_arithmetic(text: str, value: LuaValue) -> None:
    assert same(value_of(text), value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\a\b\f\n\r\t\v\\\"\'"', "\a\b\f\n\r\t\v\\\"'"),
        (r'"\65\0\0651\x41\u{20ac}"', "A\0A1A€"),
        ('"a\\z \n\t b"', "ab"),
        ('"a\\\nb\\\r\nc"', "a\nb\nc"),
        ('"it\'s"', "it's"),
        ("'say \"hi\"'", 'say "hi"'),
        (r'"\195\169"', "é"),
        (r'"\195".."\169"', "é"),
        ('"é"', "é"),
        ("[[\udcc3\udca9]]", "é"),
        (r'"\255"', "\udcff"),
        (r"[[a\n]]", "a\\n"),
        ("[[\na\r\nb\n\nc]]", "a\nb\n\nc"),
        ("[==[ ]] ]=] ]==]", " ]] ]=] "),
        ("[[]]", ""),
        ("''", ""),
    ],
)
def test_string(text: str, value: str) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",", "character 1: expected a value, got ','"),
        ("a=1,,", "character 5: expected a value, got ','"),
        ("a=1;;b=2", "character 5: expected a value, got ';'"),
        ("a={1", "character 5: expected ',' or ';' or '}', got the end of the text"),
        ("a={1]", "character 5: expected ',' or ';' or '}', got ']'"),
        ("a=(1", "character 5: expected ')', got the end of the text"),
        ("a==1", "character 2: expected ',' or ';' or the end, got '='"),
        ("[1=2", "character 3: expected ']', got '='"),
        ("[1] 2", "character 5: expected '=', got '2'"),
        ("[]=1", "character 2: expected a value, got ']'"),
        ("[nil]=1", "character 2: expected a string or number as key, got nil"),
        ("[ true]=1", "character 3: expected a string or number as key, got true"),
        ("[0/0]=1", "character 2: expected a string or number as key, got nan"),
        ("[{}]=1", "character 2: expected a string or number as key, got a table"),
        (
            "[k]=1",
            "character 2: expected a string or number as key, "
            "got the name 'k', which is nil in Lua",
        ),
        ("end=1", "character 1: expected a value, got the Lua keyword 'end'"),
        ("a=5LL", "character 3: expected a number, got '5LL'"),
        ("a=1..2", "character 3: expected a number, got '1..2'"),
        ("a=1e", "character 3: expected a number, got '1e'"),
        ("a=0b12", "character 3: expected a number, got '0b12'"),
        (
            "a=2*steps",
            "character 5: expected a number, got the name 'steps', which is nil in Lua",
        ),
        ("a=-{}", "character 4: expected a number, got a table"),
        ("a='1'+1", "character 3: expected a number, got a string"),
        ("a=1+true", "character 5: expected a number, got true"),
        ("a=1 ..nil", "character 7: expected a string or number, got nil"),
        ("a=true..'x'", "character 3: expected a string or number, got true"),
        ("a=1<2", "character 4: expected ',' or ';' or the end, got '<'"),
        ("a=f(1)", "character 4: expected ',' or ';' or the end, got '('"),
        ("a=b.c", "character 4: expected ',' or ';' or the end, got '.'"),
        ("a=...", "character 3: expected a value, got '.'"),
        (r"a='\q'", r"character 4: expected a Lua escape, got '\\q'"),
        ("a='\\", "character 4: expected the closing ', got '\\\\'"),
        (r"a='\300'", r"character 4: expected an escape of at most 255, got '\\300'"),
        (r"a='\u{d800}'", r"character 4: expected a Unicode character, got '\\u{d800}'"),
        ("a='x\ny'", r"character 5: expected the closing ', got '\n'"),
        ("a=[=[x]]", "character 9: expected ']=]', got the end of the text"),
        ("a='\ud800'", r"character 4: expected characters that UTF-8 can hold, got '\ud800'"),
        ("a=\x01", r"character 3: expected a value, got '\x01'"),
        (
            "a=--1",
            "character 3: expected a value, got a '--' comment, which swallows the closing brace",
        ),
        ("print", "character 1: expected a value written out, got the Lua global 'print'"),
    ],
)
def test_error_is_one_line(text: str, message: str) -> None:
    assert error_of(text) == f"{text!r} is not the inside of a Lua table: {message}"
    assert len(error_of(text).splitlines()) == 1


def test_error_shows_only_the_place_in_a_long_text() -> None:
    text = "a=1," * 100 + "b=?," + "c=2," * 100
    excerpt = ("a=1," * 100)[-58:] + "b=?," + ("c=2," * 100)[:58]
    assert error_of(text) == (
        f"…{excerpt!r}… is not the inside of a Lua table: character 403: expected a value, got '?'"
    )


@pytest.mark.parametrize(
    ("opening", "closing"), [("{", "}"), ("(", ")"), ("2^", ""), ("1 ..", ""), ("1+1*-(", ")")]
)
def test_depth_is_limited(opening: str, closing: str) -> None:
    text = opening * 50_000 + "1" + closing * 50_000
    assert error_of(text).endswith("expected at most 100 levels of nesting, got one more")


def test_depth_up_to_the_limit_is_read() -> None:
    depth = DEPTH_LIMIT - 1
    value: LuaValue = parse_table("{" * depth + "1" + "}" * depth).values
    for _ in range(depth):
        assert isinstance(value, dict)
        value = value[1]
    assert value == {1: 1}
    assert error_of("{" * DEPTH_LIMIT + "1" + "}" * DEPTH_LIMIT).endswith(
        "character 101: expected at most 100 levels of nesting, got one more"
    )


def test_long_text_that_does_not_nest_is_read() -> None:
    assert value_of("1" + "+1" * 20_000) == 20_001
    assert value_of("- " * 20_001 + "1") == -1
    assert len(parse_table("{1}," * 20_000).values) == 20_000
    assert tonumber("9" * 100_000 + "x") is None


FRAGMENTS = (
    *"ab10.xeE-+*/%^=,;[]{}()\"'\\ \n\r#<~:é\udc80\ud800\0",
    *(
        "..",
        "0x",
        "0b1",
        "[[",
        "]]",
        "[=[",
        "]=]",
        "nil",
        "true",
        "--",
        "\\z",
        "\\u{",
        "\\x",
        "10^",
    ),
    *("key=", "1e999", "math", "end", "{a=1}", '"s"', "{{{{", "1/0", "'x'.."),
)


@settings(deadline=None, max_examples=500)
@given(st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join)))
@example("0/\x85")
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        values = parse_table(text).values
    except TableSyntaxError as error:
        message = str(error)
    else:
        assert same(parse_table(format_table(values)).values, values)
        return
    assert len(message.splitlines()) == 1
    assert " is not the inside of a Lua table: character " in message
