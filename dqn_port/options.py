"""The options of a training: where they come from, what they may be, what took effect.

Order: defaults < argument file < Lua words < --set and the flags. Names are those of the Lua
program, to the letter. Lua: train_agent.lua's options, initenv.lua's str_to_table.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dqn_port.errors import ArgsError, LuaExit, near_match
from dqn_port.interfaces import Param
from dqn_port.torch7.cmdline import CmdLine
from dqn_port.torch7.table_literal import parse_table
from dqn_port.torch7.table_writer import format_table


def _option(name: str, kind: str, default: Any, meaning: str, **more: Any) -> Param:
    return Param(name=name, kind=kind, default=default, meaning=meaning, **more)


OPTIONS: Final = (
    _option("framework", "string", "", "module that provides the game (alewrap)"),
    _option("env", "string", "", "game: the name of its ROM without .bin"),
    _option("game_path", "string", "", "folder of the ROMs; empty: those of ale-py"),
    _option("env_params", "table", {}, "parameters of the framework"),
    _option("pool_frms", "table", {}, "how frames are pooled: type and size"),
    _option("actrep", "integer", 1, "times an action is repeated", unit="frames", low=1),
    _option("random_starts", "integer", 0, "up to so many null actions start an episode; 0: none",
            unit="frames", low=0),
    _option("name", "string", "", "name of the run's folder and files",
            default_is="the argument file's, or env"),
    _option("network", "string", "", "saved network to start from; goes before agent_params"),
    _option("agent", "string", "", "agent (NeuralQLearner)"),
    _option("agent_params", "table", {}, "parameters of the agent, its preproc, network, replay"),
    _option("seed", "integer", 1, "of all random numbers"),
    _option("saveNetworkParams", "boolean", False, "also save the flat parameters"),
    _option("prog_freq", "integer", 5000, "report every so many", unit="agent steps", low=1),
    _option("save_freq", "integer", 50_000, "save every so many", unit="agent steps", low=1),
    _option("eval_freq", "integer", 10_000, "evaluate every so many", unit="agent steps", low=1),
    _option("save_versions", "integer", 0, "0: one file, overwritten; v: NAME_floor(step/v)",
            unit="agent steps", low=0),
    _option("steps", "integer", 100_000, "to train", unit="agent steps", low=1),
    _option("eval_steps", "integer", 100_000, "of an evaluation", unit="agent steps", low=1),
    _option("verbose", "integer", 2, "1 or less: no description of the run at its start", low=0),
    _option("threads", "integer", 1, "of the CPU's arithmetic", unit="threads", low=1, high=1024),
    _option("gpu", "integer", -1, "-1: CPU; 0: the first CUDA device, or GPU_ID's; n: the n-th",
            low=-1),
)  # fmt: skip
"""Every option in the order of train_agent's help."""

TABLES: Final = ("env_params", "pool_frms", "agent_params")

KNOWN_AND_IGNORED: Final = frozenset(
    {"tensorType", "agent_params.gpu", "agent_params.verbose", "agent_params.transition_params"}
)
"""Keys found in old arguments that never did anything there, or that the program sets itself."""

_NOTES: Final = "notes"
"""Key of an argument file for remarks; not an option."""
_IGNORED: Final = "ignored"
"""Key of an args.json for what old arguments held and nothing reads."""
_LUA_WORDS: Final = "Lua words"
_DEEPEST: Final = 100
"""Levels of JSON that are read; everything after may then recurse."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options as they take effect; every attribute is an option of OPTIONS."""

    framework: str
    env: str
    game_path: str
    env_params: dict[str, Any]
    pool_frms: dict[str, Any]
    actrep: int
    random_starts: int
    name: str
    network: str
    agent: str
    agent_params: dict[str, Any]
    seed: int
    saveNetworkParams: bool  # noqa: N815
    prog_freq: int
    save_freq: int
    eval_freq: int
    save_versions: int
    steps: int
    eval_steps: int
    verbose: int
    threads: int
    gpu: int
    ignored: dict[str, Any] = field(default_factory=dict)
    """Keys from old arguments that nothing reads, by path."""

    def to_json(self) -> dict[str, Any]:
        """Return what args.json holds; as an argument file it gives the same options."""
        table = dataclasses.asdict(self)
        if not table[_IGNORED]:
            del table[_IGNORED]
        return table


@dataclass
class Draft:
    """Options while they are being put together: values by path, and where each came from."""

    values: dict[str, Any] = field(default_factory=dict)
    """Path ('seed', 'agent_params.lr') → value."""
    sources: dict[str, str] = field(default_factory=dict)
    """Path → where its value came from."""
    lenient: set[str] = field(default_factory=set)
    """Paths from Lua words, whose unknown keys are ignored as Lua does."""
    warnings: list[str] = field(default_factory=list)
    stem: str = ""
    """Name of the argument file, without its ending."""

    def put(self, path: str, value: Any, source: str, *, lenient: bool = False) -> None:
        """Set one value; None is Lua's nil and makes the key absent."""
        self.values[path] = value
        self.sources[path] = source
        (self.lenient.add if lenient else self.lenient.discard)(path)

    def put_table(
        self, name: str, table: Mapping[Any, Any], source: str, *, lenient: bool = False
    ) -> None:
        """Set a whole table option: keys that it held before are gone."""
        for path in [p for p in self.values if p.startswith(f"{name}.")]:
            del self.values[path]
        for key, value in table.items():
            self.put(f"{name}.{key}", value, source, lenient=lenient)


def train_cmdline() -> CmdLine:
    """Return the Lua program's command line: the words after ``--``."""
    cmdline = CmdLine()
    for option in OPTIONS:
        default = "" if option.kind == "table" else option.default
        cmdline.option(f"-{option.name}", default, option.meaning)
    return cmdline


def _lua_table(draft: Draft, name: str, text: str, source: str) -> dict[Any, Any]:
    try:
        parsed = parse_table(text)
    except ArgsError as error:
        raise type(error)(f"{source}: {name}: {error}") from error
    for path, bare in parsed.nil_names:
        draft.warnings.append(
            f"{source}: {name}.{path}: the bare name {bare} is nil in Lua, so {path} is absent "
            "and takes its default"
        )
    return parsed.values


def read_args_file(draft: Draft, path: Path) -> None:
    """Add an argument file: a JSON object of options.

    Raises:
        ArgsError: it cannot be read, is no JSON or no object, or a table option is neither an
            object nor a Lua string.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ArgsError(
            f"{path}: cannot be read: {error.strerror or error}; legacy_args/ holds examples"
        ) from error
    except UnicodeDecodeError as error:
        raise ArgsError(
            f"{path}: byte {error.start}: expected JSON in UTF-8, got other bytes"
        ) from error
    try:
        table = _parse_json(text)
    except json.JSONDecodeError as error:
        raise ArgsError(
            f"{path}: line {error.lineno}, column {error.colno}: expected JSON, got a mistake: "
            f"{error.msg}"
        ) from error
    except ValueError as error:
        raise ArgsError(f"{path}: {error}") from error
    if not isinstance(table, dict):
        raise ArgsError(f"{path}: expected a JSON object of options, got {_kind_of(table)}")
    draft.stem = path.stem
    read_args_table(draft, table, str(path))


def read_args_table(draft: Draft, table: Mapping[str, Any], source: str) -> None:
    """Add the object of an argument file, or the arguments of a snapshot.

    Raises:
        ArgsError: a table option's Lua string is none.
    """
    for name, value in table.items():
        if name == _NOTES:
            continue
        if name == _IGNORED and isinstance(value, dict):
            for key, ignored in value.items():
                draft.put(key, ignored, source, lenient=True)
        elif name in TABLES and isinstance(value, str):
            draft.put_table(name, _lua_table(draft, name, value, source), source)
        elif name in TABLES and isinstance(value, dict):
            draft.put_table(name, value, source)
        else:
            draft.put(name, value, source)


def _parse_json(text: str) -> Any:
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
            raise ValueError(f"the key '{key}' stands twice in one object")
        table[key] = value
    return table


def read_lua_words(draft: Draft, words: Sequence[str]) -> None:
    """Add the words after ``--``. An option given replaces all of it, a table whole.

    Raises:
        LuaExit: words at which the original would stop, with its code and message.
        TableSyntaxError: a table string is none.
    """
    result = train_cmdline().parse(words)
    if result.exit_code is not None:
        raise LuaExit(
            f"Lua words: {result.stderr}; `dqn-port train -- -help` lists the options",
            lua_exit_code=result.exit_code,
            help_text=result.stdout,
        )
    for name in result.given:
        value = result.values[name]
        if name in TABLES:
            table = _lua_table(draft, name, str(value), _LUA_WORDS)
            draft.put_table(name, table, _LUA_WORDS, lenient=True)
        else:
            draft.put(name, value, _LUA_WORDS, lenient=True)


def read_set(draft: Draft, assignments: Iterable[str]) -> None:
    """Add ``--set`` assignments: ``key=value``, the value as JSON or else as a string.

    Raises:
        ArgsError: there is no ``=``, or a key of what is no table.
    """
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise ArgsError(
                f"--set {assignment}: expected key=value, such as agent_params.lr=0.001"
            )
        try:
            value = _parse_json(text)
        except ValueError:
            value = text
        param = _BY_NAME.get(path)
        if param is not None and param.kind == "string" and not isinstance(value, str):
            value = text
        if path in TABLES:
            if isinstance(value, str):
                value = _lua_table(draft, path, value, "--set")
            if not isinstance(value, dict):
                raise ArgsError(
                    f"--set {assignment}: expected an object or a Lua table, got {_kind_of(value)}"
                )
            draft.put_table(path, value, "--set")
        else:
            draft.put(path, value, "--set")


_BY_NAME: Final = {option.name: option for option in OPTIONS}


def finish(draft: Draft, declared: Mapping[str, Sequence[Param]]) -> Options:
    """Check every value against its declaration, fill in the defaults, and return the options.

    ``declared`` are the keys of every table option (assemble.declared_params).

    Raises:
        ArgsError: an unknown key that is not from Lua words, a wrong type, a number out of range.
    """
    known = _BY_NAME | {f"{t}.{p.name}": p for t, params in declared.items() for p in params}
    ignored: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for path, value in draft.values.items():
        source = draft.sources[path]
        param = known.get(path)
        if path in KNOWN_AND_IGNORED or (param is None and path in draft.lenient):
            if path not in KNOWN_AND_IGNORED and source == _LUA_WORDS:
                draft.warnings.append(
                    f"{source}: {path}: no such key{_near_key(path, known)}; ignored, as in Lua"
                )
            ignored[path] = value
        elif param is None:
            raise ArgsError(
                f"{source}: {path}: no such key{_near_key(path, known)}; "
                "`dqn-port args show` lists all"
            )
        elif path not in TABLES and value is not None:
            values[path] = checked(param, value, f"{source}: {path}")
        elif path in TABLES and not isinstance(value, dict) and value is not None:
            raise ArgsError(
                f"{source}: {path}: expected an object or a Lua string, got {_kind_of(value)}"
            )

    def of(table: str) -> dict[str, Any]:
        params = declared.get(table, ())
        full = {p.name: values.get(f"{table}.{p.name}", p.default) for p in params}
        for p in params:
            if p.default_from and full[p.name] is None:
                full[p.name] = full[p.default_from]
        return {name: value for name, value in full.items() if value is not None}

    top: dict[str, Any] = {
        o.name: values.get(o.name, o.default) for o in OPTIONS if o.kind != "table"
    }
    top["name"] = top["name"] or draft.stem or top["env"]
    tables: dict[str, Any] = {table: of(table) for table in TABLES}
    return Options(**top, **tables, ignored=ignored)


def _near_key(path: str, known: Iterable[str]) -> str:
    """Return near_match of a path: in a table, of its keys; else, first, of a table's same key."""
    table, dot, key = path.rpartition(".")
    if not dot:
        same = [p for p in known if p.endswith(f".{path}")]
        return f"; did you mean '{same[0]}'?" if same else near_match(path, known)
    return near_match(
        key, [p.removeprefix(table + dot) for p in known if p.startswith(table + dot)]
    )


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
            raise ArgsError(f"{where}: expected {expected}, got {_shown(value)}")
        if param.kind == "integer":
            if value != int(value) or abs(value) >= 2**53:
                raise ArgsError(f"{where}: expected {expected}, got {_shown(value)}")
            result = int(value)
        if (param.low is not None and value < param.low) or (
            param.high is not None and value > param.high
        ):
            between = f"at least {param.low:g}" if param.high is None else (
                f"{param.low:g} to {param.high:g}"
            )  # fmt: skip
            raise ArgsError(f"{where}: expected {between}, got {_shown(value)}")
    elif param.kind in ("boolean", "string", "table"):
        types = {"boolean": bool, "string": str, "table": (dict, list)}[param.kind]
        if not isinstance(value, types):  # type: ignore[arg-type]
            raise ArgsError(f"{where}: expected {expected}, got {_shown(value)}")
        if param.kind == "string" and not _is_text(value):
            raise ArgsError(f"{where}: expected text that UTF-8 can hold, got {value!a}")
    elif param.kind == "truth" and not _is_finite(value):
        raise ArgsError(f"{where}: expected {expected}, got {_shown(value)}")
    if param.choices and value not in param.choices:
        raise ArgsError(
            f"{where}: expected one of {', '.join(param.choices)}, got '{value}'"
            f"{near_match(str(value), param.choices)}"
        )
    return result


def _is_finite(value: Any) -> bool:
    """Tell whether ``value`` is a number, or a boolean, that a double can hold."""
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def _is_text(value: str) -> bool:
    """Tell whether ``value`` can be a file's name and stand in a file."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def _kind_of(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a string", type(None): "null"}.get(
        type(value), _shown(value)
    )


def lua_truth(value: Any) -> bool:
    """Tell whether Lua takes ``value`` as true: all but nil and false, 0 too."""
    return value is not None and value is not False


def shown_value(value: Any) -> str:
    """Return a value as Lua would write it: tables as constructors."""
    if isinstance(value, dict | list):
        return "{" + format_table(_lua_arrays(value)) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _lua_arrays(value: Any) -> Any:
    """Return a value with every list as Lua's table of 1..n."""
    if isinstance(value, list):
        return {i: _lua_arrays(entry) for i, entry in enumerate(value, start=1)}
    if isinstance(value, dict):
        return {key: _lua_arrays(entry) for key, entry in value.items()}
    return value
