"""Report: a run and its evaluation as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import luigi

from dqn_port.exports.evaluations import read_evaluation
from dqn_port.exports.runs import read_run
from dqn_port.run_folder import FINISHED
from pipelines.base import EvaluationTask
from pipelines.evaluate_agent import EvaluateAgent
from pipelines.validation import check_made, note_made


class Report(EvaluationTask):
    """Write the report of a run and its evaluation, one page that needs no network."""

    def requires(self) -> luigi.Task:
        """Return the evaluation."""
        return self.of(EvaluateAgent)

    @property
    def sources(self) -> list[Path]:
        """What the page is made of."""
        return [self.run_folder / FINISHED, self.evaluation_file]

    def files(self) -> Sequence[Path]:
        """Return the page."""
        return [self.folder / f"report-{self.evaluation_hash}.html"]

    def check(self) -> None:
        """Check that the page is as it was made, of what now stands there."""
        check_made(self.files()[-1], self.files(), self.sources)

    def make(self) -> None:
        """Write the page."""
        # The plotting is loaded by who needs it.
        from dqn_port.exports.report import write_report

        (path,) = self.files()
        write_report(path, read_run(self.run_folder), [read_evaluation(self.evaluation_folder)])
        note_made(path, self.files(), self.sources)
