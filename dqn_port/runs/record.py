"""The record of a training: what a run's folder tells of it, read and checked."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import RunFolderError
from dqn_port.fields import as_json
from dqn_port.files import read_start, reading, sha256_of
from dqn_port.runs.run_folder import ARGS, FINISHED, HISTORY, newest_snapshot
from dqn_port.systems.lua_dqn.histories import HISTORY_COLUMNS, WHOLE_COLUMNS
from dqn_port.systems.lua_dqn.snapshot import load_snapshot

_MOST_BYTES: Final = 64 * 2**20
"""Of a file that is read: far above that of the longest run."""
_HINT: Final = "look at the run with `dqn-port check`"
MOST: Final = 1e300
"""Of a number of a history, so that sums of them are finite, too."""
_ROUNDING: Final = 0.0006
"""Seconds that a row of history.csv may be off the snapshot: it holds three decimals."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What a run's folder tells of its training, or a snapshot alone, which may tell less."""

    folder: Path
    """The run's; of a snapshot alone, its file."""
    name: str
    game: str
    """Empty where it is not told."""
    arguments: dict[str, Any]
    """The options as they took effect, of args.json; those that a snapshot tells."""
    arguments_hash: str
    """Short hash of what makes two runs the same; empty while the run is unfinished."""
    seed: int | None
    about: dict[str, Any]
    """What run.json holds; empty while the run is unfinished."""
    finished: bool | None
    """None of a snapshot alone, which does not tell."""
    history: Mapping[str, NDArray[Any]]
    """Column of history.csv → int64 or float64 [n], one number an evaluation; those told."""
    time: NDArray[np.float64] | None
    """Seconds of training so far, [n + 1], 0 first; None where not told. Lua: time_history."""
    snapshot: Path | None
    """The newest one; None before the first, and where it was removed."""

    @property
    def n_evaluations(self) -> int:
        """Evaluations in training."""
        return len(next(iter(self.history.values()), ()))

    @property
    def rom_md5(self) -> str | None:
        """The md5 of the game's ROM; None for a game without one, and while unfinished."""
        return self.about.get("rom_md5")

    @property
    def versions(self) -> dict[str, str]:
        """Package → version; empty while unfinished."""
        return dict(self.about.get("versions", {}))

    @property
    def snapshot_sha256s(self) -> frozenset[str]:
        """The checksums of the snapshots that the finished run left."""
        return frozenset(self.about.get("sha256", {}).values())


def read_run(folder: Path) -> RunRecord:
    """Read what a run's folder tells of its training; a finished one's snapshot is checked.

    Raises:
        RunFolderError: it is no run's folder, or a file in it is damaged or missing.
        T7Error, SnapshotError: the snapshot cannot be read.
    """
    if not (folder / ARGS).is_file():
        raise RunFolderError(f"{folder}: expected a run's folder, got none with {ARGS}")
    arguments = _json(folder / ARGS)
    name = _text(arguments, "name", folder / ARGS)
    about = _json(folder / FINISHED) if (folder / FINISHED).exists() else {}
    if about:
        _check_about(about, folder / FINISHED)
    try:
        history = read_history(_content(folder / HISTORY), finished=bool(about))
    except HistoryCsvError as error:
        _fail(folder / HISTORY, error.expected, error.got)
    snapshot = _snapshot(folder, name, about)
    return RunRecord(
        folder=folder,
        name=name,
        game=_text(arguments, "env", folder / ARGS),
        arguments=arguments,
        arguments_hash=about.get("arguments_hash", ""),
        seed=_seed(arguments, folder / ARGS),
        about=about,
        finished=bool(about),
        history=history,
        time=_time(history["training_seconds"], snapshot),
        snapshot=snapshot,
    )


def _fail(path: Path, expected: str, got: str) -> NoReturn:
    raise RunFolderError(f"{path}: expected {expected}, got {got}; {_HINT}")


def _content(path: Path) -> bytes:
    content = read_start(path, _MOST_BYTES + 1, RunFolderError, _HINT)
    if len(content) > _MOST_BYTES:
        _fail(path, f"at most {_MOST_BYTES:,} bytes", "more")
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


def _seed(table: dict[str, Any], path: Path) -> int:
    value = table.get("seed")
    number = value if isinstance(value, int | float) and value is not True else math.nan
    if not abs(number) <= 2**53 or number != int(number) or value is False:
        _fail(path, "seed: a whole number", as_json(value))
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
    """What is wrong with history.csv, in a few words; and what was expected, and what is there."""

    def __init__(self, text: str, expected: str, got: str) -> None:
        super().__init__(text)
        self.expected, self.got = expected, got


def read_history(content: bytes, *, finished: bool) -> dict[str, NDArray[Any]]:
    """Return the columns of a history.csv.

    Of a run that is not ``finished`` a last row that was cut, as by a power cut, is left out.

    Raises:
        HistoryCsvError: it is none, or a row holds something else than finite numbers.
    """
    if not finished:
        content = content[: content.rfind(b"\n") + 1]
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))
    except (ValueError, csv.Error) as error:
        raise HistoryCsvError(str(error), "CSV", str(error)) from error
    if not lines or tuple(lines[0]) != HISTORY_COLUMNS:
        expected = "the columns of a history"
        raise HistoryCsvError(f"expected {expected}, got others", expected, "others")
    rows, last = [], 0
    for number, line in enumerate(lines[1:], start=2):
        try:
            row = [
                int(cell) if column in WHOLE_COLUMNS else float(cell)
                for column, cell in zip(HISTORY_COLUMNS, line, strict=True)
            ]
            whole = all(
                math.isfinite(cell) and abs(cell) < (2**63 if isinstance(cell, int) else MOST)
                for cell in row
            )
        except (ValueError, OverflowError):
            whole = False
        if not whole or row[0] <= last:
            where, expected = f"line {number}", "finite numbers and rising steps"
            raise HistoryCsvError(
                f"{where}: expected {expected}", f"{where}: {expected}", as_json(",".join(line))
            )
        rows.append(row)
        last = int(row[0])
    return {
        column: np.array(
            [row[i] for row in rows], dtype=np.int64 if column in WHOLE_COLUMNS else np.float64
        )
        for i, column in enumerate(HISTORY_COLUMNS)
    }


def _snapshot(folder: Path, name: str, about: dict[str, Any]) -> Path | None:
    """Return the newest snapshot, checked by what run.json tells of it."""
    if not about:
        return newest_snapshot(folder, name)
    path = folder / about["snapshot"]
    if Path(about["snapshot"]).name != about["snapshot"]:
        _fail(folder / FINISHED, "snapshot: the name of a file", as_json(about["snapshot"]))
    if not path.is_file():
        return None
    with reading(path, RunFolderError):
        digest = sha256_of(path)
    if digest != about["sha256"].get(path.name):
        _fail(path, f"the sha256 that {FINISHED} tells", digest)
    return path


def _time(seconds: NDArray[np.float64], snapshot: Path | None) -> NDArray[np.float64]:
    """Return seconds of training so far: the snapshot's where they fit, else those of the rows."""
    summed = np.concatenate([[0.0], np.cumsum(seconds)])
    if snapshot is None:
        return summed
    told = np.array(load_snapshot(snapshot).history("time_history"), dtype=np.float64)
    if told.shape != summed.shape or not np.isfinite(told).all():
        return summed
    off = np.abs(told - summed) <= _ROUNDING * np.arange(1, len(summed) + 1)
    return told if off.all() and told[0] == 0 else summed
