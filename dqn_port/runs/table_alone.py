"""A table by itself, without its run's folder: a copied history.csv, or an original's own CSV."""

from __future__ import annotations

from pathlib import Path

from dqn_port.errors import HistoryError
from dqn_port.files import read_start
from dqn_port.records import RunRecord
from dqn_port.registry import system_with_table
from dqn_port.runs.record import MOST_BYTES, HistoryCsvError, csv_lines, read_table
from dqn_port.runs.run_folder import ARGS


def read_table_alone(path: Path) -> RunRecord:
    """Read a table, known by its columns, as the record of a run that tells no more.

    Raises:
        HistoryError: it cannot be read, has no row, or is not a system's table.
    """
    content = read_start(path, MOST_BYTES, HistoryError, "")
    try:
        names = next(csv_lines(content), [])
        if (found := system_with_table(names)) is None:
            raise HistoryError(
                f"{path}: expected the columns of a table that a system keeps, got "
                f"{','.join(names)[:60]!r}"
            )
        system, table = found
        # In an original's file a later run's rows may stand behind an earlier one's.
        history = read_table(content, table, finished=True, rising=not table.repeats)
    except HistoryCsvError as error:
        raise HistoryError(f"{path}: expected {error.expected}, got {error.got}") from error
    if not len(history[table.clock]):
        raise HistoryError(f"{path}: expected at least one row, got none")
    return RunRecord(
        folder=path,
        system=system,
        table=table,
        name=path.absolute().parent.name if (path.parent / ARGS).exists() else path.stem,
        game="",
        arguments={},
        arguments_hash="",
        seed=None,
        about={},
        finished=None,
        history=history,
        time=None,
        snapshot=None,
    )
