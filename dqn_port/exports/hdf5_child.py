"""Read one HDF5 file of histories and write it to stdout as JSON, or report what is wrong with it.

The HDF5 library can crash on a hostile file, or ask for all memory: hdf5_reading runs this module
in a separate process, under limits. It trusts nothing in the file: names, types, shapes, filters
and links are compared with hdf5_layout before a number is read.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from dqn_port.exports.hdf5_layout import (
    EPISODES_ATTRIBUTES,
    FILE_ATTRIBUTES,
    RUN_ATTRIBUTES,
    RUNS,
    SCHEMA,
    SCHEMA_VERSION,
    SERIES_ATTRIBUTES,
    TEXT,
    Series,
    attributes_of,
    episode_series,
    first_tables,
    group_of,
    history_series,
    told_history,
)
from dqn_port.records import Table, table_from_json

_MOST_MEMORY: Final = 2 * 2**30
"""Bytes of address space; a suite of 49 games and 5 seeds needs a tenth."""
_MOST_SECONDS: Final = 60
_MOST_ENTRIES: Final = 20_000_000
"""Numbers in a file: twice as many as in a run with a million rows of ten."""
_MOST_TEXT: Final = 256 * 2**20
"""Bytes of one attribute; args.json may have a quarter, and its escapes three times as many."""
_MOST_DEFLATED: Final = 1032
"""What a byte of deflate can hold at most."""
_REFERENCE: Final = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
"""How a chunk holds a string of variable length."""
_SCALES: Final = {"CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST"}
"""Attributes of HDF5's dimension scales; the library itself reads them."""


class _Fault(Exception):  # noqa: N818
    """Something in the file is wrong: where, expected, got."""

    def __init__(self, where: str, expected: str, got: str) -> None:
        super().__init__(f"{where}: expected {expected}, got {got}")


class _Room:
    """Count how much may still be read."""

    def __init__(self, size: int) -> None:
        """``size``: of the file, in bytes."""
        self._size, self._entries = size, 0

    def take(self, where: str, n: int, itemsize: int) -> None:
        """Count a dataset of ``n`` entries.

        Raises:
            _Fault: the file cannot hold them, or there are too many in all.
        """
        self._entries += n
        if n * itemsize > _MOST_DEFLATED * self._size or self._entries > _MOST_ENTRIES:
            most = f"what a file of {self._size:,} bytes can hold, {_MOST_ENTRIES:,} in all"
            raise _Fault(where, most, f"{n:,} entries")


FAULTS: Final = (
    _Fault,
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    MemoryError,
)
"""The errors that a damaged file can cause, apart from a crash."""


def read(path: Path, *, layout: bool = False) -> dict[str, Any]:
    """Return the attributes and runs of a file and, if ``layout``, the lines that list it.

    Raises:
        FAULTS: it is damaged, or something else.
    """
    room = _Room(path.stat().st_size)
    with h5py.File(path, "r", locking=False) as file:
        if "schema" not in file.attrs:
            raise _Fault("/", f"the attribute schema of a {SCHEMA}", "none")
        for name, known in (
            ("schema", (SCHEMA,)),
            ("schema_version", range(1, SCHEMA_VERSION + 1)),
        ):
            if (found := _attribute(file, "/", name, FILE_ATTRIBUTES[name])) not in known:
                raise _Fault(f"/@{name}", " or ".join(map(repr, known)), repr(found)[:60])
        count = _attribute(file, "/", "run_count", "i")
        single = count == 1
        version = _attribute(file, "/", "schema_version", "i")
        of_run = attributes_of(set(file.attrs), version) if single else {}
        attributes = _attributes(file, "/", FILE_ATTRIBUTES | of_run)
        if single:
            runs = [_run(file, "/", room, attributes, version)]
        else:
            _check_members(file, "/", {RUNS})
            all_runs = _group(file, f"/{RUNS}")
            _attributes(all_runs, f"/{RUNS}", {})
            names = sorted(all_runs)
            if len(names) != count:
                raise _Fault(f"/{RUNS}", f"{count} runs", str(len(names)))
            runs = []
            for name in names:
                where = f"/{RUNS}/{name}"
                group = _group(all_runs, where)
                of_run = _attributes(group, where, attributes_of(set(group.attrs), version))
                runs.append(_run(group, where, room, of_run, version))
        return {
            "attributes": {name: attributes[name] for name in FILE_ATTRIBUTES},
            "runs": runs,
            "layout": list(_layout(file, "/")) if layout else [],
        }


# Every object's path is passed on as ``where``: asking the library for it, .name, is slow.


def _run(
    group: Any,
    where: str,
    room: _Room,
    attributes: dict[str, Any],
    version: int,
) -> dict[str, Any]:
    """Return what a run's group holds."""
    tables = _tables(attributes, where)
    table = tables[0]
    groups = {group_of(each): history_series(each) for each in tables}
    groups["episodes"] = episode_series(version)
    _check_members(group, where, set(groups))
    run: dict[str, Any] = {
        "path": where,
        "attributes": {name: attributes[name] for name in RUN_ATTRIBUTES if name in attributes},
    }
    for name, series in groups.items():
        place = _below(where, name)
        inner = _group(group, place)
        found = _attributes(inner, place, EPISODES_ATTRIBUTES if name == "episodes" else {})
        if name == "history" and "finished" not in attributes:
            series = told_history(table, set(inner))
        _check_members(inner, place, {each.name for each in series})
        axes: dict[str, Any] = {}
        run[name] = {}
        for each in series:
            spot = f"{place}/{each.name}"
            dataset = _dataset(inner, spot, each, room)
            axis = axes.setdefault(each.axis, dataset)
            if dataset.shape != axis.shape:
                raise _Fault(spot, f"{axis.shape} as {each.axis} has", f"{dataset.shape}")
            _check_scale(dataset, spot, axis, each)
            run[name][each.name] = _values(dataset, spot, each)
        run[f"{name}_attributes"] = found
    run["tables"] = [each.to_json() for each in tables]
    history, clock = run["history"], history_series(table)[0].name
    scale = clock if clock in history else "evaluation"
    if scale == "evaluation" and history[scale] != list(range(1, len(history[scale]) + 1)):
        raise _Fault(_below(where, "history/evaluation"), "the numbers from 1 on", "others")
    if history.get(f"time_{scale}", [0, *history[scale]]) != [0, *history[scale]]:
        raise _Fault(_below(where, f"history/time_{scale}"), f"0 and the {scale}s", "others")
    return run


def _tables(attributes: dict[str, Any], where: str) -> tuple[Table, ...]:
    """Return the tables of a run as the file describes them; those of old versions are known."""
    if "tables" not in attributes:
        return first_tables()
    try:
        told = json.loads(attributes["tables"])
        if not isinstance(told, list) or not 0 < len(told) <= 20:
            raise ValueError("a list of tables")
        tables = tuple(map(table_from_json, told))
        if tables[0].name or len({table.name for table in tables}) != len(tables):
            raise ValueError("tables of different names, the first without one")
    except (ValueError, RecursionError) as error:
        raise _Fault(f"{where}@tables", str(error), "others") from None
    return tables


def _below(where: str, name: str) -> str:
    return f"{where.rstrip('/')}/{name}"


def _check_members(group: Any, where: str, expected: set[str]) -> None:
    found = set(group)
    if found != expected:
        odd = ", ".join(sorted(map(str, found ^ expected))[:3])
        raise _Fault(where, f"the members {', '.join(sorted(expected))}", f"others ({odd})")


def _member(group: Any, where: str) -> Any:
    """Return a member by its hard link; no other is followed, so that no other file is opened."""
    name = where.rpartition("/")[2]
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise _Fault(where, "an object", f"a link ({type(link).__name__})")
    return group[name]


def _group(parent: Any, where: str) -> Any:
    found = _member(parent, where)
    if not isinstance(found, h5py.Group):
        raise _Fault(where, "a group", type(found).__name__)
    return found


def _dataset(group: Any, where: str, series: Series, room: _Room) -> Any:
    """Return a dataset after checking that its type, shape, filters and size are those of its
    series."""
    found = _member(group, where)
    if not isinstance(found, h5py.Dataset):
        raise _Fault(where, "a dataset", type(found).__name__)
    _check_type(found, where, series)
    if found.ndim != 1:
        raise _Fault(where, "one dimension", str(found.ndim))
    n = found.shape[0]
    room.take(where, n, found.dtype.itemsize)
    filters = (found.compression, found.shuffle, found.fletcher32)
    n_filters = found.id.get_create_plist().get_nfilters()
    wanted = [(0, None, False, False)] if series.dtype == TEXT else [(3, "gzip", True, True)]
    if (n_filters, *filters) not in wanted or found.chunks != (max(1, n),):
        told = "no filter" if series.dtype == TEXT else "shuffle, gzip and fletcher32"
        raise _Fault(where, f"one chunk with {told}", "another storage")
    if found.external or found.is_virtual or found.id.get_num_chunks() != min(1, n):
        raise _Fault(where, f"{min(1, n)} stored chunks", "another number")
    if n:
        # A chunk that the library does not find reads as zeros, without an error.
        chunk = found.id.get_chunk_info_by_coord((0,))
        if chunk.byte_offset is None or chunk.filter_mask or chunk.chunk_offset != (0,):
            raise _Fault(where, "a chunk with every filter", "none")
    _attributes(found, where, SERIES_ATTRIBUTES)
    return found


def _check_type(dataset: Any, where: str, series: Series) -> None:
    kind, another = dataset.id.get_type(), "another class of types"
    if series.dtype == TEXT:
        if kind.get_class() != h5py.h5t.STRING or not kind.is_variable_str():
            raise _Fault(where, "texts of any length", another)
        return
    expected = np.dtype(series.dtype)
    classes = {"S": h5py.h5t.STRING, "f": h5py.h5t.FLOAT}
    if kind.get_class() != classes.get(expected.kind, h5py.h5t.INTEGER) or (
        expected.kind == "S" and kind.is_variable_str()
    ):
        raise _Fault(where, f"the type {series.dtype}", another)
    if dataset.dtype != expected:
        raise _Fault(where, f"the type {series.dtype}", str(dataset.dtype))


def _check_references(dataset: Any, where: str, series: Series) -> None:
    """Check where the strings of a chunk are: each at its own place, none longer than a word.

    No checksum covers that, and a reference is read before the string that it points to.
    """
    _, chunk = dataset.id.read_direct_chunk((0,))
    found = np.frombuffer(chunk, dtype=_REFERENCE)
    if set(found["length"].tolist()) - set(map(len, series.words)):
        raise _Fault(where, f"texts as long as {' or '.join(series.words)}", "others")
    if len(np.unique(found[["heap", "index"]])) != len(found):
        raise _Fault(where, "every text once in the file", "one for two entries")


def _check_scale(dataset: Any, where: str, axis: Any, series: Series) -> None:
    """Check that a dataset is a dimension scale, or has the right one attached."""
    if series.axis == series.name:
        if not h5py.h5ds.is_scale(dataset.id):
            raise _Fault(where, "a dimension scale", "none")
        return
    scales = dataset.dims[0].values()
    if len(scales) != 1 or scales[0].id != axis.id:
        raise _Fault(where, f"the scale {series.axis} attached", "others or none")


def _values(dataset: Any, where: str, series: Series) -> list[Any]:
    if series.dtype == TEXT and len(dataset):
        _check_references(dataset, where, series)
    values: list[Any] = dataset[...].tolist()
    if not series.words:
        return values
    words = [word.decode("latin-1") for word in values]
    if odd := set(words) - set(series.words):
        raise _Fault(where, " or ".join(series.words), repr(min(odd)))
    return words


def _attributes(target: Any, where: str, kinds: dict[str, str]) -> dict[str, Any]:
    """Return the attributes of an object after checking that they are exactly those expected."""
    found = set(target.attrs) - (_SCALES if isinstance(target, h5py.Dataset) else set())
    if found != set(kinds):
        odd = ", ".join(sorted(map(str, found ^ set(kinds)))[:3])
        raise _Fault(where, f"the attributes {', '.join(kinds) or 'none'}", f"others ({odd})")
    return {name: _attribute(target, where, name, kind) for name, kind in kinds.items()}


def _attribute(target: Any, where: str, name: str, kind: str) -> Any:
    """Return an attribute that is one number, or a string of fixed length."""
    place, expected = f"{where}@{name}", {"S": "a text", "i": "int64", "u": "uint8"}[kind]
    found = target.attrs.get_id(name)
    stored = found.get_type()
    classes = {"S": h5py.h5t.STRING, "i": h5py.h5t.INTEGER, "u": h5py.h5t.INTEGER}
    if stored.get_class() != classes[kind] or (kind == "S" and stored.is_variable_str()):
        raise _Fault(place, expected, "another class of types")
    if found.shape != () or (kind != "S" and found.dtype != np.dtype(expected)):
        raise _Fault(place, expected, f"{found.dtype} {found.shape}")
    if kind != "S":
        return int(target.attrs[name])
    if stored.get_size() > _MOST_TEXT:
        raise _Fault(place, f"at most {_MOST_TEXT:,} bytes", f"{stored.get_size():,}")
    try:
        return bytes(target.attrs[name]).decode()
    except UnicodeDecodeError:
        raise _Fault(place, "a text in UTF-8", "other bytes") from None


def _layout(target: Any, where: str) -> Iterator[str]:
    """Yield lines that list the contents of a group, with types and storage; everything is
    checked."""
    if isinstance(target, h5py.Group):
        yield f"GROUP {where}"
    else:
        is_scale = h5py.h5ds.is_scale(target.id)
        axis = "" if is_scale else target.dims[0][0].name.rpartition("/")[2]
        role = "dimension scale" if is_scale else f"along {axis}"
        most = " of any number" if target.maxshape == (None,) else ""
        kind = f"{_type(target.id.get_type())} {target.shape}{most}"
        yield f"DATASET {where}  {kind}, {role}"
        filters = "no filter"
        if target.compression:
            filters = f"shuffle, {target.compression} {target.compression_opts}, fletcher32"
        yield f"    chunks {target.chunks}, {filters}, {target.id.get_storage_size()} bytes"
    for name in sorted(set(target.attrs) - _SCALES):
        yield f"    {name}: {_type(target.attrs.get_id(name).get_type())} = {_told(target, name)}"
    for name in sorted(target) if isinstance(target, h5py.Group) else ():
        yield from _layout(target[name], _below(where, name))


def _type(stored: Any) -> str:
    """Return the name of a stored type."""
    if stored.get_class() == h5py.h5t.STRING:
        return "text" if stored.is_variable_str() else f"text[{stored.get_size()}]"
    return str(stored.dtype)


def _told(target: Any, name: str) -> str:
    value = target.attrs[name]
    return bytes(value).decode() if isinstance(value, bytes) else str(value)


def main() -> None:
    """Read the file that the first argument names; with a second argument, list its layout, too."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = _MOST_MEMORY if hard == resource.RLIM_INFINITY else min(_MOST_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_SECONDS, _MOST_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answer = read(Path(sys.argv[1]), layout=len(sys.argv) > 2)
    except _Fault as fault:
        answer = {"fault": str(fault)}
    except FAULTS as error:
        answer = {"library": f"{type(error).__name__}: {error}"}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
