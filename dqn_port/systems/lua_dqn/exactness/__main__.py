"""``python -m dqn_port.systems.lua_dqn.exactness``: write the page."""

from __future__ import annotations

from pathlib import Path

import click

from dqn_port.errors import DqnPortError
from dqn_port.systems.lua_dqn.exactness.page import page
from dqn_port.systems.lua_dqn.exactness.plays import look_at_all
from dqn_port.systems.lua_dqn.exactness.records import read_records


@click.command()
@click.option(
    "--golden",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("tests/golden"),
    show_default=True,
    metavar="DIR",
    help="Where xitari_reset.json, xitari_reset.npz and the ale traces are.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("docs/games.md"),
    show_default=True,
    metavar="FILE.md",
    help="The page to write.",
)
def exactness(golden: Path, out: Path) -> None:
    """Play every game of xitari's and write which of them are the original's frame by frame.

    \b
    python -m dqn_port.systems.lua_dqn.exactness -o docs/games.md
    """
    try:
        records = read_records(golden)
        played = {seen.game: seen for seen in look_at_all(list(records), golden)}
        out.write_text(page(records, played), encoding="utf-8")
    except (DqnPortError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(records)} games: {out}")


if __name__ == "__main__":
    exactness()
