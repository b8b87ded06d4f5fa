"""``dqn-port filters``."""

from __future__ import annotations

from pathlib import Path

import click

from dqn_port import registry
from dqn_port.cli.parameters import (
    args_option,
    best_option,
    epsilon_option,
    max_frames_option,
    network_file,
    network_option,
    seed_option,
    set_option,
    snapshot_argument,
    trust_option,
    warn,
)
from dqn_port.errors import RunFolderError, UsageError
from dqn_port.files import write_whole
from dqn_port.runs.playing import system_of
from dqn_port.tools.pictures import check_ending


@click.command()
@trust_option
@snapshot_argument
@network_option
@args_option
@click.option(
    "-o",
    "--out",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.html",
    help="The page to write; an existing one is replaced.",
)
@best_option
@seed_option
@epsilon_option
@max_frames_option
@set_option
def filters(
    snapshot: Path | None,
    network: Path | None,
    args_file: Path | None,
    path: Path,
    best: bool,
    seed: int,
    epsilon: float | None,
    max_frames: int | None,
    assignments: tuple[str, ...],
) -> None:
    """Show what the filters of a network's convolutions respond to, if its system supports it.

    One game is played. For each filter the page shows the state with the strongest response, and
    guided backpropagation from there to the screen.

    \b
    dqn-port filters artifacts/simple -o filters.html
    """
    check_ending(path, ".html", "--out")
    if not path.absolute().parent.is_dir():
        raise RunFolderError(f"--out {path}: its folder does not exist; make it first")
    file = network_file(snapshot, network)
    system = system_of(file, args_file)
    if not hasattr(system, "filters_page"):
        able = [n for n in registry.SYSTEMS if hasattr(registry.find_system(n), "filters_page")]
        raise UsageError(
            f"{file}: expected a network of a system that shows filters ({', '.join(able)}), got "
            f"one of {registry.name_of(system)}"
        )
    draft = system.new_draft()
    html, said = system.filters_page(
        file,
        args_file=args_file,
        best=best,
        seed=seed,
        epsilon=epsilon,
        max_frames=max_frames,
        assignments=["threads=1", *assignments],
        draft=draft,
    )
    warn(draft)
    write_whole(path, lambda target: target.write(html.encode()))
    click.echo(f"{said}: {path}")
