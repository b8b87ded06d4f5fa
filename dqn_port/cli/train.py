"""``dqn-port train``."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import click

from dqn_port.cli.lines import lines_of
from dqn_port.cli.main import program
from dqn_port.cli.parameters import (
    args_option,
    assigned,
    checkpoint_every_option,
    lua_words_argument,
    run_at,
    set_option,
    shorthand_options,
    snapshot_at,
    warn,
)
from dqn_port.cli.progress import ProgressBar
from dqn_port.errors import CheckpointError, UsageError
from dqn_port.exports.tensorboard import TensorboardWriter, require_tensorboard
from dqn_port.runs.checkpoint import FOLDER as CHECKPOINT
from dqn_port.runs.found_run import names_run
from dqn_port.runs.run import MODES, Finished, Run, Started
from dqn_port.runs.run_folder import ARGS, FINISHED, HISTORY, TENSORBOARD, arguments_in, is_pipeline
from dqn_port.runs.stopping import StopSignals
from dqn_port.systems.lua_dqn.arguments_hash import differences
from dqn_port.systems.lua_dqn.devices import device_assignment, pick_device
from dqn_port.systems.lua_dqn.drafts import Draft
from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.setup import load_options, names_snapshot, network_name


@click.command(context_settings={"ignore_unknown_options": False})
@args_option
@set_option
@shorthand_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("artifacts"),
    show_default=True,
    metavar="DIR",
    help="Folder of the runs; this one goes to DIR/NAME.",
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N",
    help="Where the network is computed. auto: what option gpu says, the CPU where that is not "
    "there.",
)
@click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="CPU threads; sets option threads."
)
@click.option(
    "--network",
    metavar="RUN|FILE",
    help="Start a new run from the network of a run or a file; without --args by the run's "
    "arguments. The name of a network part will do, too.",
)
@click.option("--best", is_flag=True, help="Of a snapshot, take the best network.")
@click.option("--overwrite", is_flag=True, help="Replace the run that stands in the folder.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with this run, by its own arguments; with --set steps=N longer than was asked for.",
)
@click.option(
    "--checkpoint",
    type=click.Choice(MODES),
    default="full",
    show_default=True,
    help="What a checkpoint, to go on from, holds: all, for going on exactly; weights, without the "
    "replay memory; or there is none.",
)
@checkpoint_every_option
@click.option("--tensorboard", is_flag=True, help="Also write TensorBoard files (an extra).")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and faults.")
@lua_words_argument
def train(
    args_file: Path | None,
    assignments: tuple[str, ...],
    out: Path,
    device: str,
    threads: int | None,
    network: str | None,
    best: bool,
    overwrite: bool,
    resume: Path | None,
    checkpoint: str,
    checkpoint_every: float,
    tensorboard: bool,
    quiet: bool,
    lua_words: tuple[str, ...],
    **shorthands: Any,
) -> None:
    """Train an agent, as the original's train_agent did.

    Options count in this order, the later the more: defaults, the argument file, the Lua words
    after --, --set and the other flags.

    \b
    dqn-port train --args legacy_args/pong_quick.json --name first
    dqn-port train --args legacy_args/pong_quick.json --seed 2 --name second
    dqn-port train --args legacy_args/pong_quick.json -- -env breakout -steps 1000
    dqn-port train --resume artifacts/second
    dqn-port train --resume artifacts/second --set steps=32000
    """
    assignments = given = assigned(assignments, shorthands)
    assignments += tuple(device_assignment(device))
    if threads is not None:
        assignments += (f"threads={threads}",)
    if tensorboard:
        require_tensorboard()
    if resume is not None:
        if args_file is not None or network is not None or best or lua_words or overwrite:
            raise UsageError(
                "--resume: expected no arguments with it but --set, --device and --threads: the "
                "run has its own"
            )
        found = run_at(resume)
        args_file = found.folder / ARGS
        out = (found.folder if found.folder.name else found.folder.absolute()).parent
    if network is not None:
        snapshot, args_there = _start_from(network)
        assignments += (f"network={snapshot}",)
        if args_file is None and not lua_words:
            args_file = args_there
    if best:
        assignments += ("agent_params.best=true",)
    draft = Draft()
    opt = load_options(
        args_file=args_file, lua_words=lua_words, assignments=assignments, draft=draft
    )
    if best and not names_snapshot(network_name(opt)):
        raise UsageError("--best: expected --network FILE with it, the snapshot to take it from")
    warn(draft)
    if resume is not None:
        _check_same_run(resume, found.folder, opt, given)
    where = pick_device(opt, explicit=device.startswith("cuda"))
    run = Run(
        opt,
        out,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        keep_checkpoint=True,
        lengthen=resume is not None,
    )
    standing = run.standing(overwrite=overwrite)
    if standing == "finished":
        if not quiet:
            click.echo(f"{run.folder} is finished: nothing to do.")
            _say_where(run)
        return
    if where.note:
        click.echo(f"dqn-port: {where.note}", err=True)
    if standing == "new" and names_snapshot(network_name(opt)) and not quiet:
        click.echo(
            f"dqn-port: starts from the network of {network_name(opt)}; exploration, replay "
            "memory, optimiser and counters begin anew (--resume RUN --set steps=… trains a run "
            "longer)",
            err=True,
        )
    writer = TensorboardWriter(run.folder / TENSORBOARD) if tensorboard else None
    events = run.train(where.device, anew=standing == "new")
    _follow(run, opt, events, writer, quiet=quiet, unfinished=standing == "unfinished")


def _start_from(network: str) -> tuple[str, Path | None]:
    """Return the part or the file that ``--network`` names, and the arguments of a run's.

    Raises:
        RunFolderError: a folder that holds no run, or no snapshot.
    """
    if not names_snapshot(network):
        return network, None
    path = snapshot_at(Path(network))
    return str(path), path.parent / ARGS if names_run(path) else None


def _check_same_run(resume: Path, folder: Path, opt: Options, given: tuple[str, ...]) -> None:
    """Refuse what would make another run of the one that is to be gone on with.

    Raises:
        UsageError: an option changes a number, or the folder's name.
    """
    if folder.absolute().name != opt.name:
        raise UsageError(
            f"--resume {resume}: expected a folder named '{opt.name}', as its run is; name it so"
        )
    others, longer = differences(arguments_in(folder), opt.to_json())
    if longer and is_pipeline(folder.resolve().parent.name):
        kept = (folder / CHECKPOINT).is_dir()
        copy = f"mkdir -p longer && cp -r {shlex.quote(str(folder))} longer/"
        raise UsageError(
            f"--resume {resume}: a pipeline's run stays as it is, its folder's name stands for its "
            "steps; "
            + (
                f"go on with a copy, longer/{opt.name}, after: {copy}"
                if kept
                else "and its checkpoint is gone, which `pipeline run --keep-checkpoint` keeps"
            )
        )
    if others:
        words = shlex.join(word for text in given for word in ("--set", text))
        raise UsageError(
            f"--resume {resume}: expected steps and what changes no number, got "
            f"{', '.join(others)}; another run from its network: {program()} train --network "
            f"{shlex.quote(str(folder))} --set name={shlex.quote(opt.name)}_2 {words}"
        )


def _follow(
    run: Run,
    opt: Options,
    events: Any,
    writer: TensorboardWriter | None,
    *,
    quiet: bool,
    unfinished: bool,
) -> None:
    """Show a training's events to its end, or until a signal stops it."""
    bar: ProgressBar | None = None
    step, finished = 0, False
    with StopSignals() as stop:
        try:
            for event in events:
                step, finished = event.step, isinstance(event, Finished)
                if isinstance(event, Started):
                    for note in event.notes:
                        click.echo(f"dqn-port: {note}", err=True)
                    if unfinished and not quiet:
                        goes_on = (
                            f"goes on from step {event.step:,}"
                            if event.resumed
                            else ("was not finished, and has no checkpoint: it begins anew")
                        )
                        click.echo(f"{run.folder} {goes_on}.")
                    if not quiet and sys.stderr.isatty():
                        bar = ProgressBar(opt, opt.agent_params["learn_start"])
                if writer is not None:
                    writer.consume(event)
                if not quiet:
                    for line in lines_of(event, verbose=opt.verbose):
                        bar.write(line) if bar is not None else click.echo(line)
                if bar is not None:
                    bar.consume(event)
                if stop.number is not None:
                    break
            if stop.number is not None and not finished:
                run.save_checkpoint()
        except CheckpointError as error:
            raise CheckpointError(f"{error}; --overwrite begins anew") from error
        except KeyboardInterrupt:
            stop.number = stop.number or signal.SIGINT
        finally:
            if bar is not None:
                bar.close()
            if writer is not None:
                writer.close()
            events.close()
        if stop.number is not None and not finished:
            where = f"step {step:,} of {opt.steps:,}"
            click.echo(f"dqn-port: stopped at {where}; {_how_to_go_on(run)}", err=True)
            sys.exit(stop.exit_code)
    if not quiet:
        _say_where(run)


def _how_to_go_on(run: Run) -> str:
    """Say what the same command, or one with --resume, would do."""
    if run.checkpoints.serials():
        return f"to go on: {program()} train --resume {shlex.quote(str(run.folder))}"
    path = run.last_snapshot
    return f"the last snapshot is {path}" if path else "no snapshot was saved yet"


def _say_where(run: Run) -> None:
    """Say where everything lies and what to try next."""
    snapshot = shlex.quote(str(run.snapshot_path))
    gif = shlex.quote(str(run.folder / "episode.gif"))
    click.echo("")
    click.echo(f"Snapshot:    {run.snapshot_path}")
    click.echo(f"History:     {run.folder / HISTORY}")
    click.echo(f"Arguments:   {run.folder / ARGS}")
    click.echo(f"About it:    {run.folder / FINISHED}")
    kept = run.checkpoints.size()
    if kept:
        click.echo(f"Checkpoint:  {run.checkpoints.folder}, {kept / 1e6:,.0f} MB")
    click.echo("Try next:")
    click.echo(f"  {program()} evaluate {snapshot} --best --episodes 5")
    click.echo(f"  {program()} play {snapshot} --best --gif {gif}")
    if kept:
        folder = shlex.quote(str(run.folder))
        click.echo(f"  {program()} train --resume {folder} --set steps={2 * run.opt.steps}")
        click.echo("To remove the checkpoint, without which the run cannot be trained longer:")
        click.echo(f"  rm -r {shlex.quote(str(run.checkpoints.folder))}")
