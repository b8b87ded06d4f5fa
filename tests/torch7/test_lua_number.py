"""Lua's tonumber."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dqn_port.torch7.lua_number import tonumber
from tests.torch7.test_table_literal import same


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        (" 7 ", 7),
        ("\t\n\v\f\r+7\r", 7),
        ("5.", 5),
        (".5", 0.5),
        ("1e3", 1000),
        ("1E+3", 1000),
        ("0x10", 16),
        ("-0X10", -16),
        ("0x.8p1", 1),
        ("0x1.8", 1.5),
        ("0x1p9999", math.inf),
        ("0b11", 3),
        ("-0B0011", -3),
        ("0b" + "1" * 64, 2.0**64),
        ("0b" + "1" * 65, None),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("nan", math.nan),
        ("-NaN", math.nan),
        ("1e400", math.inf),
        ("-1e400", -math.inf),
        ("1e-400", 0),
        ("-0", -0.0),
        ("1.5", 1.5),
        ("9007199254740993", 9007199254740992.0),
        ("", None),
        (" ", None),
        ("5LL", None),
        ("3i", None),
        ("1,5", None),
        ("1_0", None),
        ("- 5", None),
        ("+-5", None),
        (".", None),
        ("1e", None),
        ("0x", None),
        ("0x1p", None),
        ("0b", None),
        ("0b12", None),
        ("0b1.0", None),
        ("infinit", None),
        ("5\0", None),
        ("\xa05", None),
        ("٥", None),
        ("abc", None),
    ],
)
def test_tonumber(text: str, value: float | None) -> None:
    number = tonumber(text)
    if value is None or number is None:
        assert number is value
    else:
        assert same(number, value)


@settings(deadline=None)
@given(st.floats(allow_nan=False))
def test_tonumber_reads_every_double(value: float) -> None:
    for text in (repr(value), value.hex() if math.isfinite(value) else "inf"):
        number = tonumber(text)
        assert number is not None
        assert float(number) == (value if text != "inf" else math.inf)
