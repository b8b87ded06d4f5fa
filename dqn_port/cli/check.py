"""``dqn-port check``."""

from __future__ import annotations

from pathlib import Path

import click

from dqn_port.cli.parameters import run_at, trust_option
from dqn_port.runs.run_folder import SUFFIXES
from dqn_port.tools.check import check_run


@click.command()
@trust_option
@click.argument("run", type=click.Path(path_type=Path))
def check(run: Path) -> int:
    """Validate a run's folder: checksums, histories, networks, checkpoints.

    Shows what can be used; exits with 1 if anything is damaged.

    \b
    dqn-port check artifacts/pong_quick
    """
    found = list(check_run(run_at(run).folder))
    width = max(len(finding.name) for finding in found)
    for finding in found:
        verdict = "good   " if finding.good else "DAMAGED"
        click.echo(f"{finding.name:{width}}  {verdict}  {finding.text}")
    damaged = [finding.name for finding in found if not finding.good]
    usable = [
        finding.name
        for finding in found
        if finding.good
        and (finding.name.endswith(SUFFIXES) or finding.name.startswith("checkpoint "))
    ]
    click.echo("")
    if damaged:
        click.echo(f"Damaged: {', '.join(damaged)}.")
    click.echo(f"Can be used: {', '.join(usable) or 'nothing'}.")
    return 1 if damaged else 0
