"""``dqn-port args``: look at argument files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from dqn_port.assemble import declared_params, finish_draft, resolve
from dqn_port.cli.parameters import lua_words_argument, set_option
from dqn_port.drafts import Draft, read_args_file, read_lua_words, read_set
from dqn_port.errors import DqnPortError
from dqn_port.interfaces import Param
from dqn_port.options import OPTIONS, TABLES, Options, shown_value


@click.group()
def args() -> None:
    """Look at argument files."""


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
    if file is not None:
        read_args_file(draft, file)
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
    for warning in draft.warnings:
        click.echo(f"dqn-port: {warning}", err=True)
    if fault is not None:
        raise fault


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
