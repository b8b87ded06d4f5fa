"""``dqn-port estimate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dqn_port import registry
from dqn_port.bench.figures import digits, table
from dqn_port.cli.parameters import (
    args_option,
    assigned,
    device_option,
    lua_words_argument,
    set_option,
    shorthand_options,
    system_option,
    threads_option,
    trust_option,
    warn,
)
from dqn_port.tools.estimate import PER, Estimate, estimate


@click.command("estimate")
@trust_option
@system_option
@args_option
@set_option
@shorthand_options
@device_option
@threads_option
@lua_words_argument
def estimate_command(
    system_name: str | None,
    args_file: Path | None,
    assignments: tuple[str, ...],
    device: str,
    threads: int | None,
    lua_words: tuple[str, ...],
    **shorthands: Any,
) -> None:
    """Estimate the hours, the memory and the disk that a training takes here.

    Some steps of every phase are measured, in a minute at most; nothing of it is kept. Learning
    begins at once meanwhile, and the probability of a random action is that of its end. Other work
    on the machine counts.

    \b
    dqn-port estimate --args legacy_args/breakout.json
    dqn-port estimate --args legacy_args/breakout.json --length 1000000
    """
    system, assignments = registry.choose(args_file, assignments, system_name)
    assignments = assigned(system, assignments, shorthands)
    assignments += tuple(system.device_assignments(device))
    if threads is not None:
        assignments += (f"{system.option_of('threads')}={threads}",)
    draft = system.new_draft()
    options = system.load(
        args_file=args_file, words=lua_words, assignments=assignments, draft=draft
    )
    warn(draft)
    where = system.device(options, explicit=device.startswith("cuda"))
    if where.note:
        click.echo(f"dqn-port: {where.note}", err=True)
    facts = system.facts(options)
    soon = system.load(
        args_file=args_file, words=lua_words, assignments=(*assignments, *facts.soon)
    )
    found = estimate(system, options, soon, device=str(where.device))
    for line in heading_and_lines(system.NAME, found, str(where.device)):
        click.echo(line)


def heading_and_lines(system: str, found: Estimate, device: str) -> list[str]:
    """Return an estimate as text: a heading, a table and some lines."""
    facts = found.facts
    length = f"no known end, so {PER:,}" if facts.length is None else f"{facts.length:,}"
    rows: list[Sequence[str]] = [
        (phase.name, f"{phase.times:,}", "?", "?")
        if phase.seconds is None
        else (phase.name, f"{phase.times:,}", f"{1e3 * phase.seconds:.2f}", digits(phase.hours))
        for phase in found.phases
    ]
    at_least = "" if found.whole else "at least "
    rows.append(("together", "", "", f"{at_least}{digits(found.hours)}"))
    heading = f"{system}, {facts.game}: {length} {facts.unit}, on {device}"
    lines = [heading, "", *table(("phase", "times", "ms each", "hours"), rows), ""]
    if not found.whole:
        lines += ["?: did not occur while measuring.", ""]
    return [
        *lines,
        f"memory  {size(found.memory)}, once the replay memory is full",
        f"disk    {size(found.disk + found.checkpoint)}: networks {size(found.networks)}, tables "
        f"up to {size(found.tables)}, a checkpoint up to {size(found.checkpoint)}",
        f"        and {size(found.checkpoint)} more while a checkpoint replaces another",
    ]


def size(n_bytes: int) -> str:
    """Return a number of bytes as megabytes, or as gigabytes from 1 GB."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"
