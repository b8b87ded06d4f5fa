"""The files that a training appends to while it runs: its tables, and a system's own."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from dqn_port.errors import CheckpointError
from dqn_port.files import write_whole, writing
from dqn_port.records import Table

ELSEWHERE: Final = "give another --out"


class RunFiles:
    """A run's folder as its training writes to it; see interfaces.Files.

    Until ``begin`` or ``go_on`` nothing is written: what is appended before is the beginning of
    files that may exist already.
    """

    def __init__(self, folder: Path, check: Callable[[], None]) -> None:
        """``check`` raises LockedError where another process has taken the folder over."""
        self.folder, self._check = folder, check
        self._begun: dict[str, bytes] | None = {}
        self._names: set[str] = set()

    def path(self, name: str) -> Path:
        """Return where a file goes that is written whole at once."""
        self._check()
        return self.folder / name

    def write(self, name: str, write: Callable[[BinaryIO], object]) -> Path:
        """Write a file whole, and return where it is."""
        path = self.path(name)
        write_whole(path, write)
        return path

    def append(self, name: str, text: str) -> None:
        """Append to a text file."""
        self._append(name, text.encode("utf-8", "backslashreplace"))

    def append_row(self, table: Table, cells: Mapping[str, Any]) -> None:
        """Append a row to a table; it is on the disk then where it is the one with the score."""
        self._append(table.file, csv_of([cells], table), synced=not table.name)

    def begin_table(self, table: Table) -> None:
        """Begin a table with its header."""
        self._append(table.file, csv_of([], table, header=True))

    def _append(self, name: str, content: bytes, *, synced: bool = False) -> None:
        self._names.add(name)
        if self._begun is not None:
            self._begun[name] = self._begun.get(name, b"") + content
            return
        path = self.folder / name
        with writing(path, ELSEWHERE), path.open("ab") as file:
            file.write(content)
            file.flush()
            if synced:
                os.fsync(file.fileno())

    def begin(self) -> None:
        """Write the beginnings of all files."""
        begun, self._begun = self._begun or {}, None
        for name, content in begun.items():
            self._write(name, content)

    def go_on(self, kept: Mapping[str, int | bytes]) -> None:
        """Cut files to their lengths, or write what they held; begin those that are new.

        Raises:
            CheckpointError: one is shorter than it was.
        """
        begun = self._begun or {}
        contents: dict[str, bytes | None] = {}
        for name, what in {**begun, **kept}.items():
            contents[name] = self._start_of(name, what) if isinstance(what, int) else what
        self._names |= contents.keys()
        self._begun = None
        for name, kept_content in contents.items():
            self._write(name, kept_content)

    def _start_of(self, name: str, length: int) -> bytes | None:
        """Return the first bytes of a file; None where it holds no more."""
        path = self.folder / name
        size = path.stat().st_size if path.is_file() else 0
        if size < length:
            raise CheckpointError(
                f"{path}: expected the {length} bytes it had at the checkpoint, got {size}"
            )
        if size == length:
            return None
        with path.open("rb") as file:
            return file.read(length)

    def _write(self, name: str, content: bytes | None) -> None:
        if content is not None:
            write_whole(self.folder / name, lambda file: file.write(content))

    def lengths(self) -> dict[str, int]:
        """Return how long every file is, all of it on the disk."""
        found = {}
        for name in sorted(self._names):
            path = self.folder / name
            with writing(path, ELSEWHERE), path.open("ab") as file:
                os.fsync(file.fileno())
            found[name] = path.stat().st_size
        return found


def csv_of(rows: Iterable[Mapping[str, Any]], table: Table, *, header: bool = False) -> bytes:
    """Return rows as a table's file holds them; an empty cell is None."""
    text = io.StringIO()
    writer = csv.DictWriter(text, table.names, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")
