"""``dqn-port history``: show and export the histories of runs."""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from pathlib import Path

import click

from dqn_port.cli.parameters import record_at, trust_option
from dqn_port.errors import UsageError
from dqn_port.exports.hdf5 import export_hdf5
from dqn_port.exports.hdf5_layout import HDF5_SUFFIXES
from dqn_port.exports.hdf5_reading import is_hdf5, read_hdf5
from dqn_port.exports.history_table import exported_lines, run_lines, shortened, write_csv
from dqn_port.records import RunRecord
from dqn_port.runs.evaluations import with_evaluations
from dqn_port.runs.found_run import names_run
from dqn_port.runs.run_folder import ARGS, FINISHED, HISTORY, SUFFIXES

_PATH = click.Path(path_type=Path)


@click.group()
def history() -> None:
    """Show the histories of runs, and export them as HDF5 or CSV."""


@history.command()
@trust_option
@click.argument("runs", nargs=-1, required=True, type=_PATH, metavar="RUN...")
@click.option(
    "-o", "--output", type=_PATH, required=True, metavar="FILE", help="The file to write."
)
@click.option("--csv", "as_csv", is_flag=True, help="As CSV: one row per evaluation in training.")
@click.option(
    "--evaluation",
    "evaluations",
    multiple=True,
    type=_PATH,
    metavar="DIR",
    help="The record of an evaluation of one of the runs; repeat for more.  "
    "[default: those in folders evaluation-* next to the run's]",
)
def export(
    runs: tuple[Path, ...], output: Path, as_csv: bool, evaluations: tuple[Path, ...]
) -> None:
    """Write the histories of runs to one file: HDF5, or CSV.

    RUN may also be a single snapshot, such as one of the original: what it does not hold stays
    empty. docs/hdf5.md describes the layout of the file.

    \b
    dqn-port history export artifacts/pong_quick -o pong_quick.h5
    """
    _check_name(output, as_csv=as_csv)
    if as_csv and evaluations:
        raise UsageError("--csv, --evaluation: expected one of them, got both; HDF5 holds episodes")
    read = [record_at(path) for path in runs]
    _check_output(read, output)
    n = sum(run.n_evaluations for run in read)
    many = f"{len(read)} run{'s' if len(read) > 1 else ''}, {n} evaluation{'s' if n != 1 else ''}"
    if as_csv:
        write_csv(output, read)
        click.echo(f"{many} in training: {output}")
        return
    exported = with_evaluations(read, evaluations)
    export_hdf5(output, exported)
    played = sum(len(record.episodes) for _, records in exported for record in records)
    click.echo(f"{many} in training, {played} episodes after it: {output}")


def _check_name(output: Path, *, as_csv: bool) -> None:
    """Refuse a name with the extension of the other format.

    Raises:
        UsageError: it is one.
    """
    ending = output.suffix.lower()
    if as_csv and ending in HDF5_SUFFIXES:
        raise UsageError(f"--csv: expected a name for CSV, got {output}; without --csv it is HDF5")
    if not as_csv and ending == ".csv":
        raise UsageError(f"-o: expected a name for HDF5, got {output}; with --csv it is CSV")


def _check_output(runs: Sequence[RunRecord], output: Path) -> None:
    """Refuse the files that a run consists of.

    Raises:
        UsageError: it is one.
    """
    target = Path(os.path.realpath(output))
    for run in runs:
        place = Path(os.path.realpath(run.folder))
        part = target.name in (ARGS, HISTORY, FINISHED) or target.suffix in SUFFIXES
        if target == place or (part and target.parent == place):
            raise UsageError(f"-o: expected a new file, got {output}, a part of the run itself")


@history.command()
@trust_option
@click.argument("path", type=_PATH, metavar="RUN|FILE")
@click.option(
    "--layout", is_flag=True, help="List the groups, datasets and attributes of FILE.h5 instead."
)
def show(path: Path, layout: bool) -> None:
    """Show the history of a run, of a snapshot alone, or of every run in an exported FILE.h5.

    Prints a row per evaluation, the best so far marked with *, and a sparkline each for reward, V
    and TD error.

    \b
    dqn-port history show artifacts/pong_quick
    dqn-port history show old_snapshot.t7
    dqn-port history show pong_quick.h5 --layout
    """
    if names_run(path) or (path.is_file() and not is_hdf5(path)):
        if layout:
            raise UsageError(f"--layout: expected an exported file, got the run {path}")
        for line in run_lines(record_at(path)):
            click.echo(line)
        return
    found = read_hdf5(path, layout=layout)
    if layout:
        for line in found.layout:
            click.echo(shortened(line))
        return
    for number, run in enumerate(found.runs):
        if number:
            click.echo("")
        for line in exported_lines(run):
            click.echo(line)
