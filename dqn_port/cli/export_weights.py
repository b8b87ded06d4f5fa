"""``dqn-port export-weights``."""

from __future__ import annotations

from pathlib import Path

import click

from dqn_port.cli.parameters import best_option, snapshot_at, trust_option
from dqn_port.exports.weights import write_weights
from dqn_port.runs.playing import system_of


@click.command("export-weights")
@trust_option
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.pt",
    help="The file to write.",
)
@best_option
def export_weights(run: Path, output: Path, best: bool) -> None:
    """Write a network's weights for PyTorch, as a plain state dict.

    RUN is a run's folder, or the file of a snapshot or of a network.

    \b
    dqn-port export-weights artifacts/pong_quick --best -o pong.pt
    """
    path = snapshot_at(run)
    exported = system_of(path).export(path, best=best)
    write_weights(output, exported.state)
    numbers = sum(values.size for values in exported.state.values())
    click.echo(f"the {exported.which} network of {path}: {numbers:,} parameters, {output}")
    click.echo("")
    click.echo("from torch import load, nn")
    for line in exported.recipe:
        click.echo(line)
    click.echo(f"network.load_state_dict(load({str(output)!r}, weights_only=True))")
