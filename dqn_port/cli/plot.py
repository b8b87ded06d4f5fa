"""``dqn-port plot``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from dqn_port.cli.parameters import record_at, trust_option
from dqn_port.errors import ArgsError, UsageError
from dqn_port.runs.table_alone import read_table_alone


@click.command()
@trust_option
@click.argument(
    "runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN|FILE.csv..."
)
@click.option(
    "-o",
    "--out",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.png|svg|pdf",
    help="The picture to write; its extension selects the format.",
)
@click.option(
    "--fields",
    metavar="A,B,...",
    help="Columns of the runs' tables, a panel each; updates.reward is a column of "
    "history-updates.csv, score the mean raw return in any system.  [default: the system's own "
    "plots; score for several systems]",
)
@click.option(
    "--x", default="", metavar="COLUMN", help="Column of the x axis.  [default: the clock]"
)
@click.option(
    "--band",
    is_flag=True,
    help="Draw runs that differ only in their seed as their mean and a band.",
)
@click.option("--raw", is_flag=True, help="Do not smooth what the system's own plots smooth.")
@click.option("--title", help="Title above the panels.  [default: the run's name, or the game]")
@click.option(
    "--size", metavar="WxH", help="Size in inches, such as 16x9.  [default: by the panels]"
)
@click.option(
    "--dpi",
    type=click.IntRange(10, 1200),
    default=100,
    show_default=True,
    help="Pixels per inch of a PNG.",
)
def plot(
    runs: tuple[Path, ...],
    path: Path,
    fields: str | None,
    x: str,
    band: bool,
    raw: bool,
    title: str | None,
    size: str | None,
    dpi: int,
) -> None:
    """Draw columns of runs' tables, with several runs overlaid: PNG, SVG or PDF.

    FILE.csv is a single table, a copy of history.csv or one written by the original simple_dqn. A
    line of more than 2,000 rows is thinned; its peaks are kept.

    \b
    dqn-port plot artifacts/pong_quick -o pong_quick.png
    dqn-port plot artifacts/pong_quick -o speed.svg --fields training_rate,testing_rate --x frames
    """
    # matplotlib is slow to import, so it is loaded only when everything else is fine.
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ArgsError(f"--out: expected a name that ends in .png, .svg or .pdf, got '{path}'")
    inches = None if size is None else _inches(size)
    read = [read_table_alone(run) if run.suffix == ".csv" else record_at(run) for run in runs]
    from dqn_port.exports.plots import each_alone, panels_of, seeds_together, write_plot

    seeds = seeds_together(read) if band else each_alone(read)
    names = () if fields is None else tuple(name.strip() for name in fields.split(","))
    panels = panels_of(seeds, fields=names, x=x, raw=raw)
    games = {run.game for run in read}
    game = games.pop() if len(games) == 1 else ""
    usual = " · ".join(word for word in (read[0].name if len(read) == 1 else "", game) if word)
    write_plot(path, panels, title=usual if title is None else title, size=inches, dpi=dpi)
    click.echo(
        f"{len(read)} run{'' if len(read) == 1 else 's'}, "
        f"{len(panels)} panel{'' if len(panels) == 1 else 's'}: {path}"
    )


def _inches(size: str) -> tuple[float, float]:
    """Return the width and height that ``--size`` says.

    Raises:
        UsageError: it cannot be read, or is less than 1 or more than 100 inches.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", size)
    if found is None or not all(1 <= float(side) <= 100 for side in found.groups()):
        raise UsageError(f"--size: expected inches from 1 to 100 such as 16x9, got '{size}'")
    return float(found[1]), float(found[2])
