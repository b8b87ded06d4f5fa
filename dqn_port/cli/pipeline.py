"""``dqn-port pipeline``: Luigi's tasks from a ROM to a report, with the configuration that they
need."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import luigi
from luigi.parameter import ParameterException
from luigi.rpc import RPCError

import pipelines
from dqn_port import registry
from dqn_port.arguments.trust import is_trusted
from dqn_port.bench.figures import digits
from dqn_port.cli.estimate import heading_and_lines, size
from dqn_port.cli.parameters import (
    SHORTHANDS,
    assigned,
    checkpoint_every_option,
    epsilon_option,
    max_frames_option,
    set_option,
    system_option,
    trust_option,
)
from dqn_port.errors import UsageError
from dqn_port.memory import machine_memory
from dqn_port.runs.evaluations import NETWORKS
from dqn_port.runs.run import MODES
from dqn_port.tools.estimate import PER, estimate
from dqn_port.verify.comparing import plural
from pipelines.configuration import SchedulerError, check_scheduler, configure
from pipelines.parameters import check_evaluation
from pipelines.resolved import resolved
from pipelines.standing import remove, rubbish_in, standing_of


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name a run, its evaluation, or a suite of runs."""
    for option in reversed(
        [
            click.option(
                "--args",
                "args_file",
                required=True,
                metavar="FILE",
                help="Argument file, JSON or an old .t7; its keys are the options of its system.",
            ),
            trust_option,
            system_option,
            set_option,
            *SHORTHANDS,
            click.option(
                "--out",
                default="artifacts",
                show_default=True,
                metavar="DIR",
                help="Folder of all results; this run's go to DIR/NAME/HASH.",
            ),
            click.option(
                "--device",
                default="auto",
                show_default=True,
                metavar="auto|cpu|cuda|cuda:N",
                help="Device for training. auto: as the options say, or the CPU if that device "
                "does not exist.",
            ),
            click.option(
                "--threads",
                type=click.IntRange(min=1),
                metavar="N",
                help="CPU threads of a training; sets option threads.",
            ),
            click.option(
                "--checkpoint",
                type=click.Choice(MODES),
                default="full",
                show_default=True,
                help="What a checkpoint holds: full, everything; weights, without the replay "
                "memory; none.",
            ),
            checkpoint_every_option,
            click.option(
                "--keep-checkpoint",
                is_flag=True,
                help="Keep the last checkpoint of a finished training.",
            ),
            click.option(
                "--networks",
                default=",".join(NETWORKS),
                show_default=True,
                metavar="last|best|last,best",
                help="Networks to evaluate.",
            ),
            click.option(
                "--episodes",
                type=click.IntRange(min=1),
                default=10,
                show_default=True,
                help="Episodes of an evaluation, for each network and seed.",
            ),
            epsilon_option,
            click.option(
                "--evaluation-seeds",
                default="1",
                show_default=True,
                metavar="N,N,…|N-N",
                help="Seeds of an evaluation's random numbers.",
            ),
            max_frames_option,
            click.option(
                "--clip/--no-clip", default=True, help="Film one episode for the report, or not."
            ),
            click.option(
                "--games",
                default="",
                metavar="GAME,GAME,…",
                help="A suite: these games, each with every one of --seeds.",
            ),
            click.option(
                "--seeds",
                default="",
                metavar="N,N,…|N-N",
                help="A suite: trainings with these seeds.",
            ),
        ]
    ):
        command = option(command)
    return command


def _task(
    *,
    args_file: str,
    assignments: tuple[str, ...],
    threads: int | None,
    networks: str,
    evaluation_seeds: str,
    games: str,
    seeds: str,
    system_name: str | None,
    **words: Any,
) -> pipelines.TrainEvalReport | pipelines.Suite:
    """Return the task that the options ask for; Luigi's parameters read the lists.

    Raises:
        UsageError: a list cannot be read, or something is given twice.
    """
    flags = ("game", "seed", "length", "name", "env", "steps")
    shorthands = {option: words.pop(option) for option in flags}
    system, others = registry.choose(Path(args_file), assignments, system_name)
    named = tuple(text for text in assignments if text not in others)
    if system_name and not named:
        named = (f"system={system_name}",)
    assignments = (*named, *assigned(system, others, shorthands))
    for role, many, listed in (("game", "games", games), ("seed", "seeds", seeds)):
        if not listed:
            continue
        key = system.option_of(role)
        one = [text for text in assignments if text.partition("=")[0] == key]
        if listed and one:
            raise UsageError(f"--{many} {listed}: expected no {key} with it, got {one[-1]}")
    words = {name: value for name, value in words.items() if value is not None}
    words |= {"args_file": args_file, "set": assignments, "threads": threads or 0}
    words["trust"] = is_trusted()
    words["networks"] = _parsed("networks", networks)
    words["evaluation_seeds"] = _parsed("evaluation_seeds", evaluation_seeds)
    if games or seeds:
        lists = {"games": _parsed("games", games), "seeds": _parsed("seeds", seeds)}
        return pipelines.Suite(**lists, name=shorthands["name"] or "", **words)
    return pipelines.TrainEvalReport(**words)


def _parsed(name: str, text: str) -> Any:
    """Return a list as Luigi's parameter of that name reads it.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        params = dict(pipelines.Suite.get_params())  # type: ignore[no-untyped-call]
        return params[name].parse(text)
    except ParameterException as error:
        raise UsageError(str(error)) from error


@click.group()
def pipeline() -> None:
    """From a ROM to a report: check, train, evaluate, export. Existing results are not redone."""


@pipeline.command()
@_options
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Tasks to run at a time on this machine.",
)
@click.option(
    "--scheduler-host",
    metavar="HOST",
    help="Host of luigid, to share the tasks with other machines; without it this process does "
    "them all.",
)
@click.option(
    "--scheduler-port",
    type=click.IntRange(1, 65535),
    default=8082,
    show_default=True,
    help="Port of luigid.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only estimate the hours, memory and disk of the trainings, from a short one.",
)
def run(
    workers: int,
    scheduler_host: str | None,
    scheduler_port: int,
    dry_run: bool,
    **words: Any,
) -> int:
    """Run everything up to a report, or for a suite up to its league table.

    The same command again does nothing if all is complete, makes what is missing or damaged, and
    resumes a training that was interrupted.

    \b
    dqn-port pipeline run --args legacy_args/pong_quick.json
    dqn-port pipeline run --args legacy_args/pong_quick.json --env breakout --steps 32000
    dqn-port pipeline run --args legacy_args/pong_quick.json --games pong,breakout --seeds 1-3
    dqn-port pipeline run --args legacy_args/pong_quick.json --games pong,breakout --dry-run
    """
    local = scheduler_host is None
    memory = int(machine_memory() // 10**9)
    configure(keep_alive=not local, memory_gb=memory if local else None)
    task = _task(**words)
    if task.complete():
        click.echo(f"{task.folder} is complete: nothing to do.")
        _say_where(task)
        return 0
    _refuse(task)
    if dry_run:
        _estimate(task, workers)
        return 0
    if scheduler_host is not None:
        check_scheduler(scheduler_host, scheduler_port)
    # SIGTERM ends this process once a training has written its checkpoint; see pipelines.processes.
    previous = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        luigi.build(
            [task],
            local_scheduler=local,
            scheduler_host=scheduler_host or "",
            scheduler_port=scheduler_port,
            workers=workers,
        )
    except RPCError as error:
        raise SchedulerError(f"luigid at {scheduler_host}: no longer answers: {error}") from error
    finally:
        signal.signal(signal.SIGTERM, previous)
    if not task.complete():
        click.echo("dqn-port: not complete, see above; run the same command to try again", err=True)
        return 1
    click.echo(f"{task.folder} is complete.")
    _say_where(task)
    return 0


def _refuse(task: pipelines.TrainEvalReport | pipelines.Suite) -> None:
    """Refuse options with which something could not be run.

    Raises:
        DqnPortError: what is wrong with them; for a suite, with all of its runs.
    """
    check_evaluation(task.evaluation_words)
    if isinstance(task, pipelines.Suite):
        task.requires()
    else:
        _ = task.resolved


def _estimate(task: pipelines.TrainEvalReport | pipelines.Suite, workers: int) -> None:
    """Measure the first training and print what all of them will take."""
    tasks = task.requires() if isinstance(task, pipelines.Suite) else [task]
    runs = [each for each in tasks if not each.of(pipelines.TrainAgent).complete()]
    if not runs:
        click.echo("All trainings are done; the rest takes minutes.")
        return
    first = runs[0].resolved
    system, facts = first.system, first.facts
    soon = resolved(runs[0].args_file, (*runs[0].assignments, *facts.soon), trust=is_trusted())
    where = system.device(first.options, explicit=runs[0].device.startswith("cuda"))
    found = estimate(system, first.options, soon.options, device=str(where.device))
    games = len({run.facts.game for run in runs})
    for line in heading_and_lines(system.NAME, found, str(where.device)):
        click.echo(line)
    turns = -(-len(runs) // workers)
    at_once = min(workers, len(runs))
    kept = found.disk + (found.checkpoint if runs[0].keep_checkpoint else 0)
    going = 2 * found.checkpoint if runs[0].checkpoint == "full" else 0
    length = "" if facts.length is not None else f" for {PER:,} {facts.unit} each"
    click.echo("")
    click.echo(
        f"{plural(len(runs), 'training')} of {plural(games, 'game')}, {at_once} at a time: "
        f"{'' if found.whole else 'at least '}{digits(turns * found.hours)} hours{length}, "
        f"{size(at_once * found.memory)} of memory, {size(len(runs) * kept + at_once * going)} of "
        "disk"
    )
    if games > 1:
        click.echo(f"Measured in {facts.game} alone, and without the evaluations at the end.")
    cores = len(os.sched_getaffinity(0))
    if at_once * facts.threads > cores:
        click.echo(
            f"{at_once} × {plural(facts.threads, 'thread')} are more than the {cores} cores here: "
            "it takes longer, or more machines."
        )


def _say_where(task: pipelines.TrainEvalReport | pipelines.Suite) -> None:
    """Print where the results are."""
    if isinstance(task, pipelines.Suite):
        history, _, table, report = task.files()
        click.echo(f"League:      {table}")
    else:
        history, report = (
            task.of(kind).files()[-1] for kind in (pipelines.ExportHistory, pipelines.Report)
        )
        click.echo(f"Run:         {task.run_folder}")
        click.echo(f"Evaluation:  {task.evaluation_folder}")
    click.echo(f"History:     {history}")
    click.echo(f"Report:      {report}")


@pipeline.command()
@_options
def status(**words: Any) -> int:
    """Show which tasks are complete, running, stopped, damaged or missing.

    Exits with 1 unless all are complete.

    \b
    dqn-port pipeline status --args legacy_args/pong_quick.json
    """
    found = list(standing_of(_task(**words)))
    width = max(len(standing.task) for standing in found)
    run = ""
    for standing in found:
        if standing.run != run:
            run = standing.run
            click.echo(run)
        click.echo(f"  {standing.task:{width}}  {standing.state:8}  {standing.text}".rstrip())
    return 0 if all(standing.state == "complete" for standing in found) else 1


@pipeline.command()
@_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Remove everything, including finished runs and results.",
)
def clean(yes: bool, everything: bool, **words: Any) -> int:
    """Remove attempts that stopped, with their checkpoints, and what is damaged; asks first.

    \b
    dqn-port pipeline clean --args legacy_args/pong_quick.json
    """
    found = rubbish_in(_task(**words), everything=everything)
    if not found:
        click.echo("Nothing to remove.")
        return 0
    for rubbish in found:
        click.echo(f"{rubbish.path}  {rubbish.what}")
    if not yes and not click.confirm("Remove them?"):
        click.echo("Nothing was removed.")
        return 0
    for rubbish in found:
        remove(rubbish)
    click.echo("Removed.")
    return 0
