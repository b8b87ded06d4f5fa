"""Table constructors written, and read back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dqn_port.errors import TableSyntaxError
from dqn_port.torch7.table_literal import DEPTH_LIMIT, LuaKey, LuaValue, parse_table
from dqn_port.torch7.table_writer import format_table
from tests.torch7.test_table_literal import as_golden, same


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, ""),
        ({"lr": 0.1, "network": "x"}, 'lr=0.1,network="x"'),
        ({"a": 1, 2: "two", 1: True, 4: 4}, 'true,"two",a=1,[4]=4'),
        ({"a b": 1, "end": 2, "é": 3, "": 4}, '["a b"]=1,["end"]=2,["é"]=3,[""]=4'),
        ({"a": {"b": {1: 1}, "c": {}}}, "a={b={1},c={}}"),
        ({1: math.inf, 2: -math.inf, 3: math.nan, 4: -0.0}, "1/0,-1/0,0/0,-0.0"),
        ({0.5: 1, -1: 2, math.inf: 3}, "[0.5]=1,[-1]=2,[1/0]=3"),
        (
            {"a": 5.0, "b": 1e22, "c": 1e-5, "d": 2**60},
            "a=5,b=1e+22,c=1e-05,d=1.152921504606847e+18",
        ),
        ({"s": "q\"\\\n\x00\x7f\udcff'é"}, 's="q\\"\\\\\\n\\000\\127\\255\'é"'),
    ],
)
def test_format(values: dict[LuaKey, LuaValue], text: str) -> None:
    assert format_table(values) == text
    assert as_golden(parse_table(text).values) == as_golden(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"a": None}, "expected a string, number, boolean or table, got None"),
        ({"a": [1]}, "expected a string, number, boolean or table, got a list"),
        ({True: 1}, "expected a string or number as key, got True"),
        ({b"k": 1}, "expected a string or number as key, got a bytes"),
        ({math.nan: 1}, "expected a string or number as key, got nan"),
        (
            {"a": 2**53 + 1},
            "expected a number that a double can hold, got an integer that none can",
        ),
        (
            {"a": 10**400},
            "expected a number that a double can hold, got an integer that none can",
        ),
        ({"a": "\ud800"}, r"expected a string that UTF-8 can hold, got '\ud800'"),
    ],
)
def test_format_refuses_what_has_no_literal(values: Any, message: str) -> None:
    with pytest.raises(TableSyntaxError) as caught:
        format_table(values)
    assert str(caught.value) == f"no Lua table can be written: {message}"


def test_format_depth_is_limited() -> None:
    values: dict[LuaKey, LuaValue] = {"a": -math.inf}
    for _ in range(DEPTH_LIMIT - 2):
        values = {"a": values}
    assert parse_table(format_table(values)).values == values
    with pytest.raises(TableSyntaxError) as caught:
        format_table({"a": values})
    assert str(caught.value) == (
        "no Lua table can be written: expected tables at most 98 deep, got a deeper one"
    )


lua_numbers = st.one_of(
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats().map(lambda x: int(x) if x.is_integer() and 0 < abs(x) < 2**53 else x),
).map(lambda x: 0 if x == 0 and math.copysign(1, x) > 0 else x)
lua_strings = st.one_of(
    st.text(max_size=8),
    st.binary(max_size=8).map(lambda data: data.decode(errors="surrogateescape")),
)
lua_keys = st.one_of(
    lua_strings,
    st.sampled_from(["lr", "ep_end", "end", "nil", "_x1"]),
    st.integers(0, 5),
    lua_numbers.filter(lambda x: not math.isnan(x)).map(lambda x: x or 0),
)
lua_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(lua_numbers, lua_strings, st.booleans()),
    lambda inner: st.dictionaries(lua_keys, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(lua_keys, lua_values, max_size=5))
def test_format_then_parse_gives_the_same_table(values: dict[LuaKey, LuaValue]) -> None:
    parsed = parse_table(format_table(values))
    assert same(parsed.values, values)
    assert parsed.nil_names == ()
    assert_key_types(parsed.values, values)


def assert_key_types(left: Mapping[LuaKey, LuaValue], right: Mapping[LuaKey, LuaValue]) -> None:
    for key in left:
        (other,) = (other for other in right if other == key)
        assert type(key) is type(other)
