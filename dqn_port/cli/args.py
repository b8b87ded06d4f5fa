"""``dqn-port args``: look at argument files, convert old ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from dqn_port.cli.parameters import lua_words_argument, set_option, warn
from dqn_port.errors import DqnPortError, MemoryNeedError, RomError, UsageError
from dqn_port.files import write_whole
from dqn_port.interfaces import Param
from dqn_port.systems.lua_dqn.drafts import Draft, read_lua_words, read_set, warned
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
from dqn_port.systems.lua_dqn.setup import declared_params, finish_draft, resolve
from dqn_port.torch7.t7 import save


@click.group()
def args() -> None:
    """Look at argument files, and convert old ones."""


@args.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@set_option
@click.option("--json", "as_json", is_flag=True, help="As JSON: a list of objects.")
@lua_words_argument
def show(
    file: Path | None, assignments: tuple[str, ...], as_json: bool, lua_words: tuple[str, ...]
) -> None:
    """Show every option of FILE: value, source, unit and meaning.

    Without FILE: the defaults.

    \b
    dqn-port args show legacy_args/pong.json
    """
    if file is not None and str(file).startswith("-"):
        # Without a file, the first word after -- is taken for it.
        file, lua_words = None, (str(file), *lua_words)
    draft = Draft()
    with warned(draft):
        if file is not None:
            read_options_file(draft, file)
        read_lua_words(draft, lua_words)
        read_set(draft, assignments)
        opt = finish_draft(draft)
    declared = declared_params(draft.values)
    fault: DqnPortError | None = None
    try:
        opt = resolve(opt)
    except DqnPortError as error:
        fault = error if file is not None or lua_words or assignments else None
    rows = list(_rows(opt, draft, declared))
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print_table(rows)
        for path, value in opt.ignored.items():
            click.echo(f"{path} = {shown_value(value)} is ignored, as in Lua")
        for note in draft.notes:
            click.echo(note)
    warn(draft)
    if fault is not None:
        raise fault


@args.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[OLD] NEW")
@click.option(
    "--words",
    metavar="'-env pong …'",
    help="The words of a script, instead of OLD: the line that it echoes, or what stands behind "
    "train_agent.lua.",
)
@click.option(
    "--shape",
    type=click.Choice(["arg", "options"]),
    default="arg",
    show_default=True,
    help="What a NEW.t7 holds: the arg table of a process, or the table of options.",
)
@click.option("--ascii", "as_ascii", is_flag=True, help="Write a NEW.t7 as text.")
@click.option("--overwrite", is_flag=True, help="Replace NEW where it stands.")
def convert(
    files: tuple[Path, ...], words: str | None, shape: str, as_ascii: bool, overwrite: bool
) -> None:
    """Turn old arguments into an argument file, or back.

    OLD is a .t7 with the arg table of a process, its options or a whole snapshot, or an argument
    file; NEW ends in .json or .t7. What is left out is said, and why.

    \b
    dqn-port args convert pong_arguments.t7 legacy_args/my_pong.json
    dqn-port args convert --words "$(cat echoed.txt)" legacy_args/words.json
    dqn-port args convert legacy_args/pong.json pong.t7
    """
    if len(files) != (2 if words is None else 1):
        expected = "OLD and NEW" if words is None else "NEW alone"
        raise UsageError(f"args convert: expected {expected}, got {len(files)} files")
    new = files[-1]
    if new.suffix not in (".json", ".t7"):
        raise UsageError(f"{new}: expected a name that ends in .json or .t7")
    if new.exists() and not overwrite:
        raise UsageError(f"{new}: stands there already; give another name or --overwrite")
    draft = Draft(stem=new.stem)
    origin = "words" if words is not None else files[0].name
    with warned(draft):
        if words is not None:
            read_old_line(draft, words, "--words")
        else:
            read_options_file(draft, files[0])
        opt = finish_draft(draft)
        try:
            resolve(opt)
        except (RomError, MemoryNeedError) as error:
            click.echo(f"dqn-port: on this machine it cannot be run yet: {error}", err=True)
    given = given_options(draft, opt)
    left_out = [text.partition(": ")[2] for text in draft.notes + draft.warnings]
    left_out += [
        f"{path} = {shown_value(value)} did nothing in the original"
        for path, value in opt.ignored.items()
        if path in KNOWN_AND_IGNORED
    ]
    if new.suffix == ".json":
        notes = " ".join([f"Converted from {origin}.", *(f"{text}." for text in left_out)])
        text = json.dumps({"notes": notes} | given, indent=2, ensure_ascii=False) + "\n"
        content = text.encode("utf-8", "backslashreplace")
        write_whole(new, lambda file: file.write(content))
    else:
        save(new, to_arg_table(given) if shape == "arg" else to_options_table(opt), ascii=as_ascii)
    for text in left_out:
        click.echo(text)
    click.echo(f"{len(given)} options: {new}")


def _rows(
    opt: Options, draft: Draft, declared: dict[str, tuple[Param, ...]]
) -> Iterator[dict[str, Any]]:
    for option in OPTIONS:
        if option.name in TABLES:
            table = getattr(opt, option.name)
            for param in declared[option.name]:
                yield _row(param, f"{option.name}.{param.name}", table.get(param.name), draft)
        else:
            yield _row(option, option.name, getattr(opt, option.name), draft)


def _row(param: Param, path: str, value: Any, draft: Draft) -> dict[str, Any]:
    given = draft.values.get(path) is not None
    origin = param.default_is or (f"= {param.default_from}" if param.default_from else "")
    return {
        "option": path,
        "value": value,
        "from": draft.sources[path] if given else f"default ({origin})" if origin else "default",
        "unit": param.unit,
        "meaning": param.meaning,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    cells = [
        (
            row["option"],
            "nil" if row["value"] is None else shown_value(row["value"]) or "''",
            row["from"],
            row["meaning"] + (f" [{row['unit']}]" if row["unit"] else ""),
        )
        for row in rows
    ]
    header = ("option", "value", "from", "meaning [unit]")
    widths = [max(len(line[i]) for line in [header, *cells]) for i in range(3)]
    for line in [header, *cells]:
        padded = "  ".join(cell.ljust(width) for cell, width in zip(line[:3], widths, strict=True))
        click.echo(f"{padded}  {line[3]}".rstrip())
