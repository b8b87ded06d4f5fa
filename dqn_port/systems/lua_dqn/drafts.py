"""Options while they are collected from a file, from Lua words and from ``--set``.

Order: defaults < argument file < Lua words < --set and the flags, which callers pass as
assignments. Lua: torch.CmdLine, initenv.lua's str_to_table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dqn_port.arguments.args_file import NOTES, parse_json, read_args_json
from dqn_port.arguments.trust import is_trusted, with_trust
from dqn_port.arguments.values import checked, kind_of
from dqn_port.errors import ArgsError, DqnPortError, LuaExit, TrustError, near_match
from dqn_port.options import Param
from dqn_port.systems.lua_dqn.device_words import device_assignment
from dqn_port.systems.lua_dqn.options import KNOWN_AND_IGNORED, OPTIONS, TABLES, Options
from dqn_port.torch7.cmdline import CmdLine
from dqn_port.torch7.table_literal import parse_table

_IGNORED: Final = "ignored"
"""Key of an args.json for old arguments that nothing reads."""
_LUA_WORDS: Final = "Lua words"
_SET: Final = "--set"
_TYPED: Final = (_LUA_WORDS, _SET)
"""Sources that came through a shell."""


@dataclass
class BareName:
    """A key that is absent because its value is a bare name, which is nil in Lua."""

    text: str
    """The warning about it."""
    meant: Any
    """The value of that name in the same table; None without one."""
    harmless: bool = False
    """Whether that value is the default which the absent key takes."""


@dataclass
class Draft:
    """Options while they are collected: values by path, and where each came from."""

    values: dict[str, Any] = field(default_factory=dict)
    """Path ('seed', 'agent_params.lr') → value."""
    sources: dict[str, str] = field(default_factory=dict)
    """Path → where its value came from."""
    lenient: set[str] = field(default_factory=set)
    """Paths from Lua words, whose unknown keys are ignored as Lua does."""
    files: set[str] = field(default_factory=set)
    """Sources that are files, which may come from strangers."""
    old: set[str] = field(default_factory=set)
    """Sources that are the original's own files, whose unknown keys are ignored as Lua does."""
    bare: dict[str, BareName] = field(default_factory=dict)
    """Path → the bare name that it was given."""
    left_out: list[str] = field(default_factory=list)
    """Warnings about values that are left out or ignored."""
    stem: str = ""
    """Name of the argument file, without its ending."""

    @property
    def warnings(self) -> list[str]:
        """Warnings about what changes a number or was probably a mistake."""
        return [name.text for name in self.bare.values() if not name.harmless] + self.left_out

    @property
    def notes(self) -> list[str]:
        """Remarks on what is unusual and changes nothing."""
        return [name.text for name in self.bare.values() if name.harmless]

    def put(self, path: str, value: Any, source: str, *, lenient: bool = False) -> None:
        """Set one value; None is Lua's nil and makes the key absent."""
        self.values[path] = value
        self.sources[path] = source
        self.bare.pop(path, None)
        (self.lenient.add if lenient else self.lenient.discard)(path)

    def put_table(
        self, name: str, table: Mapping[Any, Any], source: str, *, lenient: bool = False
    ) -> None:
        """Set a whole table option: keys that it held before are gone."""
        for held in (self.values, self.bare):
            for path in [p for p in held if p.startswith(f"{name}.")]:
                del held[path]
        for key, value in table.items():
            self.put(f"{name}.{key}", value, source, lenient=lenient)


@contextmanager
def warned(draft: Draft) -> Iterator[None]:
    """Add a draft's warnings to a fault as its notes: they may name its cause."""
    try:
        yield
    except DqnPortError as error:
        for warning in draft.warnings:
            error.add_note(warning)
        raise


def train_cmdline() -> CmdLine:
    """Return the Lua program's command line: the words after ``--``."""
    cmdline = CmdLine()
    for option in OPTIONS:
        default = "" if option.kind == "table" else option.default
        cmdline.option(f"-{option.name}", default, option.meaning)
    return cmdline


def _put_lua_table(
    draft: Draft, name: str, text: str, source: str, *, lenient: bool = False
) -> None:
    """Set a whole table option by its Lua string."""
    try:
        parsed = parse_table(text)
    except ArgsError as error:
        raise type(error)(f"{source}: {name}: {error}") from error
    draft.put_table(name, parsed.values, source, lenient=lenient)
    for key, bare in parsed.nil_names:
        said = (
            f"{source}: {name}.{key}: the bare name {bare} is nil in Lua, so {key} is absent and "
            "takes its default"
        )
        meant = parsed.values.get(bare)
        if source in _TYPED and meant is not None:
            said += f"; write {key}={meant}"
        elif source in _TYPED:
            said += f"; a text needs quotes that the shell keeps: '{key}=\"{bare}\"'"
        draft.bare[f"{name}.{key}"] = BareName(said, meant)


def read_args_file(draft: Draft, path: Path) -> None:
    """Add an argument file: a JSON object of options.

    Raises:
        ArgsError: it cannot be read, is no JSON or no object, or a table option is neither an
            object nor a Lua string.
    """
    table = read_args_json(path, _refuse_script)
    draft.stem = path.stem
    read_args_table(draft, table, str(path))


def _refuse_script(path: Path, content: bytes) -> None:
    """Tell the user what to do with a shell script, or with words of a command line.

    Raises:
        ArgsError: the file is one of these.
    """
    convert = "`dqn-port args convert --words '…' NEW.json`"
    if content.startswith(b"#!") or path.suffix == ".sh" or b"train_agent" in content:
        raise ArgsError(
            f"{path}: expected JSON, got a shell script, which is not run here; put `echo` before "
            f"its last command, run it, and paste what it prints: {convert}"
        )
    if content.lstrip().startswith(b"-"):
        raise ArgsError(
            f"{path}: expected JSON, got the words of a command line; paste them: {convert}"
        )


def read_args_table(
    draft: Draft, table: Mapping[str, Any], source: str, *, lenient: bool = False
) -> None:
    """Add the object of an argument file, or the arguments of a snapshot.

    ``lenient``: unknown keys are ignored as Lua does.

    Raises:
        ArgsError: a table option's Lua string is none.
    """
    draft.files.add(source)
    for name, value in table.items():
        if name in (NOTES, "system"):
            continue
        if name == "device" and isinstance(value, str):
            _put_device(draft, value, table.get("gpu"), source)
            continue
        if name == _IGNORED and isinstance(value, dict):
            for key, ignored in value.items():
                draft.put(key, ignored, source, lenient=True)
        elif name in TABLES and isinstance(value, str):
            _put_lua_table(draft, name, value, source, lenient=lenient)
        elif name in TABLES and isinstance(value, dict):
            draft.put_table(name, value, source, lenient=lenient)
        else:
            draft.put(name, value, source, lenient=lenient)


def _put_device(draft: Draft, device: str, gpu: Any, source: str) -> None:
    """Set option gpu by the workshop's word for it.

    Raises:
        ArgsError: it is not a device, or ``gpu`` names another.
    """
    for assignment in device_assignment(device):
        value = int(assignment.partition("=")[2])
        if gpu is not None and gpu != value:
            raise ArgsError(
                f"{source}: device: expected what gpu says, {gpu}, got '{device}'; give one of them"
            )
        draft.put("gpu", value, source)


def read_lua_words(
    draft: Draft, words: Sequence[str], source: str = _LUA_WORDS, *, old: bool = False
) -> None:
    """Add the words after ``--``. An option given replaces all of it, a table whole.

    ``source``: where the words come from, if not from the command line. ``old``: they are an old
    script's, perhaps a fork's; its own options are left out, with a warning.

    Raises:
        LuaExit: the original would stop at these words; with its code and message.
        TableSyntaxError: a table string is none.
    """
    cmdline = train_cmdline()
    if old:
        words, unknown = cmdline.known(words)
        draft.left_out += [f"{source}: {' '.join(w)}: no such option; left out" for w in unknown]
    result = cmdline.parse(words)
    if result.exit_code is not None:
        mend = "`dqn-port train -- -help` lists the options"
        if result.stderr.startswith("invalid argument"):
            mend += ", `dqn-port args convert --words '…' NEW.json` leaves unknown ones out"
        raise LuaExit(
            f"{source}: {result.stderr}; {mend}",
            lua_exit_code=result.exit_code,
            help_text=result.stdout,
        )
    for name in result.given:
        value = result.values[name]
        if name in TABLES:
            _put_lua_table(draft, name, str(value), source, lenient=True)
        else:
            draft.put(name, value, source, lenient=True)


def read_set(draft: Draft, assignments: Iterable[str]) -> None:
    """Add ``--set`` assignments: ``key=value``, the value as JSON or else as a string.

    Raises:
        ArgsError: ``=`` is missing, or the value does not fit.
    """
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise ArgsError(
                f"--set {assignment}: expected key=value, such as agent_params.lr=0.001"
            )
        try:
            value = parse_json(text)
        except ValueError:
            value = text
        param = _BY_NAME.get(path)
        if param is not None and param.kind == "string" and not isinstance(value, str):
            value = text
        if path in TABLES:
            if isinstance(value, str):
                _put_lua_table(draft, path, value, _SET)
            elif isinstance(value, dict):
                draft.put_table(path, value, _SET)
            else:
                raise ArgsError(
                    f"--set {assignment}: expected an object or a Lua table, got {kind_of(value)}"
                )
        else:
            draft.put(path, value, _SET)


_BY_NAME: Final = {option.name: option for option in OPTIONS}


_PARTS: Final = (
    "framework",
    "agent",
    "network",
    "agent_params.network",
    "agent_params.preproc",
)
_MODULE_OBJECT: Final = re.compile(r"[^/\\.][^/\\]*:[^/\\]+")


def refuse_imports(draft: Draft) -> None:
    """Refuse module:object names that come from a file: importing them would run code.

    Raises:
        TrustError: the name of a part is such a name and does not come from the command line.
    """
    overridden = {"agent_params.network"} if draft.values.get("network") else set()
    for path in [path for path in _PARTS if path not in overridden]:
        value, source = draft.values.get(path), draft.sources.get(path)
        if is_trusted() or source not in draft.files:
            continue
        if isinstance(value, str) and _MODULE_OBJECT.fullmatch(value):
            raise TrustError(
                f"{source}: {path}: expected the name of a part, got '{value}', and importing it "
                f"would run code; if you trust it: {with_trust()}"
            )


def finish(draft: Draft, declared: Mapping[str, Sequence[Param]]) -> Options:
    """Check every value against its declaration, fill in the defaults, and return the options.

    ``declared`` are the keys of every table option (assemble.declared_params).

    Raises:
        ArgsError: an unknown key that is not from Lua words, a wrong type, a number out of range.
    """
    known = _BY_NAME | {f"{t}.{p.name}": p for t, params in declared.items() for p in params}
    for path, bare in draft.bare.items():
        if path in known and bare.meant is not None:
            bare.harmless = bare.meant == known[path].default
    ignored: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for path, value in draft.values.items():
        source = draft.sources[path]
        param = known.get(path)
        if path in KNOWN_AND_IGNORED or (param is None and path in draft.lenient):
            if path not in KNOWN_AND_IGNORED and source in (_LUA_WORDS, *draft.old):
                draft.left_out.append(
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
                f"{source}: {path}: expected an object or a Lua string, got {kind_of(value)}"
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
    top["name"] = top["name"] or _default_name(draft, top["env"])
    tables: dict[str, Any] = {table: of(table) for table in TABLES}
    return Options(**top, **tables, ignored=ignored)


def _default_name(draft: Draft, env: str) -> str:
    """Return the argument file's name, followed by ``env`` if given elsewhere; without file env."""
    if draft.stem and draft.sources.get("env") not in draft.files:
        return f"{draft.stem}_{env}"
    return draft.stem or env


def _near_key(path: str, known: Iterable[str]) -> str:
    """Return the near match of a path: among its table's keys, or a table's key of that name."""
    table, dot, key = path.rpartition(".")
    if not dot:
        same = [p for p in known if p.endswith(f".{path}")]
        return f"; did you mean '{same[0]}'?" if same else near_match(path, known)
    keys = [p.removeprefix(table + dot) for p in known if p.startswith(table + dot)]
    # Without such a table its name may be misspelt.
    return near_match(key, keys) if keys else near_match(path, known)
