"""``dqn-port verify``."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
import torch

from dqn_port import registry
from dqn_port.devices import device_named
from dqn_port.errors import RunFolderError, TraceError, near_match
from dqn_port.files import write_whole
from dqn_port.verify.comparing import plural
from dqn_port.verify.groups import GroupResult, Progress, kinds_of, verify
from dqn_port.verify.traces import find_groups, shipped

_CLEAR_LINE: Final = "\r\033[K"
_TOLD_EVERY: Final = 0.2
"""Seconds."""


class _Note:
    """The line on a terminal that shows the progress of a group's replay."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._last = -math.inf

    def tell(self, progress: Progress) -> None:
        """Show it from time to time."""
        now = time.monotonic()
        if self._on and now - self._last >= _TOLD_EVERY:
            self._last = now
            of = f" of {progress.total:,}" if progress.total else ""
            done = f" {progress.done:,}{of}" if progress.done else ""
            click.echo(f"{_CLEAR_LINE}{progress.group}{done} …", err=True, nl=False)

    def clear(self) -> None:
        """Erase it."""
        if self._on:
            click.echo(_CLEAR_LINE, err=True, nl=False)


@click.command(name="verify")
@click.argument("groups", nargs=-1, metavar="[SYSTEM] [GROUP]...")
@click.option(
    "--golden",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Replay the traces in DIR instead of those that come with the program.",
)
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    metavar="cpu|cuda|cuda:N",
    help="Device for the networks. On a GPU numbers may differ by more, as is shown; discrete "
    "values must be equal there, too, except for a choice between two actions whose values in the "
    "original are equal within that tolerance.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the results to FILE.",
)
def verify_command(
    groups: tuple[str, ...], golden: Path | None, device: str, json_file: Path | None
) -> int:
    """Replay the traces of the originals with this program, and compare.

    Replays all systems, or only SYSTEM; a GROUP without a system is one of lua_dqn. Prints a row
    for every GROUP, or for those named: what was compared, how many values, how many differ, the
    largest difference of numbers, and where an array first differs. Exits with 1 if anything
    differs or could not be replayed.

    \b
    dqn-port verify
    dqn-port verify rng init
    dqn-port verify practical_rl
    """
    where = device_named(device)
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise RunFolderError(f"--json {json_file}: its folder does not exist; make it first")
    systems, groups = _systems(groups, golden)
    done = [_verify(system, folder, groups, where) for system, folder in systems]
    results = [result for table in done for result in table["groups"]]
    wrong = [result["group"] for result in results if not result["same"]]
    if json_file is not None:
        table = done[0] if len(done) == 1 else {"same": not wrong, "systems": done}
        text = json.dumps(table, indent=2) + "\n"
        write_whole(json_file, lambda file: file.write(text.encode()))
    click.echo("")
    n_values = sum(result["n_values"] for result in results)
    if wrong:
        many = plural(len(results), "group")
        click.echo(f"Not the same, {len(wrong)} of {many}: {', '.join(wrong)}")
        return 1
    click.echo(f"All the same: {plural(len(results), 'group')}, {n_values:,} values.")
    return 0


def _systems(
    words: tuple[str, ...], golden: Path | None
) -> tuple[list[tuple[str, Path]], tuple[str, ...]]:
    """Return the systems to replay, each with its folder of traces, and the groups.

    Raises:
        RegistryError: a system has no traces.
    """
    able = [name for name in registry.SYSTEMS if registry.part_of(name, "traces")]
    if words and golden is None:
        _check_first(words[0], able)
    if words and words[0] in registry.SYSTEMS:
        system, groups = words[0], words[1:]
    elif words or golden is not None:
        system, groups = registry.DEFAULT, words
    else:
        return [(name, shipped(name)) for name in able], ()
    return [(system, golden or shipped(system))], groups


def _check_first(word: str, able: Sequence[str]) -> None:
    """Refuse a word that is neither a system nor a group of the default one.

    Raises:
        TraceError: it is neither; the message lists all of them.
    """
    groups = {name: [group.name for group in find_groups(shipped(name))] for name in able}
    if word in registry.SYSTEMS or word in groups[registry.DEFAULT]:
        return
    known = {name: name for name in able} | {
        group: group if name == registry.DEFAULT else f"{name} {group}"
        for name in reversed(able)
        for group in groups[name]
    }
    near = f"; did you mean '{known[word]}'?" if word in known else near_match(word, known)
    listed = "; ".join(f"{name}: {', '.join(names)}" for name, names in groups.items())
    raise TraceError(
        f"verify: expected a system, or a group of {registry.DEFAULT}, got '{word}'{near}; there "
        f"are, by system, {listed}"
    )


def _verify(
    system: str, folder: Path, groups: tuple[str, ...], where: torch.device
) -> dict[str, Any]:
    """Replay a system's groups, show a row each, and return the results for --json.

    Raises:
        TraceError, RegistryError: see groups.verify.
    """
    kinds_of(system)
    traces: Any = registry.part_of(system, "traces")
    names = [group.name for group in find_groups(folder, groups)]
    width = max(map(len, ("group", *names)))
    click.echo(f"{plural(len(names), 'group')} of traces in {folder}, networks on {where}")
    tolerances = traces.tolerances_of(where) if hasattr(traces, "tolerances_of") else None
    if tolerances is not None:
        click.echo("Discrete values must be equal; numbers may be off by:")
        click.echo(f"{tolerances}")
    click.echo("")
    click.echo(f"{'group':{width}}  result     values  differ  largest      s  compared")
    note, results = _Note(), []
    for result in verify(folder, system=system, only=groups, device=where, tell=note.tell):
        note.clear()
        results.append(result)
        for line in _lines(result, width):
            click.echo(line)
    return {
        "system": system,
        "folder": str(folder),
        "device": str(where),
        "tolerances": None if tolerances is None else asdict(tolerances),
        "same": all(result.same for result in results),
        "groups": [_plain(result) for result in results],
    }


def _lines(result: GroupResult, width: int) -> list[str]:
    """Return a group's row, followed by what differs and what was left out."""
    verdict = "same" if result.same else "DIFFERS" if result.n_differ else "FAILED"
    largest = f"{result.largest:.1e}" if result.largest else "0"
    row = (
        f"{result.group:{width}}  {verdict:7} {result.n_values:9,d} {result.n_differ:7,d}  "
        f"{largest:7} {result.seconds:6.1f}  {result.what}"
    ).rstrip()
    below = [*map(str, result.differences), *result.notes]
    if result.error:
        below.insert(0, result.error)
    return [row, *(f"{'':{width}}  {line}" for line in below)]


def _plain(result: GroupResult) -> dict[str, Any]:
    """Return a result as JSON, which has no infinity."""
    largest = result.largest if math.isfinite(result.largest) else str(result.largest)
    return asdict(result) | {"same": result.same, "largest": largest}
