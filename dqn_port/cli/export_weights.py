"""``dqn-port export-weights``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from dqn_port.cli.main import program
from dqn_port.cli.parameters import best_option, snapshot_at, trust_option
from dqn_port.errors import UsageError
from dqn_port.exports.weights import write_weights
from dqn_port.runs.playing import system_of
from dqn_port.runs.run_folder import SUFFIXES
from dqn_port.saved_networks import save_alone


@click.command("export-weights")
@trust_option
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The file to write: FILE.pt for PyTorch; FILE.t7 of a .t7, or FILE.safetensors of other "
    "systems' networks, is a small snapshot with the arguments, which evaluate, play, record and "
    "report take.",
)
@best_option
def export_weights(run: Path, output: Path, best: bool) -> None:
    """Write a network's weights: for PyTorch, as a plain state dict, or as a small snapshot.

    RUN is a run's folder, or the file of a snapshot or of a network.

    \b
    dqn-port export-weights artifacts/pong_quick --best -o pong.pt
    dqn-port export-weights artifacts/pong_quick --best -o best.t7
    """
    path = snapshot_at(run)
    system = system_of(path)
    alone = path.suffix == output.suffix == system.SUFFIX
    if output.suffix in SUFFIXES and not alone:
        raise UsageError(
            f"-o {output}: expected FILE.pt for a network in a {path.suffix}, got {output.suffix}"
        )
    exported = system.export(path, best=best)
    if alone:
        getattr(system, "save_alone", save_alone)(path, output, best=best)
    else:
        write_weights(output, exported.state)
    numbers = sum(values.size for values in exported.state.values())
    click.echo(f"the {exported.which} network of {path}: {numbers:,} parameters, {output}")
    click.echo("")
    if alone:
        click.echo(f"Try next:\n  {program()} evaluate {shlex.quote(str(output))} --episodes 5")
        return
    click.echo("from torch import load, nn")
    for line in exported.recipe:
        click.echo(line)
    click.echo(f"network.load_state_dict(load({str(output)!r}, weights_only=True))")
