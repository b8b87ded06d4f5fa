"""Values of options, checked against what their Param declares."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from dqn_port.errors import ArgsError, near_match
from dqn_port.options import Param

_LONGEST_NAME: Final = 200
"""Bytes; file systems allow 255, and what is written beside a file adds to its name."""
_LONGEST: Final = 200
"""Characters of a value that are shown."""


def checked(param: Param, value: Any, where: str) -> Any:
    """Return ``value`` as the type that ``param`` declares.

    Raises:
        ArgsError: another type, NaN or infinity, out of range, none of the choices.
    """
    expected = {
        "number": "a number",
        "integer": "a whole number",
        "boolean": "true or false",
        "string": "a string",
        "truth": "true, false or a number",
        "table": "a list or an object",
    }.get(param.kind)
    result = value
    if param.kind in ("number", "integer"):
        if isinstance(value, bool) or not _is_finite(value):
            raise ArgsError(f"{where}: expected {expected}, got {short(value)}")
        if param.kind == "integer":
            if value != int(value) or abs(value) >= 2**53:
                raise ArgsError(f"{where}: expected {expected}, got {short(value)}")
            result = int(value)
        if (param.low is not None and value < param.low) or (
            param.high is not None and value > param.high
        ):
            between = f"at least {param.low:.15g}" if param.high is None else (
                f"{param.low:.15g} to {param.high:.15g}"
            )  # fmt: skip
            raise ArgsError(f"{where}: expected {between}, got {short(value)}")
    elif param.kind in ("boolean", "string", "table"):
        types = {"boolean": bool, "string": str, "table": (dict, list)}[param.kind]
        if not isinstance(value, types):  # type: ignore[arg-type]
            raise ArgsError(f"{where}: expected {expected}, got {short(value)}")
        if param.kind == "string" and not _is_text(value):
            raise ArgsError(f"{where}: expected text that UTF-8 can hold, got {value!a}")
    elif param.kind == "truth" and not _is_finite(value):
        raise ArgsError(f"{where}: expected {expected}, got {short(value)}")
    if param.choices and value not in param.choices:
        raise ArgsError(
            f"{where}: expected one of {', '.join(param.choices)}, got '{value}'"
            f"{near_match(str(value), param.choices)}"
        )
    return result


def _is_finite(value: Any) -> bool:
    """Return whether ``value`` is a number, or a boolean, that a double can hold."""
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def _is_text(value: str) -> bool:
    """Return whether ``value`` can be a file's name and a value in a file."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def short(value: Any) -> str:
    """Return a value for an error's line, cut where it is long."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def kind_of(value: Any) -> str:
    """Return what kind of JSON a value is, for an error's line."""
    return {dict: "an object", list: "a list", str: "a string", type(None): "null"}.get(
        type(value), short(value)
    )


def shown(value: Any) -> str:
    """Write an option's value, in JSON where it is a list."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"{value:,}"
    if not isinstance(value, str):
        try:
            value = json.dumps(value, ensure_ascii=False)
        except RecursionError:
            return "…"
    return value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…"


def origin_of(param: Param, source: str) -> str:
    """Say where a value comes from: its source, or else what its default is."""
    origin = param.default_is or (f"= {param.default_from}" if param.default_from else "")
    return source or (f"default ({origin})" if origin else "default")


def name_of_folder(name: str) -> str:
    """Return a name that can be a folder's.

    Raises:
        ArgsError: it cannot.
    """
    pathlike = "/" in name or "\\" in name or name in (".", "..")
    if pathlike or not name.isprintable() or name != name.strip():
        raise ArgsError(f"name: expected the name of a folder without a path, got {name!r}")
    if len(name.encode()) > _LONGEST_NAME:
        raise ArgsError(f"name: expected at most {_LONGEST_NAME} bytes, got {len(name.encode())}")
    return name
