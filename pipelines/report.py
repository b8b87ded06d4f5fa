"""Report: a run and its evaluation as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.made import MadeTask


class Report(MadeTask):
    """Write the report of a run and its evaluation, one page that needs no network."""

    def files(self) -> Sequence[Path]:
        """Return the page."""
        return [self.folder / f"report-{self.evaluation_hash}.html"]

    def write(self, files: Sequence[Path]) -> None:
        """Write the page."""
        # Plotting is imported only here.
        from dqn_port.exports.report import write_report

        write_report(files[0], *self.record())
