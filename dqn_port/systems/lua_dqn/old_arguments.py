"""Read and write arguments as the original kept them in .t7 files.

They have three shapes: the process' ``arg`` table of words, the options that train_agent made of it
(before or after its table strings became tables), and the field ``arguments`` of a snapshot.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from dqn_port.errors import ArgsError
from dqn_port.systems.lua_dqn.drafts import Draft, read_args_file, read_args_table, read_lua_words
from dqn_port.systems.lua_dqn.options import OPTIONS, TABLES, Options, shown_value
from dqn_port.torch7.option_values import OptionValues
from dqn_port.torch7.other_formats import HEAD, other_format
from dqn_port.torch7.t7 import load
from dqn_port.torch7.values import LuaTable

ARGUMENTS: Final = "arguments"
"""The field of a snapshot that holds them."""
_SCRIPT: Final = "train_agent.lua"
_USUAL_NETWORK: Final = "convnet_atari3"
_VARIABLE: Final = re.compile(r"\$(?:\w+|\{[^}]*\}?|\()")
_BLANKS: Final = re.compile(r"(?:\s|\\\r?\n)*")
_WORD: Final = re.compile(
    r"""(?:"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'|\\(?:.|\Z)|[^\s"'\\])+"""
)
"""A word of a line: runs in quotes, escaped characters, and other characters but blanks."""
_ESCAPED_QUOTE: Final = re.compile(r"\\([\"'])")

_SHAPES: Final = (
    "expected the arguments of a training: a process' arg table, its options, or a snapshot"
)


def read_options_file(draft: Draft, path: Path) -> None:
    """Add an argument file: JSON, or a .t7 of the original's, recognised by its content.

    Raises:
        ArgsError: it is neither; see drafts.read_args_file, read_old_arguments.
        LuaExit: the original would stop at the words of an arg table.
        T7Error: the .t7 is damaged.
    """
    head = _head(path)
    if not _is_t7(head):
        other = other_format(head) if head else None
        if other is not None and not other.is_text:
            raise ArgsError(
                f"{path}: expected JSON or a Torch7 file, got {other.name}; {other.advice}"
            )
        read_args_file(draft, path)
        return
    draft.stem = path.stem
    read_old_arguments(draft, load(path), str(path))


def _head(path: Path) -> bytes:
    """Return a file's first bytes; none if it cannot be read, which raises an error later."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""


def _is_t7(head: bytes) -> bool:
    """Distinguish a .t7 from JSON by its first bytes: a tag of 0 to 8, as an int or in ASCII."""
    return sorted(head[:4])[:3] == [0, 0, 0] or (head[:1] in b"012345678" and head[1:2] == b"\n")


def read_old_arguments(draft: Draft, value: Any, source: str, *, keep_paths: bool = False) -> None:
    """Add arguments of any of the three shapes; ``draft.warnings`` lists what is left out.

    ``keep_paths``: keep paths that exist here, as for a snapshot of this program.

    Raises:
        ArgsError: the value has none of the shapes, or a table string is none.
        LuaExit: the original would stop at the words of an arg table.
    """
    if not isinstance(value, LuaTable):
        raise ArgsError(f"{source}: {_SHAPES}, got {value!r}")
    nested = value.get(ARGUMENTS)
    if nested is not None:
        source, value = f"{source}: {ARGUMENTS}", nested
        if not isinstance(value, LuaTable):
            raise ArgsError(f"{source}: expected a table, got {value!r}")
    draft.files.add(source)
    draft.old.add(source)
    keys = list(value)
    if keys and all(isinstance(key, int) and not isinstance(key, bool) for key in keys):
        read_lua_words(draft, _words(value, source), source, old=True)
    elif any(isinstance(key, str) for key in keys):
        read_args_table(draft, _plain_table(draft, value, source), source, lenient=True)
    else:
        raise ArgsError(f"{source}: {_SHAPES}, got {value!r}")
    _leave_out_paths(draft, source, keep=keep_paths)


def read_old_line(draft: Draft, line: str, source: str) -> None:
    """Add the words of a script of the original's, without the paths of its machine.

    Raises:
        ArgsError: see split_line.
        LuaExit, TableSyntaxError: see drafts.read_lua_words.
    """
    draft.files.add(source)
    draft.old.add(source)
    read_lua_words(draft, split_line(line, source), source, old=True)
    _leave_out_paths(draft, source, keep=False)


def split_line(line: str, source: str) -> list[str]:
    r"""Return the words of a line that a script echoed, or that was typed.

    A shell keeps the quotes in what it echoes, as in ``network="x"``, and the original read them.
    So a quote within a word stays, ``\"`` is a quote, and only quotes around a whole word are
    removed. Blanks in quotes are part of the word.

    Raises:
        ArgsError: a quote is not closed, or the line has a shell variable.
    """
    variable = _VARIABLE.search(line)
    if variable is not None:
        raise ArgsError(
            f"{source}: expected words as a script passes them, got the shell's {variable[0]}; "
            "put `echo` before the script's last command, run it, and paste what it prints"
        )
    words, at = [], 0
    while (at := _BLANKS.match(line, at).end()) < len(line):  # type: ignore[union-attr]
        match = _WORD.match(line, at)
        end = at if match is None else match.end()
        if line[end : end + 1] in ("'", '"'):
            raise ArgsError(
                f"{source}: character {end + 1}: expected a second {line[end]} to close this "
                "one, got the end of the line"
            )
        word, at = line[at:end], end
        if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" and word[-2] != "\\":
            word = word[1:-1]
        words.append(_ESCAPED_QUOTE.sub(r"\1", word))
    return words


def _words(table: LuaTable, source: str) -> list[str]:
    """Return the words at 1..n; Lua ignores the entries at 0 and below."""
    last = max(table)
    if last > len(table):
        raise ArgsError(f"{source}: expected words at 1 to {last}, got {len(table)} in all")
    words = []
    for i in range(1, last + 1):
        word = table.get(i)
        if not isinstance(word, str):
            raise ArgsError(f"{source}: [{i}]: expected a string, got {word!r}")
        words.append(word)
    return words


def _plain_table(draft: Draft, table: LuaTable, source: str) -> dict[str, Any]:
    """Return a table of options as JSON holds it; other values are left out, with a warning."""
    plain: dict[str, Any] = {}
    values = OptionValues()
    for key, value in table.items():
        if not isinstance(key, str):
            draft.left_out.append(f"{source}: [{key}] is not an option; left out")
        elif key in TABLES and isinstance(value, LuaTable):
            plain[key] = {}
            for inner, entry in value.items():
                _put_plain(draft, plain[key], inner, entry, values, f"{source}: {key}.{inner}")
        else:
            _put_plain(draft, plain, key, value, values, f"{source}: {key}")
    return plain


def _put_plain(
    draft: Draft, to: dict[Any, Any], key: Any, value: Any, values: OptionValues, where: str
) -> None:
    try:
        to[key] = values.plain(value)
    except ValueError as error:
        draft.left_out.append(f"{where}: {error}; left out")


def _leave_out_paths(draft: Draft, source: str, *, keep: bool) -> None:
    """Remove the paths of the machine on which the arguments were made."""
    given = {path: draft.values.get(path) for path in ("game_path", "network")}
    folder, network = given["game_path"], given["network"]
    if isinstance(folder, str) and folder and not (keep and _exists(folder)):
        draft.put("game_path", "", source)
        draft.left_out.append(
            f"{source}: game_path: {folder!r} is a folder of the machine it was made on; left "
            "out, so that the ROMs of ale-py are used"
        )
    if isinstance(network, str) and _is_path(network) and not _exists(network):
        draft.put("network", "", source)
        draft.left_out.append(
            f"{source}: network: {network!r} is not here; left out, so that training begins with "
            "a new network; name the file with --network"
        )
    inner = draft.values.get("agent_params.network")
    if isinstance(inner, str) and _is_path(inner) and not _exists(inner):
        draft.put("agent_params.network", _USUAL_NETWORK, source)
        draft.left_out.append(
            f"{source}: agent_params.network: {inner!r} is not here; {_USUAL_NETWORK} is taken"
        )


def _is_path(name: str) -> bool:
    return "/" in name or "\\" in name or name.endswith(".t7")


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def given_options(draft: Draft, opt: Options) -> dict[str, Any]:
    """Return the checked options that a draft gave, in their order: an argument file's object."""
    table: dict[str, Any] = {}
    for option in OPTIONS:
        name = option.name
        if name in TABLES:
            inner = getattr(opt, name)
            paths = [path for path in draft.values if path.startswith(f"{name}.")]
            keys = [path.removeprefix(f"{name}.") for path in paths]
            values = {key: _as_list(inner[key]) for key in keys if key in inner}
            if values:
                table[name] = values
        elif name == "name" or draft.values.get(name) not in (None, ""):
            table[name] = getattr(opt, name)
    return table


def _as_list(value: Any) -> Any:
    """Return a Lua array, a dict of 1..n, as a list."""
    if isinstance(value, dict) and value and set(value) == set(range(1, len(value) + 1)):
        return [_as_list(value[i]) for i in range(1, len(value) + 1)]
    return value


def to_options_table(opt: Options) -> LuaTable:
    """Return the options as train_agent's own table of them, which a snapshot's arguments are."""
    table = opt.to_json()
    # Keys that nothing reads go back to their places, as Lua keeps them.
    for path, value in table.pop("ignored", {}).items():
        name, dot, key = path.partition(".")
        (table[name] if dot else table)[key or name] = value
    table["agent_params"] |= {"gpu": opt.gpu, "verbose": opt.verbose}
    return LuaTable((table | {"tensorType": "torch.FloatTensor"}).items())


def to_arg_table(given: dict[str, Any]) -> LuaTable:
    """Return given options as the arg table of a process: words, and the script at 0."""
    words: list[str] = []
    for name, value in given.items():
        if isinstance(value, bool):
            words += [f"-{name}"] if value else []
        elif isinstance(value, dict):
            words += [f"-{name}", shown_value(value).removeprefix("{").removesuffix("}")]
        else:
            words += [f"-{name}", shown_value(value)]
    table = LuaTable.from_list(words)
    table[0] = _SCRIPT
    return table
