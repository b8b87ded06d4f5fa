"""``dqn-port bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dqn_port import registry
from dqn_port.bench.machine import REPEATS, about_the_machine, write_json
from dqn_port.bench.report import bench as measure
from dqn_port.cli.parameters import args_option, set_option, system_option, trust_option, warn
from dqn_port.errors import ArgsError, RunFolderError, UsageError, near_match


def _all_parts() -> str:
    """Return the help text that lists every system's parts."""
    lines = []
    for name in registry.SYSTEMS:
        module: Any = registry.part_of(name, "bench")
        if module is not None:
            lines += ["", "\b", f"Parts of {name}:"]
            lines += [f"  {part:9} {about.what}" for part, about in module.PARTS.items()]
    return "\n    ".join(lines)


@click.command(
    help=f"""Measure how fast PART is on this machine, with the given arguments.

    Shows medians with their spread; one repeat takes --steps steps. With N threads it runs on N
    cores. The loops of lua_dqn leave out evaluations, reports and saves, and start learning after
    at most 2,000 random steps, with ε at its final value. `make bench` compares other programs.

{_all_parts()}

    \b
    dqn-port bench train --args legacy_args/pong_quick.json --profile
    dqn-port bench update --args legacy_args/pong_quick.json --threads 2
    """
)
@click.argument("part", metavar="PART")
@trust_option
@system_option
@args_option
@click.option(
    "--threads",
    type=click.IntRange(min=1, max=1024),
    help="CPU threads, and cores.  [default: the arguments']",
)
@click.option(
    "--steps",
    type=click.IntRange(min=4),
    help="Agent steps, or calls, of one repeat.  [default: the part's]",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=REPEATS,
    show_default=True,
    help="How many times to measure.",
)
@click.option(
    "--beside",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Keep the same cores busy with N other processes while measuring.",
)
@click.option("--profile", is_flag=True, help="Also show where the time goes.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write every repeat, the machine and the arguments to FILE.",
)
@set_option
def bench(
    system_name: str | None,
    part: str,
    args_file: Path | None,
    threads: int | None,
    steps: int | None,
    repeats: int,
    beside: int,
    profile: bool,
    json_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Measure a part and print its figures."""
    system, assignments = registry.choose(args_file, assignments, system_name)
    module = registry.part_of(registry.name_of(system), "bench")
    if module is None:
        raise UsageError(f"--system {system.NAME}: expected one with parts to measure, got none")
    parts = module.PARTS
    if part not in parts:
        raise ArgsError(
            f"PART: expected one of {', '.join(parts)}, got '{part}'{near_match(part, parts)}"
        )
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise RunFolderError(f"--json {json_file}: its folder does not exist; make it first")
    draft = system.new_draft()
    options = system.load(args_file=args_file, assignments=assignments, draft=draft)
    warn(draft)
    head = about_the_machine()
    report = measure(
        system,
        parts[part],
        options,
        name=part,
        threads=threads,
        steps=steps,
        repeats=repeats,
        with_profile=profile,
        busy_processes=beside,
    )
    cores, game = ", ".join(map(str, report.job.cores)), system.facts(options).game
    click.echo(
        f"{game}: {parts[part].what}; threads {report.job.threads}, cores {cores}, "
        f"{report.job.steps:,} steps a repeat"
        + (f", beside {beside} busy process{'es' if beside > 1 else ''}" if beside else "")
    )
    click.echo(
        f"{head['machine']['cpu']}, {head['machine']['cores']} cores, "
        f"{' '.join(head['machine']['flags'])}; torch {head['versions']['torch']}"
    )
    click.echo("")
    for line in report.lines():
        click.echo(line)
    if json_file is not None:
        write_json(json_file, head | report.to_json())
