"""``dqn-port diagnose``."""

from __future__ import annotations

from pathlib import Path

import click

from dqn_port.cli.parameters import network_file, network_options, page_option, warn
from dqn_port.errors import RunFolderError
from dqn_port.runs.diagnosis import MOST_EPISODES, MOST_STEPS
from dqn_port.runs.playing import system_of
from dqn_port.runs.record import read_run
from dqn_port.runs.scores import EPSILON
from dqn_port.tools.diagnosis import EPISODES
from dqn_port.tools.diagnosis import diagnose as diagnosis_of
from dqn_port.tools.pictures import check_ending


@click.command()
@network_options
@page_option
@click.option(
    "--episodes",
    type=click.IntRange(1, MOST_EPISODES),
    default=EPISODES,
    show_default=True,
    help=f"Number of episodes, with at most {MOST_STEPS:,} agent steps in all.",
)
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads."
)
def diagnose(
    snapshot: Path | None,
    network: Path | None,
    args_file: Path | None,
    page: Path,
    best: bool,
    episodes: int,
    epsilon: float | None,
    seed: int,
    max_frames: int | None,
    threads: int,
    assignments: tuple[str, ...],
) -> None:
    """Play some games, and compare the network's values with the returns.

    The page shows values against returns, the states in which they differ most, the states in
    which the actions' values differ most and least, and the convolutions. ε is 0.05 unless chosen,
    as greedy games are often all the same.

    \b
    dqn-port diagnose artifacts/pong_quick -o values.html
    """
    # Plotting is slow to import, so it is loaded only when everything else is fine.
    check_ending(page, ".html", "--out")
    if not page.absolute().parent.is_dir():
        raise RunFolderError(f"--out {page}: its folder does not exist; make it first")
    path = network_file(snapshot, network)
    system = system_of(path, args_file)
    draft = system.new_draft()
    player = system.open_player(
        path,
        args_file=args_file,
        best=best,
        seed=seed,
        epsilon=EPSILON if epsilon is None else epsilon,
        max_frames=max_frames,
        assignments=[f"threads={threads}", *assignments],
        draft=draft,
    )
    warn(draft)
    run = read_run(path.parent) if snapshot is not None and snapshot.is_dir() else None
    diagnosis = diagnosis_of(player, seed=seed, episodes=episodes)
    from dqn_port.exports.report import write_diagnosis

    name = path.name if run is None else run.name
    write_diagnosis(page, diagnosis, game=player.game, name=name, run=run)
    n = len(diagnosis.episodes)
    click.echo(f"{n} episode{'' if n == 1 else 's'}, {diagnosis.steps:,} steps: {page}")
