"""``dqn-port evaluate``."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import click

from dqn_port.cli.parameters import network_file, network_options, warn
from dqn_port.errors import RunFolderError, UsageError
from dqn_port.exports.nature_scores import MAX_FRAMES, nature_scores
from dqn_port.files import write_whole
from dqn_port.games.ale.roms import game_of
from dqn_port.interfaces import Step
from dqn_port.runs.evaluations import mean_and_std
from dqn_port.runs.playing import episodes as played_episodes
from dqn_port.runs.playing import system_of

_DEFAULT_EPISODES = 10
_HOMEWORK_EPSILON = 0.05
"""Of the whole games beside the homework's score: greedy ones would often be the same game."""


@click.command()
@network_options
@click.option(
    "--episodes",
    type=click.IntRange(min=1),
    help=f"Number of episodes.  [default: {_DEFAULT_EPISODES}]",
)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Play N agent steps instead, as in training."
)
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads."
)
@click.option(
    "--homework",
    is_flag=True,
    help="Also print the score by which Practical_RL's homework is passed; the episodes beside it "
    f"have ε {_HOMEWORK_EPSILON} by default (practical_rl).",
)
@click.option(
    "--verbose",
    is_flag=True,
    help="Also print what the original's test printed of states: Q-min, Q-max, lives (hvass16).",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the results to FILE.",
)
def evaluate(
    snapshot: Path | None,
    network: Path | None,
    args_file: Path | None,
    best: bool,
    episodes: int | None,
    steps: int | None,
    epsilon: float | None,
    seed: int,
    max_frames: int | None,
    threads: int,
    homework: bool,
    verbose: bool,
    json_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Play a snapshot's network without learning, and show its scores.

    \b
    dqn-port evaluate artifacts/pong_quick --best --episodes 5
    """
    if episodes is not None and steps is not None:
        raise UsageError("--episodes, --steps: expected one of them, got both")
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise RunFolderError(f"--json {json_file}: its folder does not exist; make it first")
    path = network_file(snapshot, network)
    system = system_of(path, args_file)
    draft = system.new_draft()
    if homework and epsilon is None:
        epsilon = _HOMEWORK_EPSILON
    player = system.open_player(
        path,
        args_file=args_file,
        best=best,
        seed=seed,
        epsilon=epsilon,
        max_frames=max_frames,
        # With --steps it starts with a new game, like an evaluation in training.
        random_start=steps is None,
        assignments=[f"threads={threads}", *assignments],
        draft=draft,
    )
    warn(draft)
    marked = getattr(player, "homework", None)
    if homework and marked is None:
        raise UsageError(f"--homework: expected a homework's network, got one of {system.NAME}")
    if verbose and not hasattr(player, "told"):
        raise UsageError(f"--verbose: expected a network of hvass16, got one of {system.NAME}")
    game, epsilon, max_frames = player.game, player.epsilon, player.max_frames
    click.echo(f"{game}: the {player.which} network of {path}, ε {epsilon:g}, seed {seed}")
    if best and player.which == "last":
        click.echo("No best network was kept in training, so this is the last one.")
    click.echo("")
    click.echo("episode      score    steps    frames")
    played = []
    many = (episodes or _DEFAULT_EPISODES) if steps is None else None

    def tell(_: Step) -> None:
        for event in getattr(player, "told", ()):
            for line in system.lines(event, {}):
                click.echo(line)

    playing = played_episodes(player, steps=steps, watch=tell if verbose else None)
    for episode in itertools.islice(playing, many):
        played.append(episode)
        note = f"  cut at {max_frames:,} frames" if episode.cut else ""
        click.echo(
            f"{len(played):7d} {episode.reward:10g} {episode.steps:8,d} {episode.frames:9,d}{note}"
        )
    results: dict[str, Any] = {"mean": None, "std": None, "max": None}
    scores = nature_scores().get(game_of(game))
    click.echo("")
    if played:
        rewards = [episode.reward for episode in played]
        mean, std = mean_and_std(rewards)
        results = {"mean": mean, "std": std, "max": max(rewards)}
        spread = f" ± {std:.2f} (standard deviation)" if len(played) > 1 else ""
        click.echo(
            f"mean {mean:.2f}{spread}, max {max(rewards):g}, "
            f"{len(played)} episode{'s' if len(played) > 1 else ''}"
        )
        distinct = len({episode.crc for episode in played})
        if distinct < len(played):
            click.echo(
                f"Different episodes: {distinct} of {len(played)}; the others repeat one step by "
                "step. A larger --epsilon makes them differ."
            )
    else:
        click.echo("No episode ended: play more steps.")
    if scores is not None:
        click.echo(
            f"for comparison: random {scores.random:g}, human {scores.human:g}, "
            f"DQN of the paper {scores.dqn_mean:g} ± {scores.dqn_std:g} (Mnih et al. 2015)"
        )
        if any(episode.cut for episode in played) and max_frames < MAX_FRAMES:
            click.echo("Episodes were cut before the paper's limit: the mean is not comparable.")
        elif any(episode.frames > MAX_FRAMES for episode in played):
            click.echo("Episodes are longer than the paper's limit: the mean is not comparable.")
        elif played:
            share = scores.human_normalised(mean)
            results["human_normalised"] = share
            click.echo(f"human-normalised: {share:.1%} (0% random, 100% human)")
    if homework and marked is not None:
        click.echo("")
        for line in marked():
            click.echo(line)
    if json_file is not None:
        table = {
            "snapshot": str(path),
            "network": player.which,
            "game": game,
            "epsilon": epsilon,
            "seed": seed,
            "max_frames": max_frames,
            **results,
            "episodes": [vars(e) for e in played],
            "compare": vars(scores) if scores is not None else None,
        }
        text = json.dumps(table, indent=2) + "\n"
        write_whole(json_file, lambda file: file.write(text.encode()))
