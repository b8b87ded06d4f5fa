"""Write the histories of runs and their evaluations as one HDF5 file."""

from __future__ import annotations

import datetime
import io
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import HistoryError
from dqn_port.exports.hdf5_layout import (
    CONVENTIONS,
    EPISODES,
    RUNS,
    SCHEMA,
    SCHEMA_VERSION,
    TEXT,
    Series,
    group_of,
    history_series,
    told_history,
)
from dqn_port.files import write_whole
from dqn_port.records import Columns, RunRecord, Table
from dqn_port.runs.evaluations import EvaluationRecord, snapshots_of, stranger

Exported = tuple[RunRecord, Sequence[EvaluationRecord]]
"""A run, and the evaluations of its snapshots."""

_LIBVER: Final = ("v108", "v108")
"""HDF5 1.8 of 2008, which every reader knows: its headers have checksums, its attributes no limit
of 64 KiB."""


def export_hdf5(
    path: Path, runs: Sequence[Exported], *, created: datetime.datetime | None = None
) -> None:
    """Write runs and their evaluations to an HDF5 file; the same input gives the same bytes.

    One run is stored at the file's root, several under ``/runs/<id>``. ``created``: None takes the
    time at which the last of the runs was finished, so that it is reproducible, too.

    Raises:
        HistoryError: there is no run, or one is given twice.
        EvaluationError: an evaluation does not belong to its run.
        RunFolderError: see files.write_whole.
    """
    if not runs:
        raise HistoryError(f"{path}: expected at least one run to export, got none")
    for run, evaluations in runs:
        for evaluation in evaluations:
            if evaluation.snapshot_sha256 not in snapshots_of(run):
                raise stranger([run], evaluation)
    ids = run_ids([run for run, _ in runs])
    when = _last_finished([run for run, _ in runs]) if created is None else _iso(created)
    # The library writes to memory, so that only write_whole can meet a full disk.
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=_LIBVER) as file:
        _put_attribute(file, "schema", SCHEMA)
        _put_attribute(file, "schema_version", SCHEMA_VERSION)
        _put_attribute(file, "Conventions", CONVENTIONS)
        _put_attribute(file, "created", when)
        _put_attribute(file, "run_count", len(runs))
        if len(runs) == 1:
            _write_run(file, *runs[0])
        else:
            for name, (run, evaluations) in zip(ids, runs, strict=True):
                _write_run(file.create_group(f"{RUNS}/{name}"), run, evaluations)
    write_whole(path, lambda file: file.write(buffer.getbuffer()))


def run_ids(runs: Sequence[RunRecord]) -> list[str]:
    """Return the names of several runs, with their hashes appended if two runs share a name.

    Raises:
        HistoryError: a run is given twice.
    """
    folders = Counter(run.folder.resolve() for run in runs)
    for folder, times in folders.items():
        if times > 1:
            raise HistoryError(f"{folder}: expected every run once, got it {times} times")
    names = [run.name.replace("/", "_").strip(".") or "run" for run in runs]
    shared = {name for name, times in Counter(names).items() if times > 1}
    ids: list[str] = []
    for run, name in zip(runs, names, strict=True):
        base = f"{name}-{run.arguments_hash}" if name in shared and run.arguments_hash else name
        others = (f"{base}-{number}" for number in itertools.count(2))
        ids.append(next(found for found in itertools.chain([base], others) if found not in ids))
    return ids


def _last_finished(runs: Sequence[RunRecord]) -> str:
    """Return when the last of the runs was finished, or else when its histories were written."""
    return max(_created(run) for run in runs)


def _created(run: RunRecord) -> str:
    if run.finished:
        try:
            return _iso(datetime.datetime.fromisoformat(run.about["created"]))
        except (ValueError, OverflowError) as error:
            raise HistoryError(
                f"{run.folder}: created: expected a date of ISO 8601, got {run.about['created']!r}"
            ) from error
    file = run.folder if run.finished is None else run.folder / "history.csv"
    modified = file.stat().st_mtime
    return _iso(datetime.datetime.fromtimestamp(modified, datetime.UTC))


def _iso(when: datetime.datetime) -> str:
    """Return a date of ISO 8601 in UTC; one without a zone is local time."""
    return when.astimezone(datetime.UTC).isoformat(timespec="seconds")


def _write_run(group: Any, run: RunRecord, evaluations: Sequence[EvaluationRecord]) -> None:
    attributes = {
        "name": run.name,
        "game": run.game,
        "rom_md5": run.rom_md5 or "",
        "arguments": _compact(run.arguments),
        "arguments_hash": run.arguments_hash,
        "versions": _compact(run.versions),
        "seed": run.seed,
        "finished": None if run.finished is None else np.uint8(run.finished),
        "system": run.system,
        "tables": _compact(
            [t.to_json() for t in (run.table, *(t for t, _ in run.further.values()))]
        ),
    }
    for name, value in attributes.items():
        if value is not None:
            _put_attribute(group, name, value)
    history = _history(run)
    tables = {
        "history": (told_history(run.table, history), history),
        **{
            group_of(table): (history_series(table), _numbers(table, columns))
            for table, columns in run.further.values()
        },
        "episodes": (EPISODES, _episodes(evaluations)),
    }
    for name, (every, table) in tables.items():
        inner = group.create_group(name)
        for series in every:
            _write_series(inner, series, table[series.name])
    _put_attribute(group["episodes"], "evaluations", _compact([*map(_told, evaluations)]))


def _history(run: RunRecord) -> dict[str, NDArray[Any]]:
    """Return the series that a run has, with the scales of their axes."""
    table = _numbers(run.table, run.history)
    clock = history_series(run.table)[0].name
    scale = clock if clock in table else "evaluation"
    counted = table.setdefault(scale, np.arange(1, run.n_evaluations + 1))
    if run.time is not None:
        table[f"time_{scale}"] = np.concatenate([[0], counted]).astype(np.int64)
        table["time"] = run.time
    return table


def _numbers(table: Table, columns: Columns) -> dict[str, NDArray[Any]]:
    """Return the series of a table for which it has columns."""
    return {
        series.name: columns[series.column]
        for series in history_series(table)
        if series.column in columns
    }


def _episodes(evaluations: Sequence[EvaluationRecord]) -> dict[str, NDArray[Any]]:
    played = [(i, e) for i, record in enumerate(evaluations) for e in record.episodes]
    columns: dict[str, list[Any]] = {
        "episode": list(range(len(played))),
        "return": [episode.reward for _, episode in played],
        "length": [episode.steps for _, episode in played],
        "frames": [episode.frames for _, episode in played],
        "seed": [episode.seed for _, episode in played],
        "network": [episode.network for _, episode in played],
        "cut": [int(episode.cut) for _, episode in played],
        "evaluation": [i for i, _ in played],
    }
    return {series.name: np.array(columns[series.name], dtype=series.dtype) for series in EPISODES}


def _told(evaluation: EvaluationRecord) -> dict[str, Any]:
    """Return the description of an evaluation: what was played, and how."""
    return {
        "folder": evaluation.folder.name,
        "snapshot": evaluation.snapshot,
        "snapshot_sha256": evaluation.snapshot_sha256,
        "epsilon": evaluation.epsilon,
        "seeds": list(evaluation.seeds),
        "max_frames": evaluation.max_frames,
        "frames_per_step": evaluation.frames_per_step,
        "random_starts": evaluation.random_starts,
        "versions": evaluation.versions,
    }


def _write_series(group: Any, series: Series, values: NDArray[Any]) -> None:
    n = len(values)
    # HDF5 has no filters for strings of variable length.
    is_text = series.dtype == TEXT
    filters = {} if is_text else {"compression": "gzip", "shuffle": True, "fletcher32": True}
    dataset = group.create_dataset(
        series.name,
        data=values.astype(object if is_text else series.dtype),
        dtype=h5py.string_dtype("utf-8") if is_text else series.dtype,
        # A chunk may not be longer than its dataset's maximum, and has at least one number.
        chunks=(max(1, n),),
        maxshape=(n or None,),
        track_times=False,
        **filters,
    )
    if series.axis == series.name:
        dataset.make_scale(series.name)
    else:
        dataset.dims[0].attach_scale(group[series.axis])
    _put_attribute(dataset, "units", series.units)
    _put_attribute(dataset, "long_name", series.long_name)


def _put_attribute(target: Any, name: str, value: Any) -> None:
    """Write a number, or a string as UTF-8 of fixed length."""
    if isinstance(value, str):
        # An old argument may hold a stray byte, a lone surrogate here.
        content = value.encode("utf-8", "backslashreplace")
        kind = h5py.string_dtype("utf-8", max(1, len(content)))
        target.attrs.create(name, np.array(content, dtype=kind))
    elif isinstance(value, int):
        target.attrs.create(name, np.int64(value))
    else:
        target.attrs.create(name, value)


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
