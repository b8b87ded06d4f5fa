"""``dqn-port args``: look at argument files, convert old ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from dqn_port import registry
from dqn_port.cli.parameters import (
    lua_words_argument,
    set_option,
    system_option,
    trust_option,
    warn,
)
from dqn_port.errors import UsageError
from dqn_port.options import OptionRow


@click.group()
def args() -> None:
    """Look at argument files, and convert old ones."""


@args.command()
@trust_option
@system_option
@click.argument("file", type=click.Path(path_type=Path), required=False)
@set_option
@click.option("--json", "as_json", is_flag=True, help="As JSON: a list of objects.")
@lua_words_argument
def show(
    system_name: str | None,
    file: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
    lua_words: tuple[str, ...],
) -> None:
    """Show every option of FILE: value, source, unit and meaning.

    Without FILE: the defaults.

    \b
    dqn-port args show legacy_args/pong.json
    """
    if (
        file is not None
        and file.suffix not in (".json", ".t7")
        and (lua_words or system_name or str(file).startswith("-"))
    ):
        # Without a file, click takes the first word after -- for it.
        file, lua_words = None, (str(file), *lua_words)
    system, assignments = registry.choose(file, assignments, system_name)
    draft = system.new_draft()
    shown = system.show(draft, file, lua_words, assignments)
    if as_json:
        rows = [
            {
                "option": row.option,
                "value": row.value,
                "from": row.origin,
                "unit": row.unit,
                "meaning": row.meaning,
            }
            for row in shown.rows
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print_table(shown.rows)
        for note in shown.notes:
            click.echo(note)
    warn(draft)
    if shown.fault is not None:
        raise shown.fault


@args.command()
@system_option
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[OLD] NEW")
@click.option(
    "--words",
    metavar="'-env pong …'",
    help="The words of a script, instead of OLD: the line that it echoes, or what follows "
    "train_agent.lua, main.py in simple_dqn, or reinforcement_learning.py in hvass16.",
)
@click.option(
    "--shape",
    type=click.Choice(["arg", "options"]),
    default="arg",
    show_default=True,
    help="What a NEW.t7 of lua_dqn holds: the arg table of a process, or the table of options.",
)
@click.option("--ascii", "as_ascii", is_flag=True, help="Write a NEW.t7 as text.")
@click.option("--overwrite", is_flag=True, help="Replace NEW if it exists.")
def convert(
    system_name: str | None,
    files: tuple[Path, ...],
    words: str | None,
    shape: str,
    as_ascii: bool,
    overwrite: bool,
) -> None:
    """Turn old arguments into an argument file, or back.

    OLD is a .t7 with the arg table of a process, its options or a whole snapshot, or an argument
    file; NEW ends in .json or .t7. The command says what is left out, and why.

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
        raise UsageError(f"{new}: already exists; give another name or --overwrite")
    old = files[0] if words is None else None
    system, _ = registry.choose(old, (), system_name)
    converted = system.convert(old, words or "", new, shape=shape, as_ascii=as_ascii)
    for warning in converted.warnings:
        click.echo(f"dqn-port: {warning}", err=True)
    for text in converted.left_out:
        click.echo(text)
    click.echo(f"{converted.n_options} options: {new}")


def _print_table(rows: Sequence[OptionRow]) -> None:
    cells = [
        (row.option, row.shown, row.origin, row.meaning + (f" [{row.unit}]" if row.unit else ""))
        for row in rows
    ]
    header = ("option", "value", "from", "meaning [unit]")
    widths = [max(len(line[i]) for line in [header, *cells]) for i in range(3)]
    for line in [header, *cells]:
        padded = "  ".join(cell.ljust(width) for cell, width in zip(line[:3], widths, strict=True))
        click.echo(f"{padded}  {line[3]}".rstrip())
