"""Write the histories of a training for TensorBoard, an optional extra."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dqn_port.errors import MissingLibraryError
from dqn_port.events import EpisodeEnded, Event, Resumed, Row
from dqn_port.records import Table


def require_tensorboard() -> Any:
    """Return the class that writes TensorBoard's files.

    Raises:
        MissingLibraryError: tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingLibraryError(
            "--tensorboard: expected the package tensorboard, which is not installed; "
            f"install it: {sys.executable} -m pip install tensorboard"
        ) from error
    return SummaryWriter


class TensorboardWriter:
    """Consume a training's events into a folder of TensorBoard files."""

    def __init__(self, folder: Path, tables: Sequence[Table]) -> None:
        """Open the files at the first event; when a run is resumed, later steps in old files are
        hidden.

        ``tables``: the system's, whose rows are written.

        Raises:
            MissingLibraryError: see require_tensorboard.
        """
        self._make = require_tensorboard()
        self._folder = folder
        self._tables = {table.name: table for table in tables}
        self._tags = {table.name: _tags(table) for table in tables}
        self._writer: Any = None
        self._first: int | None = None
        """The step from which entries of an earlier try are hidden."""

    def consume(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Resumed):
            self._first = event.step + 1
        elif isinstance(event, EpisodeEnded):
            self._add(event.step, {"training/episode_reward": event.reward})
        elif isinstance(event, Row):
            table = self._tables[event.table]
            cells = {name: event.cells.get(name) for name in self._tags[event.table]}
            step = cells.pop(table.clock, event.step)
            numbers = {
                self._tags[event.table][name]: float(value)
                for name, value in cells.items()
                if isinstance(value, int | float)
            }
            self._add(event.step if table.repeats or step is None else int(step), numbers)
            if not event.table:
                self._writer.flush()

    def _add(self, step: int, values: dict[str, float]) -> None:
        if self._writer is None:
            self._writer = self._make(log_dir=str(self._folder), purge_step=self._first)
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close the files."""
        if self._writer is not None:
            self._writer.close()


def _tags(table: Table) -> dict[str, str]:
    """Return column → tag of the columns that are written."""
    tagged = {column.name: column.tag for column in table.columns if column.tag}
    prefix = table.name or "history"
    every = {c.name: f"{prefix}/{c.name}" for c in table.columns if c.dtype != "text"}
    return tagged or every
