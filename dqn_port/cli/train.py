"""``dqn-port train``."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import click

from dqn_port import registry
from dqn_port.cli.main import program
from dqn_port.cli.parameters import (
    args_option,
    assigned,
    checkpoint_every_option,
    device_option,
    lua_words_argument,
    run_at,
    set_option,
    shorthand_options,
    snapshot_at,
    system_option,
    threads_option,
    trust_option,
    warn,
)
from dqn_port.cli.progress import LongRun, ProgressBar
from dqn_port.errors import CheckpointError, UsageError
from dqn_port.events import Finished, Started, Stopped
from dqn_port.exports.tensorboard import TensorboardWriter, require_tensorboard
from dqn_port.interfaces import System
from dqn_port.runs.checkpoint import FOLDER as CHECKPOINT
from dqn_port.runs.found_run import names_run
from dqn_port.runs.playing import system_of
from dqn_port.runs.run import MODES, Run
from dqn_port.runs.run_folder import (
    ARGS,
    FINISHED,
    HISTORY,
    SUFFIXES,
    TENSORBOARD,
    arguments_in,
    is_pipeline,
)
from dqn_port.runs.stopping import StopSignals


@click.command(context_settings={"ignore_unknown_options": False})
@trust_option
@system_option
@args_option
@set_option
@shorthand_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the runs; this one goes to DIR/NAME.  [default: artifacts]",
)
@device_option
@threads_option
@click.option(
    "--network",
    metavar="RUN|FILE",
    help="Start a new run from the network of a run or a file, without --args with the run's "
    "arguments. The name of a network part is accepted, too.",
)
@click.option("--best", is_flag=True, help="Take the best network of a snapshot.")
@click.option("--overwrite", is_flag=True, help="Replace the run in the folder.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Resume this run with its own arguments; --length N trains longer.",
)
@click.option(
    "--checkpoint",
    type=click.Choice(MODES),
    default="full",
    show_default=True,
    help="What a checkpoint holds: full, everything, to resume exactly; weights, without the "
    "replay memory; none: no checkpoints.",
)
@checkpoint_every_option
@click.option(
    "--score-every",
    type=click.IntRange(min=0),
    default=0,
    metavar="FRAMES",
    help="After every N emulator frames of training play 20 whole games with the current network "
    "and ε 0.05, and write their mean to history-scores.csv; nothing else changes. 0: never.",
)
@click.option("--tensorboard", is_flag=True, help="Also write TensorBoard files (an extra).")
@click.option("--quiet", is_flag=True, help="Print only warnings and errors.")
@lua_words_argument
def train(
    system_name: str | None,
    args_file: Path | None,
    assignments: tuple[str, ...],
    out: Path | None,
    device: str,
    threads: int | None,
    network: str | None,
    best: bool,
    overwrite: bool,
    resume: Path | None,
    checkpoint: str,
    checkpoint_every: float,
    score_every: int,
    tensorboard: bool,
    quiet: bool,
    lua_words: tuple[str, ...],
    **shorthands: Any,
) -> None:
    """Train an agent, as the original program did.

    Later sources of options override earlier ones: defaults, the argument file, the original's
    words after --, --set and the other flags.

    \b
    dqn-port train --args legacy_args/pong_quick.json --name first
    dqn-port train --args legacy_args/pong_quick.json --seed 2 --name second
    dqn-port train --args legacy_args/pong_quick.json -- -env breakout -steps 1000
    dqn-port train --resume artifacts/second
    dqn-port train --resume artifacts/second --set steps=32000
    """
    if tensorboard:
        require_tensorboard()
    if resume is not None:
        if args_file is not None or network is not None or best or lua_words or overwrite:
            raise UsageError(
                "--resume: expected no arguments with it but --set, --device and --threads: the "
                "run has its own"
            )
        if out is not None:
            raise UsageError(
                f"--resume {resume}, --out {out}: expected one of them: the run goes on in its own "
                "folder"
            )
        found = run_at(resume)
        args_file = found.folder / ARGS
        out = (found.folder if found.folder.name else found.folder.absolute()).parent
    start: Path | None = None
    if network is not None:
        start, args_there = _start_from(network)
        if args_file is None and not lua_words:
            args_file = args_there
    told = start if args_file is None else None
    if told is not None and not any(text.startswith("system=") for text in assignments):
        system_name = system_name or registry.name_of(system_of(told))
    system, assignments = registry.choose(args_file, assignments, system_name)
    assignments = assigned(system, assignments, shorthands)
    assignments += tuple(system.device_assignments(device))
    if threads is not None:
        assignments += (f"{system.option_of('threads')}={threads}",)
    given = assignments
    if network is not None:
        assignments += (f"{system.option_of('start')}={start or network}",)
    if best:
        assignments += (system.best_assignment,)
    draft = system.new_draft()
    if told is not None and hasattr(system, "put_told"):
        system.put_told(draft, told)
    options = system.load(
        args_file=args_file, words=lua_words, assignments=assignments, draft=draft
    )
    taken: dict[str, Any] = {}
    if resume is None and not overwrite and hasattr(system, "asked_again"):
        folder = (out or Path("artifacts")) / system.facts(options).name
        taken = system.asked_again(draft, lua_words, folder)
        if taken and not quiet:
            pairs = ", ".join(f"{name}={json.dumps(value)}" for name, value in taken.items())
            click.echo(f"dqn-port: by the run in {folder}: {pairs}", err=True)
        options |= taken
    if best and system.facts(options).start is None:
        raise UsageError("--best: expected --network FILE with it, the snapshot to take it from")
    warn(draft)
    where = system.device(options, explicit=device.startswith("cuda"))
    run = Run(
        system,
        options,
        out or Path("artifacts"),
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        keep_checkpoint=True,
        lengthen=resume is not None or bool(taken.keys() - {system.option_of("seed")}),
        score_every=score_every,
    )
    if resume is not None:
        _check_same_run(resume, found.folder, run, given)
    standing = run.standing(overwrite=overwrite)
    if standing == "finished":
        if not quiet:
            click.echo(f"{run.folder} is finished: nothing to do.")
            _say_where(run)
        return
    if standing == "new" and run.facts.start is not None and not quiet:
        click.echo(
            f"dqn-port: starts from the network of {run.facts.start}; {_afresh(system)} "
            f"(--resume RUN --set {system.option_of('length')}=… trains a run longer)",
            err=True,
        )
    tables = system.HISTORY
    writer = TensorboardWriter(run.folder / TENSORBOARD, tables) if tensorboard else None
    events = run.train(str(where.device), anew=standing == "new")
    _follow(run, events, writer, quiet=quiet, unfinished=standing == "unfinished")


def _afresh(system: System) -> str:
    """Return what a run does not take over from the run whose network it starts from."""
    usual = "the replay memory is empty, and exploration and counters begin as the options say"
    return getattr(system, "AFRESH", usual)


def _start_from(network: str) -> tuple[Path | None, Path | None]:
    """Return the file that ``--network`` names, or None for another name, and the run's arguments.

    Raises:
        RunFolderError: it is a folder without a run, or without a snapshot.
    """
    if not _is_place(network):
        return None, None
    path = snapshot_at(Path(network))
    return path, path.parent / ARGS if names_run(path) else None


def _is_place(network: str) -> bool:
    """Return whether ``--network`` names a file or a folder, rather than a part of the system."""
    try:
        path = Path(network)
        return os.sep in network or path.suffix in SUFFIXES or (bool(network) and path.exists())
    except OSError:
        # It is longer than a file's name can be.
        return False


def _check_same_run(resume: Path, folder: Path, run: Run, given: tuple[str, ...]) -> None:
    """Refuse options that would make it a different run from the one to resume.

    Raises:
        UsageError: an option changes a number, or the folder's name.
    """
    name = run.facts.name
    if folder.absolute().name != name:
        raise UsageError(
            f"--resume {resume}: expected a folder named '{name}', as its run is; rename it"
        )
    others, longer = run.system.differences(arguments_in(folder), run.arguments)
    if longer and is_pipeline(folder.resolve().parent.name):
        kept = (folder / CHECKPOINT).is_dir()
        copy = f"mkdir -p longer && cp -r {shlex.quote(str(folder))} longer/"
        raise UsageError(
            f"--resume {resume}: a pipeline's run cannot change, its folder's name stands for its "
            "steps; "
            + (
                f"go on with a copy, longer/{name}, after: {copy}"
                if kept
                else "and its checkpoint is gone, which `pipeline run --keep-checkpoint` keeps"
            )
        )
    if others:
        words = shlex.join(word for text in given for word in ("--set", text))
        length = run.system.option_of("length")
        goes = [*([] if length in others else [length]), "what changes no number"]
        raise UsageError(
            f"--resume {resume}: expected {' and '.join(goes)}, got {', '.join(others)}; "
            f"another run from its network: {program()} train --network "
            f"{shlex.quote(str(folder))} --set name={shlex.quote(name)}_2 {words}"
        )


def _follow(
    run: Run,
    events: Any,
    writer: TensorboardWriter | None,
    *,
    quiet: bool,
    unfinished: bool,
) -> None:
    """Show a training's events until it ends or a signal stops it."""
    bar: ProgressBar | None = None
    long_run: LongRun | None = None
    step, finished = 0, False
    training: Any = None
    with StopSignals() as stop:
        try:
            for event in events:
                step, finished = event.step, isinstance(event, Finished)
                if isinstance(event, Started):
                    training = event.training
                    for note in event.notes:
                        click.echo(f"dqn-port: {note}", err=True)
                    if unfinished and not quiet:
                        goes_on = (
                            f"goes on from step {event.step:,}"
                            if event.resumed
                            else ("was not finished, and has no checkpoint: it starts over")
                        )
                        click.echo(f"{run.folder} {goes_on}.")
                    left = None if quiet else event.training.left()
                    if not quiet:
                        long_run = LongRun(left, run.facts.unit, event.step)
                    if not quiet and sys.stderr.isatty():
                        bar = ProgressBar(left, run.system.HISTORY[0])
                if writer is not None:
                    writer.consume(event)
                if not quiet:
                    for line in run.system.lines(event, run.options):
                        bar.write(line) if bar is not None else click.echo(line)
                if long_run is not None and (said := long_run.consume(event)):
                    line = f"dqn-port: {said}; {program()} estimate says more"
                    bar.write(line, err=True) if bar is not None else click.echo(line, err=True)
                if bar is not None:
                    bar.consume(event)
                if stop.number is not None:
                    break
            if stop.number is not None and not finished:
                run.save_checkpoint()
                if not quiet:
                    for line in run.system.lines(Stopped(step, training), run.options):
                        bar.write(line) if bar is not None else click.echo(line)
        except CheckpointError as error:
            raise CheckpointError(f"{error}; --overwrite starts over") from error
        except KeyboardInterrupt:
            stop.number = stop.number or signal.SIGINT
        finally:
            if bar is not None:
                bar.close()
            if writer is not None:
                writer.close()
            events.close()
        if stop.number is not None and not finished:
            of = "" if run.facts.length is None else f" of {run.facts.length:,}"
            where = f"step {step:,}{of}"
            click.echo(f"dqn-port: stopped at {where}; {_how_to_go_on(run)}", err=True)
            sys.exit(stop.exit_code)
    if not quiet:
        _say_where(run)


def _how_to_go_on(run: Run) -> str:
    """Return a line that says how to resume."""
    if run.checkpoints.serials():
        return f"to go on: {program()} train --resume {shlex.quote(str(run.folder))}"
    path = run.last_snapshot
    return f"the last snapshot is {path}" if path else "no snapshot was saved yet"


def _say_where(run: Run) -> None:
    """Print where the files are and what to try next."""
    newest = run.newest_networks()
    snapshot = shlex.quote(str(newest or run.folder))
    gif = shlex.quote(str(run.folder / "episode.gif"))
    click.echo("")
    click.echo(f"Snapshot:    {newest}")
    click.echo(f"History:     {run.folder / HISTORY}")
    click.echo(f"Arguments:   {run.folder / ARGS}")
    click.echo(f"About it:    {run.folder / FINISHED}")
    kept = run.checkpoints.size()
    if kept:
        click.echo(f"Checkpoint:  {run.checkpoints.folder}, {kept / 1e6:,.0f} MB")
    click.echo("Try next:")
    best = newest is not None and "best" in run.system.networks_in(newest)
    which = f"{snapshot} --best" if best else snapshot
    click.echo(f"  {program()} evaluate {which} --episodes 5")
    if run.facts.has_pictures:
        click.echo(f"  {program()} play {which} --gif {gif}")
    if kept and (longer := run.longer()):
        folder = shlex.quote(str(run.folder))
        click.echo(f"  {program()} train --resume {folder} --set {longer}")
    if kept:
        why = (
            "without which the run cannot be trained longer" if run.longer() else "no longer needed"
        )
        click.echo(f"To remove the checkpoint, {why}:")
        click.echo(f"  rm -r {shlex.quote(str(run.checkpoints.folder))}")
