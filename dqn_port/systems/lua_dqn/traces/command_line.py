"""Words and table strings, read as torch.CmdLine and str_to_table read them."""

from __future__ import annotations

import os
from typing import Any, Final

from dqn_port.errors import TableSyntaxError, TraceError
from dqn_port.systems.lua_dqn.drafts import train_cmdline
from dqn_port.torch7.cmdline import OptionValue
from dqn_port.torch7.table_literal import parse_table
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

NEED_LUA: Final = frozenset(
    {
        "a=math.huge,b=-math.huge",
        "a=not nil",
        'a=#"abc"',
        "a=os.time and 1 or 2",
        "a=tostring(5)",
    }
)
"""Table strings that need a Lua interpreter: refused on purpose."""


def _as_trace(value: OptionValue) -> list[str]:
    """Return a value as traces have it: its Lua type and its text."""
    if isinstance(value, bool):
        return ["boolean", "true" if value else "false"]
    if isinstance(value, str):
        return ["string", value]
    return ["number", f"{value:.17g}"]


def replay_words(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Read every argument vector."""
    del replaying
    for at, case in enumerate(trace.meta):
        where = f"[{at}]"
        words = trace.key("argv", list, of=case, where=where)
        if not all(isinstance(word, str) for word in words):
            raise TraceError(f"{trace.name}.json: {where}.argv: expected words, got other values")
        place = " ".join(words) or "no words"
        result = train_cmdline().parse(words)
        goes_on = case.get("stdout") is None
        compare.value("exit", case.get("exit"), result.exit_code or 0, place)
        compare.value("stderr", case.get("stderr", ""), result.stderr, place)
        compare.value("help is printed", not goes_on, bool(result.stdout), place)
        values = {name: _as_trace(value) for name, value in result.values.items()}
        if "parsed" in case:
            parsed = sorted([name, *value] for name, value in values.items())
            compare.value("parsed", sorted(case["parsed"]), parsed, place)
        if goes_on:
            defaults = train_cmdline().parse([]).values
            differing = {k: v for k, v in values.items() if v != _as_trace(defaults[k])}
            compare.value(
                "differs_from_default", case.get("differs_from_default", {}), differing, place
            )
    compare.what = f"torch.CmdLine on {plural(len(trace.meta), 'argument vector')}"


def replay_tables(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Read every table string."""
    del replaying
    refused = 0
    for at, case in enumerate(trace.meta):
        text = trace.key("input", str, of=case, where=f"[{at}]")
        # What is not a string, written <...>, gives an empty table; parse_table takes strings only.
        is_text = not (text.startswith("<") and text.endswith(">"))
        try:
            got = _plain(parse_table(text if is_text else "").values)
        except TableSyntaxError:
            refused += text in NEED_LUA
            compare.value("ok", case.get("ok") and text not in NEED_LUA, False, repr(text))
            continue
        compare.value("ok", case.get("ok"), True, repr(text))
        if case.get("ok"):
            compare.value("result", _plain_node(case.get("result"), trace), got, repr(text))
    if refused:
        compare.notes.append(f"{refused} that need a Lua interpreter are refused on purpose")
    compare.what = f"str_to_table on {plural(len(trace.meta), 'input')}"


def _plain(value: Any) -> Any:
    """Return a parsed value as ``_plain_node`` returns a trace's."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, int | float):
        return ("number", f"{value:.17g}")
    if isinstance(value, str):
        return ("string", os.fsencode(value))
    return {_plain(key): _plain(item) for key, item in value.items()}


def _plain_node(node: Any, trace: Trace) -> Any:
    """Return what a node of a trace stands for: tables as dicts, else (type, value).

    Raises:
        TraceError: it is not a node.
    """
    try:
        if node["t"] == "table":
            return {
                _plain_node(key, trace): _plain_node(item, trace)
                for key, item in node.get("items", [])
            }
        if node["t"] == "string":
            text = bytes.fromhex(node["hex"]) if "hex" in node else node["v"].encode()
            return ("string", text)
        return (node["t"], node["v"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise TraceError(f"{trace.name}.json: result: expected a node, got {error!r}") from error
