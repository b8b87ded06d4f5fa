"""``dqn-port record``."""

from __future__ import annotations

from pathlib import Path

import click

from dqn_port.arguments.number_lists import are_seeds, read_numbers
from dqn_port.cli.parameters import (
    epsilon_option,
    max_frames_option,
    set_option,
    snapshot_at,
    trust_option,
)
from dqn_port.errors import UsageError
from dqn_port.runs.evaluations import NETWORKS, PlayedEpisode, mean_and_std
from dqn_port.tools.record import EPISODES, record_evaluation


@click.command()
@trust_option
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN|SNAPSHOT")
@click.option(
    "-o",
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    help="Folder of the record, which is created. `dqn-port report` finds it if it is called "
    "evaluation-… and is next to the run's folder.",
)
@click.option(
    "--network",
    type=click.Choice([*NETWORKS, "both"]),
    default="both",
    show_default=True,
    help="Networks to play: the last one, the one of the best evaluation, or both.",
)
@click.option(
    "--episodes",
    type=click.IntRange(min=1),
    default=EPISODES,
    show_default=True,
    help="Episodes of each network with each seed.",
)
@click.option(
    "--seeds",
    default="1",
    show_default=True,
    metavar="N,N,…|N-N",
    help="Seeds of the random numbers.",
)
@epsilon_option
@max_frames_option
@click.option(
    "--clip/--no-clip",
    default=True,
    help="Whether the clip and what the agent sees are recorded.  [default: clip]",
)
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads."
)
@click.option("--overwrite", is_flag=True, help="Replace the record in the folder.")
@set_option
def record(
    run: Path,
    folder: Path,
    network: str,
    episodes: int,
    seeds: str,
    epsilon: float | None,
    max_frames: int | None,
    clip: bool,
    threads: int,
    overwrite: bool,
    assignments: tuple[str, ...],
) -> None:
    """Evaluate a run's networks, and keep a record: scores, a clip, what the agent sees.

    \b
    dqn-port record artifacts/pong_quick -o artifacts/evaluation-pong_quick --seeds 1-3
    """
    snapshot = snapshot_at(run)
    n_played = 0

    def tell(episode: PlayedEpisode) -> None:
        nonlocal n_played
        if not n_played:
            click.echo("network   seed  episode      score    steps    frames")
        number = n_played % episodes + 1
        n_played += 1
        note = f"  cut at {episode.frames:,} frames" if episode.cut else ""
        click.echo(
            f"{episode.network:7} {episode.seed:6d} {number:8d} {episode.reward:10g} "
            f"{episode.steps:8,d} {episode.frames:9,d}{note}"
        )

    made = record_evaluation(
        snapshot,
        folder,
        networks=NETWORKS if network == "both" else (network,),
        episodes=episodes,
        seeds=_seeds(seeds),
        epsilon=epsilon,
        max_frames=max_frames,
        clip=clip,
        threads=threads,
        assignments=assignments,
        replace=overwrite,
        tell=tell,
    )
    click.echo("")
    for name in NETWORKS:
        rewards = [episode.reward for episode in made.of(name)]
        if rewards:
            mean, std = mean_and_std(rewards)
            spread = f" ± {std:.2f} (standard deviation)" if len(rewards) > 1 else ""
            many = f"{len(rewards)} episode{'s' if len(rewards) > 1 else ''}"
            click.echo(f"{name}: mean {mean:.2f}{spread}, max {max(rewards):g}, {many}")
    if network == "both" and not made.of("best"):
        click.echo("No best network was kept in training.")
    if made.clip is not None:
        extent = "a whole episode" if made.clip.whole else "the beginning of an episode"
        click.echo(f"clip: {made.clip.seconds:.0f} s, {extent}")
    click.echo(f"{folder}")


def _seeds(text: str) -> tuple[int, ...]:
    """Return the numbers of ``--seeds``.

    Raises:
        UsageError: it is not a list of different whole numbers.
    """
    try:
        seeds = read_numbers(text)
    except ValueError:
        seeds = ()
    if not are_seeds(seeds):
        raise UsageError(
            "--seeds: expected different whole numbers below 2^32, such as 1,2,3 or 1-3, got "
            f"'{text}'"
        )
    return seeds
