"""Argument files: JSON objects of options."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dqn_port.arguments.values import kind_of
from dqn_port.errors import ArgsError
from dqn_port.files import reading

NOTES: Final = "notes"
"""Key for remarks; not an option."""
_DEEPEST: Final = 100
"""Levels of JSON that are read; everything after may then recurse."""


def read_args_json(
    path: Path, refuse_other: Callable[[Path, bytes], None] = lambda path, content: None
) -> dict[str, Any]:
    """Return the object that an argument file holds.

    ``refuse_other`` is called with what is no JSON, to raise an error that says what it is.

    Raises:
        ArgsError: the file cannot be read, is no JSON or no object.
    """
    with reading(path, ArgsError, "legacy_args/ holds examples"):
        content = path.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        refuse_other(path, content)
        raise ArgsError(
            f"{path}: byte {error.start}: expected JSON in UTF-8, got other bytes"
        ) from error
    try:
        table = parse_json(text)
    except json.JSONDecodeError as error:
        refuse_other(path, content)
        raise ArgsError(
            f"{path}: line {error.lineno}, column {error.colno}: expected JSON, got a mistake: "
            f"{error.msg}"
        ) from error
    except ValueError as error:
        raise ArgsError(f"{path}: {error}") from error
    if not isinstance(table, dict):
        raise ArgsError(f"{path}: expected a JSON object of options, got {kind_of(table)}")
    return table


def parse_json(text: str) -> Any:
    """Return what JSON says.

    Raises:
        ValueError: it is no JSON, says a key twice in one object, or is nested too deep.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys)
    except RecursionError as error:
        raise ValueError(f"nested deeper than {_DEEPEST} levels") from error
    level = [value]
    for _ in range(_DEEPEST):
        tables = [entry for entry in level if isinstance(entry, dict | list)]
        level = [e for t in tables for e in (t.values() if isinstance(t, dict) else t)]
    if level:
        raise ValueError(f"nested deeper than {_DEEPEST} levels")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"the key '{key}' appears twice in one object")
        table[key] = value
    return table
