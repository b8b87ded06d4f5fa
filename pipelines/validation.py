"""Check whether targets are intact: fully once, and again when their files change."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from dqn_port.errors import DqnPortError, RunFolderError
from dqn_port.files import sha256_of, write_whole
from dqn_port.runs.run_folder import ARGS, FINISHED
from dqn_port.runs.scores import SCORES

_MAX_JSON_BYTES: Final = 16_000_000


class TargetError(DqnPortError):
    """A target of a task is damaged, or what it was made from has changed."""


_seen: dict[tuple[Any, ...], str | None] = {}
_lock = threading.Lock()


def checked(files: Iterable[Path], key: str, check: Callable[[], None]) -> None:
    """Call ``check`` unless it was called for these files unchanged, and raise what it found.

    ``key``: what else the result depends on.

    Raises:
        TargetError: a file is missing, or ``check`` raised a DqnPortError.
    """
    try:
        stands = [(str(f), (s := f.stat()).st_mtime_ns, s.st_size, s.st_ino) for f in files]
    except OSError as error:
        raise TargetError(f"{error.filename}: {error.strerror or error}") from error
    known = (key, *stands)
    with _lock:
        fault = _seen.get(known, "")
    if fault == "":
        try:
            check()
            fault = None
        except DqnPortError as error:
            fault = str(error)
        with _lock:
            _seen[known] = fault
    if fault is not None:
        raise TargetError(fault)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises:
        TargetError: it cannot be read, or is not an object.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_JSON_BYTES + 1)
        table = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise TargetError(f"{path}: damaged: {why}") from error
    if not isinstance(table, dict) or len(content) > _MAX_JSON_BYTES:
        raise TargetError(f"{path}: damaged: expected an object of JSON, got something else")
    return table


def write_json(path: Path, table: Mapping[str, Any]) -> None:
    """Write an object as JSON, whole.

    Raises:
        RunFolderError: see files.write_whole.
    """
    text = json.dumps(table, indent=2, ensure_ascii=False) + "\n"
    write_whole(path, lambda file: file.write(text.encode("utf-8", "backslashreplace")))


def check_run_folder(folder: Path, digest: str, *, scored: bool = False) -> dict[str, Any]:
    """Check that a finished run's folder is intact and matches the arguments; return run.json.

    ``digest``: the arguments' hash. ``scored``: whether it must have scores, too. Every snapshot is
    read once, for its sha256.

    Raises:
        TargetError: it is not.
    """
    table = read_json(folder / FINISHED)
    sums = table.get("sha256")
    if not isinstance(sums, dict) or not sums or not all(map(_is_name, sums)):
        raise TargetError(f"{folder / FINISHED}: damaged: expected the sha256 of the snapshots")
    names = [FINISHED, ARGS, *sums, *([SCORES.file] if scored else [])]
    files = [folder / name for name in names]

    def check() -> None:
        if table.get("snapshot") not in sums:
            raise TargetError(f"{folder / FINISHED}: damaged: snapshot: expected a file of sha256")
        for name, expected in sums.items():
            if sha256_of(folder / name) != expected:
                raise TargetError(
                    f"{folder / name}: damaged: its sha256 is not the one in {FINISHED}"
                )
        found = table.get("arguments_hash")
        if found != digest:
            raise TargetError(
                f"{folder / FINISHED}: arguments_hash: expected {digest}, got {found}"
            )
        read_json(folder / ARGS)

    checked(files, digest, check)
    return table


def _is_name(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


MADE: Final = ".made-"


def made_path(target: Path) -> Path:
    """Return the path of the note about what a target was made from."""
    return target.with_name(f"{MADE}{target.name}.json")


def note_made(target: Path, files: Iterable[Path], sources: Iterable[Path]) -> None:
    """Note the sha256 of the files and of what they were made from; the target is then complete.

    Raises:
        RunFolderError: see files.write_whole; or a file is missing.
    """
    try:
        table = {
            "files": {path.name: sha256_of(path) for path in files},
            "sources": {_relative(p, target.parent): sha256_of(p) for p in sources},
        }
    except OSError as error:
        raise RunFolderError(f"{error.filename}: {error.strerror or error}") from error
    write_json(made_path(target), table)


def check_made(target: Path, files: Iterable[Path], sources: Iterable[Path]) -> None:
    """Check that neither ``files`` nor the ``sources`` they were made from have changed.

    Raises:
        TargetError: they have.
    """
    files, sources = list(files), list(sources)
    note = made_path(target)

    def check() -> None:
        table = read_json(note)
        for kind, paths in (("files", files), ("sources", sources)):
            noted = table.get(kind)
            names = {_relative(p, target.parent) if kind == "sources" else p.name: p for p in paths}
            if not isinstance(noted, dict) or noted.keys() != names.keys():
                raise TargetError(f"{note}: damaged: {kind}: expected {', '.join(names)}")
            for name, path in names.items():
                if sha256_of(path) != noted[name]:
                    why = "damaged" if kind == "files" else f"newer than {target}"
                    raise TargetError(f"{path}: {why}: its sha256 is not the one in {note.name}")

    checked([note, *files, *sources], "made", check)


def _relative(path: Path, folder: Path) -> str:
    """Return a path relative to a folder, which may be next to it, so that the whole tree can be
    moved."""
    return os.path.relpath(path, folder)


def short_hash(table: Mapping[str, Any]) -> str:
    """Return 10 hexadecimal digits of the sha256 of an object's canonical JSON."""
    text = json.dumps(table, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]
