"""TrainEvalReport: the chain, from the ROM to the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import luigi

from pipelines.base import EvaluationTask
from pipelines.export_history import ExportHistory
from pipelines.report import Report


class TrainEvalReport(EvaluationTask):
    """Check the ROM, train, evaluate, export the histories and write the report."""

    def requires(self) -> list[luigi.Task]:
        """Return the last tasks of the chain."""
        return [self.of(ExportHistory), self.of(Report)]

    def files(self) -> Sequence[Path]:
        """Return nothing: the task consists of what it requires."""
        return []

    def output(self) -> list[luigi.Target]:  # type: ignore[override]
        """Return the outputs of what it requires."""
        return [task.output() for task in self.requires()]

    def make(self) -> None:
        """Do nothing."""
