"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from dqn_port import registry
from dqn_port.arguments.trust import trusting
from dqn_port.errors import UsageError
from dqn_port.interfaces import System
from dqn_port.options import Draft
from dqn_port.records import RunRecord
from dqn_port.runs.checkpoint import EVERY
from dqn_port.runs.found_run import FoundRun, find_run, names_run
from dqn_port.runs.playing import system_of
from dqn_port.runs.record import read_run
from dqn_port.runs.run_folder import ARGS


class _NumberRange(click.FloatRange):
    """click's, which takes NaN for a number of any range."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the number that was typed."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


args_option = click.option(
    "--args",
    "args_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Argument file, JSON or an old .t7; its keys are the options of its system.",
)
set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set one option, such as seed=2, or in lua_dqn agent_params.lr=0.001. May be repeated.",
)
SHORTHANDS: Final = (
    click.option("--game", help="The game, whatever the system calls that option."),
    click.option(
        "--seed",
        type=int,
        metavar="N",
        help="Seed of all random numbers, whatever the system calls it.",
    ),
    click.option(
        "--length", type=int, metavar="N", help="How long to train, in the system's unit."
    ),
    click.option("--name", help="Name of the run and its folder."),
    click.option("--env", metavar="GAME", help="lua_dqn's word for --game; as --set env=GAME."),
    click.option(
        "--steps", type=int, metavar="N", help="lua_dqn's word for --length; as --set steps=N."
    ),
)
"""Flags for the most common options; ``assigned`` reads them."""


def _options_alone(
    context: click.Context, parameter: click.Parameter, words: tuple[str, ...]
) -> tuple[str, ...]:
    del context, parameter
    if words and words[0].endswith((".json", ".t7")):
        raise UsageError(
            f"{words[0]}: expected an option, got an argument file; give it as --args {words[0]}"
        )
    return words


lua_words_argument = click.argument(
    "lua_words",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="[-- WORDS]",
    callback=_options_alone,
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N",
    help="Device for the network. auto: as the options say; lua_dqn uses the CPU if the device of "
    "option gpu does not exist.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="CPU threads; sets option threads."
)
snapshot_argument = click.argument(
    "snapshot", type=click.Path(path_type=Path), required=False, metavar="[RUN|SNAPSHOT]"
)
network_option = click.option(
    "--network",
    type=click.Path(path_type=Path),
    metavar="RUN|FILE",
    help="The network's file, instead of RUN. A file without arguments needs --args: a network or "
    "an agent alone, a NAME.params.t7, output of export-weights.",
)
best_option = click.option(
    "--best/--last", default=False, help="The network of the best evaluation, or the last one."
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=1,
    show_default=True,
    metavar="N",
    help="Seed of the random numbers.",
)
epsilon_option = click.option(
    "--epsilon",
    type=_NumberRange(0, 1),
    help="Probability of a random action.  [default: the system's own, 0.05 in lua_dqn]",
)
max_frames_option = click.option(
    "--max-frames",
    type=click.IntRange(min=0),
    help="End a game after N emulator frames; 0: no limit.  [default: the "
    "system's own, in lua_dqn the paper's 18,000, 5 minutes]",
)


checkpoint_every_option = click.option(
    "--checkpoint-every",
    type=_NumberRange(min=0),
    default=EVERY,
    show_default=True,
    metavar="SECONDS",
    help="Interval between checkpoints; longer if writing them would take more than 2% of the "
    "time. Ctrl-C and SIGTERM write one, too.",
)


def run_at(path: Path) -> FoundRun:
    """Return the run that RUN names, and print a note if it was not found directly.

    Raises:
        RunFolderError: see found_run.find_run.
    """
    found = find_run(path)
    for note in found.notes:
        click.echo(f"dqn-port: {note}", err=True)
    return found


def record_at(path: Path) -> RunRecord:
    """Return the record of the run that RUN names, or of a snapshot outside a run's folder.

    Raises:
        RunFolderError: see found_run.find_run, record.read_run.
        T7Error, SnapshotError: see System.read_alone.
    """
    alone = path.is_file() and not names_run(path)
    return system_of(path).read_alone(path) if alone else read_run(run_at(path).folder)


def snapshot_at(path: Path) -> Path:
    """Return the snapshot that RUN names: the newest one of a folder or an args.json, or the file.

    Raises:
        RunFolderError: see found_run.find_run, FoundRun.pick_snapshot.
    """
    return run_at(path).pick_snapshot() if path.is_dir() or path.name == ARGS else path


def shorthand_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add SHORTHANDS to a command."""
    for option in reversed(SHORTHANDS):
        command = option(command)
    return command


def assigned(
    system: System, assignments: tuple[str, ...], flags: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the ``--set`` assignments together with those of the flags that are given.

    Raises:
        UsageError: ``--set``, or another flag, gives the same key another value.
    """
    given: dict[str, Any] = {}
    for flag, value in flags.items():
        if value is None:
            continue
        key = flag if flag in ("env", "steps") else system.option_of(flag)
        if given.setdefault(key, value) != value:
            raise UsageError(f"--{flag}: expected {given[key]}, as {key} is given, got {value}")
    for assignment in assignments:
        key, _, text = assignment.partition("=")
        if key in given and text != str(given[key]):
            raise UsageError(
                f"--{key}, --set {key}: expected one of them, got --{key} {given[key]} and "
                f"--set {assignment}"
            )
    return (*assignments, *(f"{key}={value}" for key, value in given.items()))


def _trust(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    del parameter
    # The root: a context whose words do not parse is never closed.
    context.find_root().with_resource(trusting(value))


trust_option = click.option(
    "--trust",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_trust,
    help="Allow external code: import every module:object that a file or RUN names.",
)
system_option = click.option(
    "--system",
    "system_name",
    metavar="NAME",
    help=f"The program: {', '.join(registry.SYSTEMS)}, or an external module:object; as --set "
    f"system=NAME.  [default: the argument file's, or {registry.DEFAULT}]",
)


def warn(draft: Draft) -> None:
    """Print a draft's warnings."""
    for warning in draft.warnings:
        click.echo(f"dqn-port: {warning}", err=True)


page_option = click.option(
    "-o",
    "--out",
    "page",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.html",
    help="The page to write; an existing one is replaced.",
)


def network_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every command that plays a saved network takes: which one, and how."""
    for option in (
        set_option,
        max_frames_option,
        epsilon_option,
        seed_option,
        best_option,
        args_option,
        network_option,
        snapshot_argument,
        trust_option,
    ):
        command = option(command)
    return command


def network_file(snapshot: Path | None, network: Path | None) -> Path:
    """Return the file that RUN or ``--network`` names.

    Raises:
        UsageError: neither is given, or both.
        RunFolderError: see snapshot_at.
    """
    if (snapshot is None) == (network is None):
        got = "neither" if snapshot is None else "both"
        raise UsageError(f"RUN, --network: expected one of them, got {got}")
    return snapshot_at(snapshot or network)  # type: ignore[arg-type]
