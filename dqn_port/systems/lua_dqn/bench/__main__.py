"""``make bench``: whole loops beside Stable-Baselines3's, then the parts against their floors."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from dqn_port.bench.figures import Figure, digits, table, table_of_figures
from dqn_port.bench.machine import about_the_machine, cores_for, write_json
from dqn_port.errors import BenchError, DqnPortError
from dqn_port.systems.lua_dqn.bench.versus import Race, race, table_of_races
from dqn_port.systems.lua_dqn.setup import load_options

QUIET_LOAD: Final = 0.3
"""Load of the last minute, in cores, above which other programs disturb the measuring."""

SECTIONS: Final = ("loops", "parts", "memory", "growth")


@dataclass(frozen=True)
class Length:
    """How much a run measures."""

    rounds: int
    steps: int
    """Agent steps per turn of a whole loop; 64 empty a sampling buffer of 512."""
    random_steps: int
    repeats: int
    scale: float
    """Factor on every part's own steps."""


FULL: Final = Length(rounds=6, steps=384, random_steps=3_000, repeats=7, scale=1.0)
QUICK: Final = Length(rounds=2, steps=128, random_steps=1_000, repeats=3, scale=1 / 3)

PARTS: Final = (
    ("test", 1, 500), ("random", 1, 500), ("env", 1, 500), ("preproc", 1, 500), ("act", 1, 300),
    ("update", 1, 32), ("update", 2, 32), ("replay", 1, 320),
)  # fmt: skip
"""(part, threads, steps) of the table of parts."""


@click.command()
@click.option(
    "--args",
    "args_files",
    type=click.Path(path_type=Path),
    multiple=True,
    default=[Path("legacy_args/pong.json"), Path("legacy_args/breakout.json")],
    show_default=True,
    metavar="FILE",
    help="Argument files of the games; the parts are measured by the first. May be repeated.",
)
@click.option(
    "--threads",
    "all_threads",
    type=click.IntRange(min=1),
    multiple=True,
    default=[1, 2],
    show_default=True,
    help="Cores and threads of the whole loops. May be repeated.",
)
@click.option(
    "--only",
    type=click.Choice(SECTIONS),
    multiple=True,
    help="Measure only this. May be repeated.  [default: all four]",
)
@click.option("--quick", is_flag=True, help="Fewer and shorter repeats: a few minutes.")
@click.option("--rounds", type=click.IntRange(min=1), help="Turns of each whole loop.")
@click.option(
    "--python",
    type=click.Path(path_type=Path),
    default=Path(".venv-bench/bin/python"),
    show_default=True,
    metavar="FILE",
    help="The python that has Stable-Baselines3.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    default=Path("artifacts/bench.json"),
    show_default=True,
    metavar="FILE",
    help="Where to write every repeat.",
)
def main(
    args_files: tuple[Path, ...],
    all_threads: tuple[int, ...],
    only: tuple[str, ...],
    quick: bool,
    rounds: int | None,
    python: Path,
    json_file: Path,
) -> None:
    """Measure this program beside Stable-Baselines3, and its parts against their floors.

    \b
    make bench BENCH_ARGS=--quick
    make bench BENCH_ARGS='--only loops --threads 1 --rounds 12'
    """
    length = QUICK if quick else FULL
    if rounds is not None:
        length = dataclasses.replace(length, rounds=rounds)
    sections = only or SECTIONS
    started = time.monotonic()
    try:
        results: dict[str, Any] = about_the_machine() | {"length": dataclasses.asdict(length)}
        _say_machine(results)
        if "loops" in sections:
            races = _loops(args_files, all_threads, python, length)
            results["loops"] = [one.to_json() for one in races]
        small = ["gpu=-1", "agent_params.replay_memory=100000"]
        parts = [
            _part(name, args_files[0], threads, round(steps * length.scale), length, small)
            for name, threads, steps in PARTS
            if "parts" in sections and threads <= len(cores_for(threads))
        ]
        for name, steps in (("memory", 96), ("growth", 192)):
            if name in sections:
                parts.append(
                    _part(name, args_files[0], 1, round(steps * length.scale), length, ["gpu=-1"])
                )
        results["parts"] = parts
        json_file.absolute().parent.mkdir(parents=True, exist_ok=True)
        results["seconds"] = round(time.monotonic() - started)
        write_json(json_file, results)
    except (DqnPortError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{results['seconds']} s in all; every repeat: {json_file}")


def _say_machine(results: dict[str, Any]) -> None:
    machine, versions = results["machine"], results["versions"]
    rows = [
        ("processor", f"{machine['cpu']} (family, model {machine['family']})"),
        ("cores", f"{machine['usable_cores']} of {machine['cores']}"),
        ("flags", " ".join(machine["flags"])),
        ("memory", f"{machine['memory_gb']} GB"),
        ("load before", " ".join(digits(load) for load in machine["load"])),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]
    _say(table(("machine", ""), rows, left=2))
    if machine["load"][0] > QUIET_LOAD:
        click.echo(
            "This machine is busy with something else: ratios are off, especially on 2 cores.\n"
        )


def _say(lines: list[str]) -> None:
    click.echo("\n".join([*lines, ""]))


def _loops(
    args_files: tuple[Path, ...], all_threads: tuple[int, ...], python: Path, length: Length
) -> list[Race]:
    races = []
    for threads in all_threads:
        if threads > len(cores_for(threads)):
            click.echo(f"{threads} threads: left out, this machine has fewer cores\n")
            continue
        for args_file in args_files:
            opt = load_options(
                args_file=args_file, assignments=["gpu=-1", "agent_params.replay_memory=100000"]
            )
            races.append(
                race(
                    opt,
                    python,
                    threads=threads,
                    rounds=length.rounds,
                    steps=length.steps,
                    random_steps=length.random_steps,
                )
            )
            _say(table_of_races(races[-1:]))
    if len(races) > 1:
        click.echo("All loops:")
        _say(table_of_races(races))
    return races


def _part(
    name: str, args_file: Path, threads: int, steps: int, length: Length, changes: list[str]
) -> dict[str, Any]:
    """Run ``dqn-port bench`` in a process of its own, and show its figures."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "part.json"
        words = [sys.executable, "-m", "dqn_port", "bench", name, "--args", str(args_file)]
        words += ["--threads", str(threads), "--steps", str(max(4, steps)), "--json", str(out)]
        words += ["--repeats", str(length.repeats)]
        words += [word for change in changes for word in ("--set", change)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise BenchError(f"bench {name}: {done.stderr.strip()}")
        result: dict[str, Any] = json.loads(out.read_text())
    for known in ("machine", "versions"):
        del result[known]
    figures = {
        key: Figure(figure["what"], figure["unit"], tuple(figure["values"]))
        for key, figure in result["figures"].items()
    }
    click.echo(f"{result['what']}, {threads} thread{'s' if threads > 1 else ''}")
    _say(table_of_figures(figures))
    return result


if __name__ == "__main__":
    main()
