"""``dqn-port play``."""

from __future__ import annotations

from pathlib import Path

import click

from dqn_port.cli.parameters import network_file, network_options, warn
from dqn_port.runs.playing import episodes, system_of
from dqn_port.tools.pictures import check_ending
from dqn_port.tools.play import record_game


@click.command()
@network_options
@click.option(
    "--gif",
    type=click.Path(path_type=Path),
    metavar="FILE.gif",
    help="Write the game as an animated GIF, one picture per agent step, in real time.",
)
def play(
    snapshot: Path | None,
    network: Path | None,
    args_file: Path | None,
    gif: Path | None,
    best: bool,
    seed: int,
    epsilon: float | None,
    max_frames: int | None,
    assignments: tuple[str, ...],
) -> None:
    """Play one game with a snapshot's network, as the original's test_agent did.

    \b
    dqn-port play artifacts/pong_quick --best --gif episode.gif
    """
    if gif is not None:
        check_ending(gif, ".gif", "--gif")
    path = network_file(snapshot, network)
    system = system_of(path, args_file)
    draft = system.new_draft()
    player = system.open_player(
        path,
        args_file=args_file,
        best=best,
        seed=seed,
        epsilon=epsilon,
        max_frames=max_frames,
        # As in test_agent.lua, the game begins with newGame: the game that the environment shows is
        # first played at random to its end.
        random_start=False,
        assignments=["threads=1", *assignments],
        draft=draft,
    )
    warn(draft)
    how = f"ε {player.epsilon:g}, seed {seed}"
    click.echo(f"{player.game}: the {player.which} network of {path}, {how}")
    if best and player.which == "last":
        click.echo("No best network was kept in training, so this is the last one.")
    played = next(episodes(player)) if gif is None else record_game(player, gif)
    note = f", cut at {player.max_frames:,} frames" if played.cut else ""
    click.echo(f"score {played.reward:g}, {played.steps:,} steps, {played.frames:,} frames{note}")
    if gif is not None:
        click.echo(f"{played.steps + 1:,} pictures: {gif}")
