"""TrainAgent: train, in a process of its own and an attempt's folder, to the finished run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import luigi

from dqn_port.errors import DqnPortError
from dqn_port.interfaces import Facts
from dqn_port.runs.run_folder import FINISHED
from pipelines.base import RunTask
from pipelines.parameters import WholeParameter
from pipelines.processes import run_job
from pipelines.reporter import Reporter
from pipelines.validate_rom import ValidateRom
from pipelines.validation import check_run_folder

MEMORY: Final = "memory_gb"
"""A resource: gigabytes that replay memories take."""


def memory_gb(facts: Facts) -> int:
    """Return how many gigabytes a run's replay memory takes, at least 1."""
    return max(1, math.ceil(facts.memory / 1e9))


class TrainAgent(RunTask):
    """Train an agent; an interrupted training goes on from its checkpoint."""

    score_every: int = WholeParameter(  # type: ignore[assignment]
        default=0,
        description="Every so many emulator frames of training play 20 whole games with the "
        "network of then, and keep their mean in history-scores.csv; 0: never.",
    )

    def requires(self) -> luigi.Task:
        """Return the check of the ROM."""
        return self.of(ValidateRom)

    def files(self) -> Sequence[Path]:
        """Return the file that a finished run ends with."""
        return [self.run_folder / FINISHED]

    def check(self) -> None:
        """Check that the run's files are those that it was finished with."""
        check_run_folder(self.run_folder, self.resolved.hash, scored=self.score_every > 0)

    def process_resources(self) -> dict[str, int]:
        """What the scheduler has to have free: a GPU, and memory if the configuration tells it."""
        try:
            facts = self.facts
        except DqnPortError:
            # The check of the ROM tells what is wrong with them.
            return {}
        needed = {"gpu": 1} if facts.gpu else {}
        config = luigi.configuration.get_config()
        if config.has_option("resources", MEMORY):
            # What is more than there is would wait forever; that it fits was checked before.
            needed[MEMORY] = min(memory_gb(facts), config.getint("resources", MEMORY))
        return needed

    def make(self) -> None:
        """Train in a process of its own."""
        resolved = self.resolved
        words = {
            "args_file": self.args_file,
            "assignments": self.assignments,
            "explicit": self.device.startswith("cuda"),
            "hash": resolved.hash,
            "folder": str(self.folder),
            "checkpoint": self.checkpoint,
            "checkpoint_every": self.checkpoint_every,
            "keep_checkpoint": self.keep_checkpoint,
            "score_every": self.score_every,
            "trust": self.trust,
        }
        name = f"{resolved.facts.name}/{resolved.hash}"
        run_job("train", words, Reporter(self, name).tell)
