"""Show the options in effect and where each comes from, and convert argument files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dqn_port.arguments.values import origin_of
from dqn_port.errors import DqnPortError, MemoryNeedError, RomError
from dqn_port.files import write_whole
from dqn_port.options import Converted, OptionRow, Param, ShownOptions
from dqn_port.systems.lua_dqn.drafts import Draft, warned
from dqn_port.systems.lua_dqn.old_arguments import (
    given_options,
    read_old_line,
    read_options_file,
    to_arg_table,
    to_options_table,
)
from dqn_port.systems.lua_dqn.options import (
    KNOWN_AND_IGNORED,
    OPTIONS,
    TABLES,
    Options,
    shown_value,
)
from dqn_port.systems.lua_dqn.setup import collect, declared_params, finish_draft, resolve
from dqn_port.torch7.t7 import save


def show_options(
    draft: Draft, args_file: Path | None, words: Sequence[str], assignments: Sequence[str]
) -> ShownOptions:
    """Return every option in effect, also of options that cannot be run.

    Raises:
        ArgsError, LuaExit: see setup.load_options.
    """
    with warned(draft):
        opt = collect(draft, args_file, words, assignments)
    declared = declared_params(draft.values)
    fault: DqnPortError | None = None
    try:
        opt = resolve(opt)
    except DqnPortError as error:
        fault = error if args_file is not None or words or assignments else None
    notes = [
        f"{path} = {shown_value(value)} is ignored, as in Lua"
        for path, value in opt.ignored.items()
    ]
    return ShownOptions(list(_rows(opt, draft, declared)), notes + draft.notes, fault)


def convert_arguments(
    old: Path | None, words: str, new: Path, *, shape: str, as_ascii: bool
) -> Converted:
    """Turn old arguments into an argument file, or back.

    ``old``: None: ``words`` of a script. ``shape``: arg | options, what a .t7 holds.

    Raises:
        ArgsError, LuaExit, T7Error: they cannot be read.
        RunFolderError: see files.write_whole.
    """
    draft = Draft(stem=new.stem)
    warnings = []
    with warned(draft):
        if old is None:
            read_old_line(draft, words, "--words")
        else:
            read_options_file(draft, old)
        opt = finish_draft(draft)
        try:
            resolve(opt)
        except (RomError, MemoryNeedError) as error:
            warnings.append(f"on this machine it cannot be run yet: {error}")
    given = given_options(draft, opt)
    left_out = [text.partition(": ")[2] for text in draft.notes + draft.warnings]
    left_out += [
        f"{path} = {shown_value(value)} did nothing in the original"
        for path, value in opt.ignored.items()
        if path in KNOWN_AND_IGNORED
    ]
    if new.suffix == ".json":
        origin = "words" if old is None else old.name
        notes = " ".join([f"Converted from {origin}.", *(f"{text}." for text in left_out)])
        text = json.dumps({"notes": notes} | given, indent=2, ensure_ascii=False) + "\n"
        content = text.encode("utf-8", "backslashreplace")
        write_whole(new, lambda file: file.write(content))
    else:
        save(new, to_arg_table(given) if shape == "arg" else to_options_table(opt), ascii=as_ascii)
    return Converted(warnings, left_out, len(given))


def _rows(
    opt: Options, draft: Draft, declared: Mapping[str, tuple[Param, ...]]
) -> Iterator[OptionRow]:
    for option in OPTIONS:
        if option.name in TABLES:
            table = getattr(opt, option.name)
            for param in declared[option.name]:
                yield _row(param, f"{option.name}.{param.name}", table.get(param.name), draft)
        else:
            yield _row(option, option.name, getattr(opt, option.name), draft)


def _row(param: Param, path: str, value: Any, draft: Draft) -> OptionRow:
    return OptionRow(
        path,
        value,
        "nil" if value is None else shown_value(value) or "''",
        origin_of(param, draft.sources[path] if draft.values.get(path) is not None else ""),
        param.unit,
        param.meaning,
    )
