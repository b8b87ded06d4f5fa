"""Tasks whose files are made from a run and its evaluation, and that note what they are made
from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dqn_port.records import RunRecord
from dqn_port.runs.evaluations import EvaluationRecord, read_evaluation
from dqn_port.runs.record import read_run
from dqn_port.runs.run_folder import FINISHED
from pipelines.base import EvaluationTask
from pipelines.evaluate_agent import EvaluateAgent
from pipelines.validation import check_made, note_made


class MadeTask(EvaluationTask):
    """A task whose files are complete as long as neither they nor their sources change."""

    def requires(self) -> Any:
        """Return the evaluation."""
        return self.of(EvaluateAgent)

    @property
    def sources(self) -> Sequence[Path]:
        """What the files are made from."""
        return [self.run_folder / FINISHED, self.evaluation_file]

    def record(self) -> tuple[RunRecord, list[EvaluationRecord]]:
        """Return the run and its evaluation, read and checked."""
        return read_run(self.run_folder), [read_evaluation(self.evaluation_folder)]

    def check(self) -> None:
        """Check that neither the files nor what they were made from have changed."""
        check_made(self.files()[-1], self.files(), self.sources)

    def make(self) -> None:
        """Write the files, and note what they are made from."""
        self.write(self.files())
        note_made(self.files()[-1], self.files(), self.sources)

    def write(self, files: Sequence[Path]) -> None:
        """Write the files."""
        raise NotImplementedError
