"""Checkpoints of a run: all that is needed to resume exactly, whole or not at all.

``checkpoint/`` in a run's folder holds, for the newest two checkpoints, a manifest (N.json, written
last), the state (N.t7, see state_file) and the training's rings, such as its replay memory, in
segments: files of rows that were stored one after another, each written once and shared by the
checkpoints that need it, so that a checkpoint costs what was stored since the last one. Every
file's size and sha256 are in the manifest, and its own is at its end.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError
from dqn_port.files import reading, sha256_of, write_whole
from dqn_port.interfaces import Ring
from dqn_port.runs.state_file import load_state, save_state

FOLDER: Final = "checkpoint"
EVERY: Final = 600.0
"""Seconds from a checkpoint to the next."""

MOST_OF_THE_TIME: Final = 0.02
"""Share of the time that writing checkpoints may take; they then come less often."""

_FORMAT: Final = "dqn-port checkpoint 1"
_CHUNK: Final = 1 << 24
"""Bytes that are read and hashed at a time."""
_MERGED_UP_TO: Final = 1 << 28
"""Bytes up to which a new segment takes in those before it that are no larger; and an eighth of
the memory, so that two checkpoints take no more than twice its size.
"""
_DAMAGED: Final = "its sha256 is not the one that was written; it is damaged"
_LARGEST_MANIFEST: Final = 1 << 22
_FILE: Final = re.compile(r"[0-9]{8}\.t7|[a-z0-9_]{1,40}-[0-9]{1,16}-[0-9]{1,16}-[0-9]{8}\.bin")


@dataclass(frozen=True)
class _File:
    name: str
    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True)
class _Segment(_File):
    """The rows first to end − 1 of a ring, counted from the run's first one."""

    first: int
    end: int


@dataclass(frozen=True)
class Checkpoint:
    """What a manifest says."""

    serial: int
    step: int
    mode: str
    """full, or weights: without the replay memory."""
    state: _File
    segments: tuple[_Segment, ...]

    def of(self, ring: str) -> tuple[_Segment, ...]:
        """Return the segments of a ring."""
        return tuple(s for s in self.segments if s.name.startswith(f"{ring}-"))

    def held(self, ring: str) -> tuple[int, int]:
        """Return the first row of a ring that is held, from the run's first one, and the end."""
        segments = self.of(ring)
        return (segments[0].first, segments[-1].end) if segments else (0, 0)

    @property
    def rows(self) -> int:
        """How many rows are held in all."""
        return sum(segment.end - segment.first for segment in self.segments)


class Checkpoints:
    """The checkpoints of one run's folder."""

    def __init__(self, run_folder: Path) -> None:
        """Nothing is read or written yet."""
        self.folder = run_folder / FOLDER
        self._last: Checkpoint | None = None
        """The last checkpoint saved or loaded: what the next one builds on."""
        self._good: list[int] = []
        """The last two checkpoints saved or loaded, by number."""

    def serials(self) -> list[int]:
        """Return the numbers of the manifests there are, the newest first."""
        if not self.folder.is_dir():
            return []
        names = (re.fullmatch(r"([0-9]{8})\.json", path.name) for path in self.folder.iterdir())
        return sorted((int(match[1]) for match in names if match), reverse=True)

    def read(self, serial: int) -> Checkpoint:
        """Read a manifest, but not the files that it names.

        Raises:
            CheckpointError: it cannot be read, is damaged, or something else.
        """
        path = self._manifest(serial)
        try:
            if path.stat().st_size > _LARGEST_MANIFEST:
                raise ValueError(f"more than {_LARGEST_MANIFEST} bytes")
            table = json.loads(path.read_bytes())
            digest = table.pop("sha256")
            if digest != _digest(table) or table["format"] != _FORMAT:
                raise ValueError("its checksum is wrong")
            found = Checkpoint(
                serial=serial,
                step=_whole(table["step"]),
                mode=table["mode"],
                state=_File(**table["state"]),
                segments=tuple(_Segment(**segment) for segment in table["segments"]),
            )
            for file in (found.state, *found.segments):
                _whole(file.size)
                if not _FILE.fullmatch(file.name):
                    raise ValueError(f"no file of a checkpoint is called {file.name!r}")
            for segment in found.segments:
                if not 0 <= _whole(segment.first) < _whole(segment.end):
                    raise ValueError("a segment without rows")
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(f"{path}: expected a whole manifest, got {error}") from error
        return found

    def size(self) -> int:
        """Return how many bytes the checkpoints take."""
        if not self.folder.is_dir():
            return 0
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def check(self, serial: int) -> Checkpoint:
        """Read a manifest and every file it names, checksums and all.

        Raises:
            CheckpointError: one of them is missing, damaged, or something else.
        """
        found = self.read(serial)
        for file in (found.state, *found.segments):
            self._check_file(file)
        load_state(self.folder / found.state.name)
        return found

    def load(self, serial: int, rings: Mapping[str, Ring]) -> tuple[Checkpoint, dict[str, Any]]:
        """Return a checkpoint and its state; the rows go into the arrays of ``rings``.

        Their counts are not looked at: they are in the state.

        Raises:
            CheckpointError: see check; or the rows do not fit the rings.
        """
        found = self.read(serial)
        self._check_file(found.state)
        tree = load_state(self.folder / found.state.name)
        for name, ring in rings.items():
            if segments := found.of(name):
                self._fill(segments, ring)
        self._last = found
        self._good = [serial]
        return found, tree

    def save(self, tree: Mapping[str, Any], *, step: int, rings: Mapping[str, Ring] | None) -> Path:
        """Write a checkpoint; the ones before stay as they are until it is whole.

        ``rings``: whose rows belong to it; None: a checkpoint of mode weights.

        Raises:
            RunFolderError, T7Error: the disk is full, the folder cannot be written.
        """
        self.folder.mkdir(exist_ok=True)
        serial = max(self.serials(), default=0) + 1
        segments: list[_Segment] = []
        for name, ring in (rings or {}).items():
            segments += self._save_rows(name, ring, serial)
        path = self.folder / f"{serial:08d}.t7"
        save_state(path, tree)
        table: dict[str, Any] = {
            "format": _FORMAT,
            "step": step,
            "mode": "weights" if rings is None else "full",
            "state": asdict(_File(path.name, path.stat().st_size, sha256_of(path))),
            "segments": [asdict(segment) for segment in segments],
        }
        text = json.dumps(table | {"sha256": _digest(table)}, indent=1) + "\n"
        write_whole(self._manifest(serial), lambda file: file.write(text.encode()))
        self._last = self.read(serial)
        self._good = [*self._good[-1:], serial]
        self._remove_old()
        return self._manifest(serial)

    def keep_newest(self) -> None:
        """Remove all checkpoints but the newest one, which was saved or loaded here."""
        self._good = self._good[-1:]
        self._remove_old()

    def remove(self) -> None:
        """Remove all checkpoints."""
        for serial in self.serials():
            self._manifest(serial).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _manifest(self, serial: int) -> Path:
        return self.folder / f"{serial:08d}.json"

    def _save_rows(self, name: str, ring: Ring, serial: int) -> list[_Segment]:
        """Write what was stored since the last checkpoint; return all segments needed."""
        end, oldest = ring.added, ring.added - ring.held
        last = () if self._last is None else self._last.of(name)
        kept = [s for s in last if oldest < s.end <= end and self._is_there(s)]
        first = max(kept[-1].end if kept else oldest, oldest)
        row_bytes, length = _row_bytes(ring), _length(ring)
        if end - first >= length / 2:
            # Shared segments would add up to more than two whole memories.
            kept, first = [], oldest
        while (
            kept
            and kept[-1].first >= oldest
            and kept[-1].end - kept[-1].first <= end - first
            and end - kept[-1].first <= length / 8
            and (end - kept[-1].first) * row_bytes <= _MERGED_UP_TO
        ):
            first = kept.pop().first
        if first < end:
            path = self.folder / f"{name}-{first}-{end}-{serial:08d}.bin"
            sha256 = hashlib.sha256()

            def write(file: BinaryIO) -> None:
                for piece in _pieces(ring, first, end):
                    file.write(piece)
                    sha256.update(piece)

            write_whole(path, write)
            size = (end - first) * row_bytes
            kept.append(_Segment(path.name, size, sha256.hexdigest(), first, end))
        return kept

    def _is_there(self, file: _File) -> bool:
        path = self.folder / file.name
        return path.is_file() and path.stat().st_size == file.size

    def _remove_old(self) -> None:
        """Remove what the newest checkpoint and the one before, which was good, do not need."""
        kept: set[str] = set()
        for serial in self._good:
            found = self.read(serial)
            kept.add(self._manifest(serial).name)
            kept |= {file.name for file in (found.state, *found.segments)}
        # Manifests first: what is left is whole, or is no longer a checkpoint.
        for path in sorted(self.folder.iterdir(), key=lambda path: path.suffix != ".json"):
            if path.name not in kept and path.is_file():
                path.unlink(missing_ok=True)

    def _check_file(self, file: _File) -> None:
        path = self.folder / file.name
        self._check_size(path, file.size)
        with reading(path, CheckpointError):
            digest = sha256_of(path)
        if digest != file.sha256:
            raise CheckpointError(f"{path}: {_DAMAGED}")

    def _fill(self, segments: Sequence[_Segment], ring: Ring) -> None:
        """Read the segments into the ring, the newest rows that it can hold."""
        row_bytes, at = _row_bytes(ring), segments[0].first
        # With places of the system's own, later rows take those of earlier ones.
        oldest = 0 if ring.slots else segments[-1].end - _length(ring)
        for segment in segments:
            path = self.folder / segment.name
            if segment.first != at or segment.size != (segment.end - at) * row_bytes:
                raise CheckpointError(
                    f"{path}: expected rows from {at} on, {row_bytes} bytes each, got "
                    f"{segment.first} to {segment.end} in {segment.size} bytes"
                )
            self._check_size(path, segment.size)
            sha256 = hashlib.sha256()
            with path.open("rb") as file:
                for array in ring.arrays.values():
                    _read_rows(file, array, segment, ring, oldest=oldest, sha256=sha256)
            if sha256.hexdigest() != segment.sha256:
                raise CheckpointError(f"{path}: {_DAMAGED}")
            at = segment.end

    @staticmethod
    def _check_size(path: Path, expected: int) -> None:
        with reading(path, CheckpointError):
            size = path.stat().st_size
        if size != expected:
            raise CheckpointError(f"{path}: expected {expected} bytes, got {size}")


def _read_rows(
    file: BinaryIO,
    array: NDArray[Any],
    segment: _Segment,
    ring: Ring,
    *,
    oldest: int,
    sha256: Any,
) -> None:
    """Read a segment's rows of one array into their slots; those before ``oldest`` go nowhere."""
    rows_at_once = max(1, _CHUNK // array[0].nbytes)
    for begin in range(segment.first, segment.end, rows_at_once):
        n = min(rows_at_once, segment.end - begin)
        data = file.read(n * array[0].nbytes)
        if len(data) != n * array[0].nbytes:
            raise CheckpointError(f"{segment.name}: ended too early")
        sha256.update(data)
        rows = np.frombuffer(data, dtype=array.dtype).reshape(n, *array.shape[1:])
        skipped = min(n, max(0, oldest - begin))
        array[_slots(ring, begin + skipped, begin + n)] = rows[skipped:]


def _pieces(ring: Ring, first: int, end: int) -> Iterator[Any]:
    """Yield the bytes of the rows first to end − 1, array by array."""
    for array in ring.arrays.values():
        length = len(array)
        rows_at_once = max(1, _CHUNK // array[0].nbytes)
        at = first
        while at < end:
            if ring.slots is None:
                slot = at % length
                n = min(end - at, length - slot, rows_at_once)
                yield array[slot : slot + n].data
            else:
                n = min(end - at, rows_at_once)
                yield np.ascontiguousarray(array[_slots(ring, at, at + n)]).data
            at += n


def _slots(ring: Ring, first: int, end: int) -> NDArray[Any]:
    """Return the places of the rows first to end − 1."""
    rows = np.arange(first, end)
    return rows % _length(ring) if ring.slots is None else ring.slots(rows)


def _length(ring: Ring) -> int:
    return len(next(iter(ring.arrays.values())))


def _row_bytes(ring: Ring) -> int:
    return sum(array[0].nbytes for array in ring.arrays.values())


def _digest(table: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError(f"{value!r} where a whole number should be")
    return value
