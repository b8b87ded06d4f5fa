"""The path of an object in another, such as ``agent.network.modules[2].weight``.

A field that is a name stands after a dot, any other key in brackets: ``[2]`` (as in Lua the
first is 1), ``["a-b"]`` (as in JSON), ``[true]``. The path of a whole is empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from dqn_port.errors import T7Error, near_match
from dqn_port.torch7.values import (
    LuaFunction,
    LuaObject,
    LuaTable,
    TorchObject,
    TorchVector,
)

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STEP: Final = re.compile(
    r"\.?(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|\[(?P<word>true|false)\]"
    r"|\[(?P<number>-?(?:[0-9]{1,20}(?:\.[0-9]{1,20})?(?:e[+-]?[0-9]{1,3})?|inf))\]"
    r'|\[(?P<text>"(?:[^"\\]|\\.)*")\]'
)
# Characters of one key, and steps of one path, that a line shows.
_LONGEST_KEY: Final = 200
_MOST_STEPS: Final = 40


def step(key: object) -> str:
    """Return the step from an object to its value at ``key``."""
    if isinstance(key, bool):
        return f"[{str(key).lower()}]"
    if isinstance(key, LuaObject):
        return f"[{key!r}]"
    if isinstance(key, float):
        return f"[{int(key) if key.is_integer() and abs(key) <= 2**53 else key!r}]"
    if not isinstance(key, str):
        return f"[{key!r}]"
    if len(key) > _LONGEST_KEY:
        return f"[{json.dumps(key[:_LONGEST_KEY])}...]"
    return f".{key}" if _NAME.fullmatch(key) else f"[{json.dumps(key)}]"


def join(steps: Sequence[str]) -> str:
    """Return the path of some steps; of very many only the first and the last."""
    if len(steps) > _MOST_STEPS:
        half = _MOST_STEPS // 2
        left_out = f"...({len(steps) - 2 * half} more)..."
        return join(steps[:half]) + left_out + "".join(steps[-half:])
    return "".join(steps).removeprefix(".")


def place(path: str) -> str:
    """Return a path as an error names it."""
    return f"at {path}" if path else "at the top"


def select(value: Any, path: str) -> Any:
    """Return the value at ``path`` in ``value``.

    Raises:
        T7Error: it is not a path, or leads nowhere.
    """
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or (match["name"] and match[0].startswith(".") == (at == 0)):
            raise T7Error(
                f"path {json.dumps(path[:_LONGEST_KEY])}: character {at + 1}: expected a step such "
                'as .name, [2] or ["a-b"]', path=path,
            )  # fmt: skip
        value = _taken(value, _key(match), path[:at], path[: match.end()])
        at = match.end()
    return value


def _key(match: re.Match[str]) -> Any:
    if match["name"] is not None:
        return match["name"]
    if match["word"] is not None:
        return match["word"] == "true"
    if match["number"] is not None:
        return float(match["number"])
    try:
        return json.loads(match["text"], strict=False)
    except ValueError:
        raise T7Error(f"path: expected a JSON string, got {match['text'][:60]!a}") from None


def _taken(value: Any, key: Any, before: str, path: str) -> Any:
    if isinstance(value, LuaFunction) and key == "upvalues":
        return value.upvalues
    if isinstance(value, TorchVector):
        value = LuaTable.from_list(value.items)
    table = value.fields if isinstance(value, TorchObject) else value
    if not isinstance(table, LuaTable):
        raise T7Error(
            f"path {path}: expected a table or an object {place(before)}, got {_what(value)}",
            path=path,
        )
    if key not in table:
        near = near_match(key, [k for k in table if isinstance(k, str)]) if (
            isinstance(key, str)
        ) else ""  # fmt: skip
        raise T7Error(
            f"path {path}: expected a key of {table!r} {place(before)}, got {step(key)}{near}",
            path=path,
        )
    return table[key]


def _what(value: object) -> str:
    if value is None:
        return "nil"
    if isinstance(value, LuaObject):
        return repr(value)
    return {bool: "a boolean", float: "a number", str: "a string"}.get(
        type(value), f"a {type(value).__name__}"
    )
