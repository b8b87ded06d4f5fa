"""ExportHistory: a run's histories and its evaluation's episodes as HDF5."""

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


class ExportHistory(EvaluationTask):
    """Write a run's histories and its evaluation to an HDF5 file."""

    def requires(self) -> luigi.Task:
        """Return the evaluation."""
        return self.of(EvaluateAgent)

    @property
    def sources(self) -> list[Path]:
        """What the file is made of."""
        return [self.run_folder / FINISHED, self.evaluation_file]

    def files(self) -> Sequence[Path]:
        """Return the HDF5 file."""
        return [self.folder / f"history-{self.evaluation_hash}.h5"]

    def check(self) -> None:
        """Check that the file is as it was made, of what now stands there."""
        check_made(self.files()[-1], self.files(), self.sources)

    def make(self) -> None:
        """Write the file."""
        # HDF5 is loaded by who needs it.
        from dqn_port.exports.hdf5 import export_hdf5

        (path,) = self.files()
        export_hdf5(path, [(read_run(self.run_folder), [read_evaluation(self.evaluation_folder)])])
        note_made(path, self.files(), self.sources)
