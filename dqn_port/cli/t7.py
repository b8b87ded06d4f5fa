"""``dqn-port t7``: look into Torch7 files, convert and compare them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dqn_port.errors import T7Error
from dqn_port.files import reading, write_whole
from dqn_port.torch7 import difference, paths, tree
from dqn_port.torch7.node_reader import from_json
from dqn_port.torch7.nodes import json_pieces
from dqn_port.torch7.t7 import load, save
from dqn_port.torch7.values import LuaTable

_MOST_SHOWN = 100

_FILE = click.Path(path_type=Path)


def _layout_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for files whose layout cannot be detected."""
    long_size = click.option(
        "--long-size",
        type=click.Choice(["4", "8"]),
        help="Bytes of a long, if detection fails: 4 on Windows and 32 bits.",
    )
    byte_order = click.option(
        "--byte-order",
        type=click.Choice(["little", "big"]),
        help="Byte order, if detection fails.",
    )
    return long_size(byte_order(command))


def _read(path: Path, long_size: str | None, byte_order: Any) -> list[Any]:
    """Return all objects of a Torch7 file, or of the JSON of one.

    Raises:
        T7Error: it is neither.
    """
    if _is_json(path):
        with reading(path, T7Error):
            text = path.read_bytes()
        values: list[Any] = from_json(text, all_objects=True, name=str(path))
        return values
    found: list[Any] = load(
        path,
        all_objects=True,
        long_size=int(long_size) if long_size else None,
        byte_order=byte_order,
    )
    return found


def _is_json(path: Path) -> bool:
    """Return whether a file is JSON: no Torch7 file begins with a bracket or a blank."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(1) in (b"{", b"[", b" ", b"\n", b"\t", b"\r")
    except OSError:
        return False


def _one_or_list(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else LuaTable.from_list(values)


@click.group()
def t7() -> None:
    """Look into Torch7 files, convert and compare them; nothing in them is run."""


@t7.command()
@click.argument("file", type=_FILE)
@click.argument("path", required=False, default="")
@click.option(
    "--depth", type=click.IntRange(min=0), metavar="N", help="Levels to show.  [default: all]"
)
@click.option("--json", "as_json", is_flag=True, help="As JSON without loss, values and all.")
@_layout_options
def show(
    file: Path,
    path: str,
    depth: int | None,
    as_json: bool,
    long_size: str | None,
    byte_order: str | None,
) -> None:
    """Show what FILE holds, or its value at PATH, as a tree with types, shapes and statistics.

    For a file with several objects, PATH begins with the number of one: [2].

    \b
    dqn-port t7 show old_snapshot.t7 --depth 2
    dqn-port t7 show old_snapshot.t7 agent.network.modules[2].weight
    """
    values = _read(file, long_size, byte_order)
    if path:
        try:
            values = [paths.select(_one_or_list(values), path)]
        except T7Error as error:
            raise T7Error(f"{file}: {error}") from error
    if as_json:
        several = len(values) != 1
        for piece in json_pieces(values if several else values[0], all_objects=several):
            sys.stdout.write(piece)
        click.echo("")
        return
    for number, value in enumerate(values, start=1):
        if len(values) != 1:
            click.echo(f"object {number} of {len(values)}:")
        for line in tree.lines(value, depth=depth):
            click.echo(line)


@t7.command()
@click.argument("source", type=_FILE, metavar="IN")
@click.argument("target", type=_FILE, metavar="OUT")
@click.option(
    "--to",
    type=click.Choice(["binary", "ascii", "json"]),
    help="Format of OUT.  [default: json for a name in .json, ascii for .ascii.t7, else binary]",
)
@_layout_options
def convert(
    source: Path, target: Path, to: str | None, long_size: str | None, byte_order: str | None
) -> None:
    """Convert IN to another format, OUT: binary, ASCII or JSON.

    \b
    dqn-port t7 convert old_snapshot.t7 ascii.t7
    dqn-port t7 convert old_snapshot.t7 old_snapshot.json
    """
    if to is None:
        name = target.name
        to = "json" if name.endswith(".json") else "binary"
        to = "ascii" if name.endswith(".ascii.t7") else to
    values = _read(source, long_size, byte_order)
    several = len(values) != 1
    value = values if several else values[0]
    if to == "json":
        pieces = json_pieces(value, all_objects=several)
        write_whole(target, lambda file: file.writelines(piece.encode() for piece in pieces))
    else:
        save(target, value, ascii=to == "ascii", all_objects=several)
    click.echo(f"{source} as {to}: {target}")


@t7.command()
@click.argument("left", type=_FILE, metavar="A")
@click.argument("right", type=_FILE, metavar="B")
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=_MOST_SHOWN,
    show_default=True,
    help="Number of differences to show.",
)
@_layout_options
def diff(left: Path, right: Path, most: int, long_size: str | None, byte_order: str | None) -> int:
    """Show the differences between two files, ignoring their format and the order of tables.

    Exits with 1 if anything differs.

    \b
    dqn-port t7 diff mine.t7 yours.t7
    """
    read = [_one_or_list(_read(path, long_size, byte_order)) for path in (left, right)]
    found = 0
    for found, line in enumerate(difference.differences(*read), start=1):
        if found <= most:
            click.echo(str(line))
    if found > most:
        click.echo(f"and {found - most:,} more")
    if not found:
        click.echo("the same")
    return 1 if found else 0
