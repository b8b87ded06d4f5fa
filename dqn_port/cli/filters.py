"""``dqn-port filters``."""

from __future__ import annotations

from pathlib import Path

import click

from dqn_port import registry
from dqn_port.cli.parameters import network_file, network_options, page_option, warn
from dqn_port.errors import RunFolderError, UsageError
from dqn_port.files import write_whole
from dqn_port.runs.playing import system_of
from dqn_port.tools.pictures import check_ending


@click.command()
@network_options
@page_option
def filters(
    snapshot: Path | None,
    network: Path | None,
    args_file: Path | None,
    page: Path,
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
    check_ending(page, ".html", "--out")
    if not page.absolute().parent.is_dir():
        raise RunFolderError(f"--out {page}: its folder does not exist; make it first")
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
    write_whole(page, lambda target: target.write(html.encode()))
    click.echo(f"{said}: {page}")
