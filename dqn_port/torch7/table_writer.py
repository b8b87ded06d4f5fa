"""Write the inside of a Lua table constructor, which table_literal reads back."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NoReturn

from dqn_port.errors import TableSyntaxError
from dqn_port.torch7.lua_number import lua_number
from dqn_port.torch7.table_literal import (
    DEPTH_LIMIT,
    ESCAPES,
    KEYWORDS,
    UNENCODABLE,
    LuaKey,
    LuaValue,
)

_IDENTIFIER = re.compile(r"[A-Za-z_][0-9A-Za-z_]*")
_SPECIAL_IN_STRING = re.compile(r"[\x00-\x1f\"\\\x7f\udc80-\udcff]")
_ESCAPE_OF = {value: "\\" + letter for letter, value in ESCAPES.items() if letter != "'"}


def format_table(values: Mapping[LuaKey, LuaValue]) -> str:
    """Write a table so that ``parse_table`` reads equal values back.

    Raises:
        TableSyntaxError: a key or value has no literal: another type, a NaN key, an
            integer that is not a double, or tables over ``DEPTH_LIMIT`` - 2 deep.
    """
    return _format_items(values, 0)


def _format_items(values: Mapping[LuaKey, LuaValue], depth: int) -> str:
    if depth > DEPTH_LIMIT - 2:
        _fail_format(f"tables at most {DEPTH_LIMIT - 2} deep", "a deeper one")
    heads = {key: _format_key(key) for key in values}
    position = 1
    while position in heads:
        heads[position] = ""
        position += 1
    order = [*range(1, position), *(key for key, head in heads.items() if head)]
    return ",".join(heads[key] + _format_value(values[key], depth) for key in order)


def _format_key(key: object) -> str:
    if isinstance(key, str) and _IDENTIFIER.fullmatch(key) and key not in KEYWORDS:
        return f"{key}="
    if isinstance(key, str):
        return f"[{_format_string(key)}]="
    if isinstance(key, bool) or not isinstance(key, int | float) or math.isnan(key):
        _fail_format("a string or number as key", _describe_python(key))
    return f"[{_format_number(key)}]="


def _format_value(value: object, depth: int) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _format_number(value)
        case str():
            return _format_string(value)
        case Mapping():
            return "{" + _format_items(value, depth + 1) + "}"
    return _fail_format("a string, number, boolean or table", _describe_python(value))


def _format_number(value: float) -> str:
    try:
        double = float(value)
    except OverflowError:
        double = math.nan
    if double != value and isinstance(value, int):
        _fail_format("a number that a double can hold", "an integer that none can")
    if math.isnan(double):
        return "0/0"
    if math.isinf(double):
        return "1/0" if double > 0 else "-1/0"
    return repr(lua_number(double))


def _format_string(text: str) -> str:
    if UNENCODABLE.search(text):
        _fail_format("a string that UTF-8 can hold", ascii(text[:40]))
    return '"' + _SPECIAL_IN_STRING.sub(_escaped, text) + '"'


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character in _ESCAPE_OF:
        return _ESCAPE_OF[character]
    return f"\\{character.encode('utf-8', 'surrogateescape')[0]:03d}"


def _describe_python(value: object) -> str:
    return f"{value!r}" if isinstance(value, bool | float | None) else f"a {type(value).__name__}"


def _fail_format(expected: str, got: str) -> NoReturn:
    raise TableSyntaxError(f"no Lua table can be written: expected {expected}, got {got}")
