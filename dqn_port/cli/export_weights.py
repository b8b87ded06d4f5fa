"""``dqn-port export-weights``."""

from __future__ import annotations

from pathlib import Path

import click

from dqn_port.cli.parameters import best_option, snapshot_at
from dqn_port.exports.weights import state_dict_of, write_weights
from dqn_port.systems.lua_dqn.snapshot import load_network


@click.command("export-weights")
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
    saved = load_network(path, best=best)
    state, layers = state_dict_of(saved)
    write_weights(output, state)
    numbers = sum(tensor.numel() for tensor in state.values())
    click.echo(f"the {saved.which} network of {path}: {numbers:,} parameters, {output}")
    click.echo("")
    click.echo("from torch import load, nn")
    click.echo(f"network = nn.Sequential(nn.{', nn.'.join(layers)})")
    click.echo(f"network.load_state_dict(load({str(output)!r}, weights_only=True))")
