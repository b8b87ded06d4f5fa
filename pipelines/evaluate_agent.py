"""EvaluateAgent: play a finished run's networks in a separate process, and write the record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import luigi

from dqn_port.errors import DqnPortError
from dqn_port.runs.evaluations import read_evaluation
from dqn_port.runs.run_folder import FINISHED
from pipelines.attempts import put_aside
from pipelines.base import EvaluationTask
from pipelines.logs import logger
from pipelines.parameters import check_evaluation
from pipelines.processes import run_job
from pipelines.reporter import Reporter
from pipelines.train_agent import TrainAgent
from pipelines.validation import TargetError, checked, read_json


class EvaluateAgent(EvaluationTask):
    """Evaluate a run's last and best network, and film one episode."""

    def requires(self) -> luigi.Task:
        """Return the training.

        Raises:
            ArgsError: the parameters of the evaluation make no sense; nothing is trained for them.
        """
        check_evaluation(self.evaluation_words)
        return self.of(TrainAgent)

    def files(self) -> Sequence[Path]:
        """Return the file of a record that is written last."""
        return [self.evaluation_file]

    def check(self) -> None:
        """Check that the record is intact, of this run's snapshot and with these parameters."""
        words, run = self.evaluation_words, read_json(self.run_folder / FINISHED)
        folder = self.evaluation_folder

        def check() -> None:
            record = read_evaluation(folder)
            if record.snapshot_sha256 not in run["sha256"].values():
                raise TargetError(f"{folder}: its snapshot is not the one in {self.run_folder}")
            expected = words["epsilon"], tuple(words["seeds"]), words["max_frames"]
            if (record.epsilon, record.seeds, record.max_frames) != expected:
                raise TargetError(f"{folder}: epsilon, seeds or max_frames are not those asked for")

        files = sorted(path for path in folder.iterdir() if path.is_file())
        checked(files, str(sorted(run["sha256"].items())), check)

    def make(self) -> None:
        """Play in a separate process."""
        folder, facts = self.evaluation_folder, self.facts
        snapshot = read_json(self.run_folder / FINISHED)["snapshot"]
        if (aside := put_aside(folder)) is not None:
            logger.warning("%s: put aside as %s", folder, aside)
        words = self.evaluation_words | {
            "snapshot": str(self.run_folder / snapshot),
            "folder": str(folder),
            "threads": self.threads or facts.threads,
            "assignments": [f"game_path={facts.game_path}"] if facts.game_path else [],
            "trust": self.trust,
        }
        name = f"{facts.name}/{self.resolved.hash}"
        try:
            run_job("evaluate", words, Reporter(self, name).tell)
        except DqnPortError:
            # Another process may have been faster.
            if not self.complete():
                raise
