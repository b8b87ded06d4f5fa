"""``dqn-port report``."""

from __future__ import annotations

from pathlib import Path

import click

from dqn_port.cli.parameters import record_at, trust_option
from dqn_port.errors import RunFolderError
from dqn_port.exports.league import league
from dqn_port.runs.evaluations import with_evaluations
from dqn_port.tools.pictures import check_ending


@click.command()
@trust_option
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "-o",
    "--out",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.html",
    help="The page to write; an existing one is replaced.",
)
@click.option(
    "--evaluation",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Output of `dqn-port record`. May be repeated.  [default: every evaluation-* of the "
    "run's snapshot next to its folder]",
)
@click.option(
    "--title", default="Suite", show_default=True, help="Title of the page of several runs."
)
def report(runs: tuple[Path, ...], path: Path, folders: tuple[Path, ...], title: str) -> None:
    """Write a run's report, or that of several runs: one HTML page that needs nothing else.

    RUN may also be a single snapshot, such as one of the original: what it does not hold stays
    empty.

    \b
    dqn-port report artifacts/pong_quick -o pong_quick.html
    dqn-port report artifacts/pong_* -o league.html --title "Pong, three seeds"
    """
    # Plotting is slow to import, so it is loaded only when everything else is fine.
    check_ending(path, ".html", "--out")
    if not path.absolute().parent.is_dir():
        raise RunFolderError(f"--out {path}: its folder does not exist; make it first")
    found = [record_at(path) for path in runs]
    suite = with_evaluations(found, folders)
    from dqn_port.exports.report import suite_scores, write_report, write_suite_report

    if len(found) == 1:
        write_report(path, *suite[0])
    else:
        write_suite_report(path, suite, league(suite_scores(suite)), title=title)
    n = sum(len(evaluations) for _, evaluations in suite)
    click.echo(
        f"{len(found)} run{'' if len(found) == 1 else 's'}, "
        f"{n} evaluation{'' if n == 1 else 's'}: {path}"
    )
