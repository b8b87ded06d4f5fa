"""Read and check the record of a training in a run's folder."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import RunFolderError
from dqn_port.fields import as_json
from dqn_port.files import read_start, reading, sha256_of
from dqn_port.games.ale.roms import game_of
from dqn_port.interfaces import System
from dqn_port.records import MOST, Column, RunRecord, Table
from dqn_port.registry import name_of, system_in
from dqn_port.runs.run_folder import ARGS, FINISHED, newest_snapshot
from dqn_port.runs.scores import SCORES

MOST_BYTES: Final = 256 * 2**20
"""Of a file that is read: above that of the longest run, whose table has a row an update."""
_BLOCK: Final = 10_000
"""Lines."""
EMPTY_COUNT: Final = -(2**63)
"""Stands for an empty cell among whole numbers."""
TIME: Final = "training_seconds"
"""The column of seconds of training since the row before, where a table has it."""
_HINT: Final = "look at the run with `dqn-port check`"
_ROUNDING: Final = 0.0006
"""Seconds that a row of history.csv may be off the snapshot: it holds three decimals."""


def read_run(folder: Path) -> RunRecord:
    """Read the record of a training; of a finished one the snapshot is checked.

    Raises:
        RunFolderError: it is not a run's folder, or a file in it is damaged or missing.
        T7Error, SnapshotError: the snapshot cannot be read.
        RegistryError, UsageError: see registry.system_in.
    """
    if not (folder / ARGS).is_file():
        raise RunFolderError(f"{folder}: expected a run's folder, got none with {ARGS}")
    arguments = _json(folder / ARGS)
    system = system_in(arguments)
    roles = {param.role: param.name for param in system.OPTIONS if param.role}
    name = _text(arguments, roles.get("name", "name"), folder / ARGS)
    about = _json(folder / FINISHED) if (folder / FINISHED).exists() else {}
    if about:
        _check_about(about, folder / FINISHED)
    table, *further = system.HISTORY
    history = _table(folder, table, finished=bool(about))
    snapshot = _snapshot(folder, name, about)
    return RunRecord(
        folder=folder,
        system=name_of(system),
        table=table,
        name=name,
        game=game_of(_text(arguments, roles["game"], folder / ARGS)) if "game" in roles else "",
        arguments=arguments,
        arguments_hash=about.get("arguments_hash", ""),
        seed=_seed(arguments, roles.get("seed", "seed"), folder / ARGS),
        about=about,
        finished=bool(about),
        history=history,
        time=_time(history, snapshot, system),
        snapshot=snapshot,
        further={
            each.name: (each, _table(folder, each, finished=bool(about)))
            for each in (*further, SCORES)
            if (folder / each.file).exists()
        },
    )


def _table(folder: Path, table: Table, *, finished: bool) -> dict[str, NDArray[Any]]:
    path = folder / table.file
    try:
        return read_table(_content(path), table, finished=finished)
    except HistoryCsvError as error:
        _fail(path, error.expected, error.got)


def _fail(path: Path, expected: str, got: str) -> NoReturn:
    raise RunFolderError(f"{path}: expected {expected}, got {got}; {_HINT}")


def _content(path: Path) -> bytes:
    content = read_start(path, MOST_BYTES + 1, RunFolderError, _HINT)
    if len(content) > MOST_BYTES:
        _fail(path, f"at most {MOST_BYTES:,} bytes", "more")
    return content


def _json(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(_content(path))
    except (ValueError, RecursionError) as error:
        _fail(path, "JSON", str(error) or type(error).__name__)
    if not isinstance(table, dict) or not table:
        _fail(path, "an object", as_json(table))
    return table


def _text(table: dict[str, Any], key: str, path: Path) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value or "\0" in value:
        _fail(path, f"{key}: a text", as_json(value))
    return value


def _seed(table: dict[str, Any], key: str, path: Path) -> int:
    value = table.get(key)
    number = value if isinstance(value, int | float) and value is not True else math.nan
    if not abs(number) <= 2**53 or number != int(number) or value is False:
        _fail(path, f"{key}: a whole number", as_json(value))
    return int(number)


def _check_about(about: dict[str, Any], path: Path) -> None:
    """Check the types of what is used of run.json."""
    for key in ("created", "snapshot", "arguments_hash", "rom_md5"):
        if (key in ("created", "snapshot") or key in about) and not isinstance(about.get(key), str):
            _fail(path, f"{key}: a text", as_json(about.get(key)))
    for key in ("sha256", "versions"):
        found = about.get(key)
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            _fail(path, f"{key}: an object of texts", as_json(found))


class HistoryCsvError(ValueError):
    """What is wrong with history.csv: in a few words, what was expected, and what was found."""

    def __init__(self, text: str, expected: str, got: str) -> None:
        super().__init__(text)
        self.expected, self.got = expected, got


def read_table(
    content: bytes, table: Table, *, finished: bool, rising: bool = True
) -> dict[str, NDArray[Any]]:
    """Return the columns of a table's file; an empty cell is NaN, the least int64 or an empty text.

    Of a run that is not ``finished`` a last row that was cut, as by a power cut, is left out.
    ``rising``: whether its clock must not fall.

    Raises:
        HistoryCsvError: it is none, or a row holds something else than its columns may.
    """
    if not finished:
        content = content[: content.rfind(b"\n") + 1]
    lines = csv_lines(content)
    if tuple(next(lines, ())) != table.names:
        expected = "the columns of a history"
        raise HistoryCsvError(f"expected {expected}, got others", expected, "others")
    # Cell by cell a million rows take a minute, so that columns are read, of a block of rows each.
    parts = [{column.name: _values(column, []) for column in table.columns}]
    number, before = 1, list[list[str]]()
    while new := list(itertools.islice(lines, _BLOCK)):
        block = before + new
        try:
            part = _columns(block, table, rising=rising)
        except (ValueError, OverflowError):
            at = _fault(block, table, rising=rising)
            where, line = f"line {number + 1 + at - len(before)}", as_json(",".join(block[at]))
            expected = "finite numbers and rising steps"
            raise HistoryCsvError(
                f"{where}: expected {expected}", f"{where}: {expected}", line
            ) from None
        parts.append({name: values[-len(new) :] for name, values in part.items()})
        number, before = number + len(new), new[-1:]
    return {name: np.concatenate([part[name] for part in parts]) for name in table.names}


def _fault(block: Sequence[list[str]], table: Table, *, rising: bool) -> int:
    """Return the first line of a block that may not stand behind the one before."""
    for i in range(len(block)):
        try:
            _columns(block[max(0, i - 1) : i + 1], table, rising=rising)
        except (ValueError, OverflowError):
            return i
    raise AssertionError


def _columns(block: Sequence[list[str]], table: Table, *, rising: bool) -> dict[str, NDArray[Any]]:
    """Return the columns of some lines.

    Raises:
        ValueError, OverflowError: a line holds something else than its columns may.
    """
    every = zip(table.columns, zip(*block, strict=True), strict=True)
    told = {column.name: _values(column, texts) for column, texts in every}
    last, clock = told[table.clock][:-1], told[table.clock][1:]
    if (rising and (clock < last).any()) or (not table.repeats and (clock == last).any()):
        raise ValueError(table.clock)
    return told


def csv_lines(content: bytes) -> Iterator[list[str]]:
    """Yield the lines of a CSV file.

    Raises:
        HistoryCsvError: it is none.
    """
    try:
        content.decode("utf-8")
        yield from csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8", newline=""))
    except (ValueError, csv.Error) as error:
        raise HistoryCsvError(str(error), "CSV", str(error)) from error


def _values(column: Column, texts: Sequence[str]) -> NDArray[Any]:
    """Return a column's values.

    Raises:
        ValueError, OverflowError: it may hold no such value.
    """
    if column.dtype == "text":
        return np.array(texts, dtype=object)
    kind, empty = (int, EMPTY_COUNT) if column.is_count else (float, math.nan)
    numbers = [kind(text) if text or not column.may_be_empty else empty for text in texts]
    values = np.array(numbers, dtype=np.int64 if column.is_count else np.float64)
    good = values > EMPTY_COUNT if column.is_count else np.abs(values) < MOST
    if texts.count("") != len(good) - int(good.sum()):
        raise ValueError(column.name)
    return values


def _snapshot(folder: Path, name: str, about: dict[str, Any]) -> Path | None:
    """Return the newest snapshot, checked against run.json."""
    if not about or not about["snapshot"]:
        return newest_snapshot(folder, name)
    path = folder / about["snapshot"]
    if Path(about["snapshot"]).name != about["snapshot"]:
        _fail(folder / FINISHED, "snapshot: the name of a file", as_json(about["snapshot"]))
    if not path.is_file():
        return None
    with reading(path, RunFolderError):
        digest = sha256_of(path)
    if digest != about["sha256"].get(path.name):
        _fail(path, f"the sha256 in {FINISHED}", digest)
    return path


def _time(
    history: Mapping[str, NDArray[Any]], snapshot: Path | None, system: System
) -> NDArray[np.float64] | None:
    """Return seconds of training so far: the snapshot's where they fit, else those of the rows."""
    seconds = history.get(TIME)
    if seconds is None:
        return None
    summed = np.concatenate([[0.0], np.cumsum(seconds)])
    told = None if snapshot is None else system.times(snapshot)
    if told is None or told.shape != summed.shape or not np.isfinite(told).all():
        return summed
    off = np.abs(told - summed) <= _ROUNDING * np.arange(1, len(summed) + 1)
    return told if off.all() and told[0] == 0 else summed
