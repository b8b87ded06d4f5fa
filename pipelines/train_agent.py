"""TrainAgent: train in a separate process, in an attempt's folder, until the run is finished."""

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
"""Name of the resource: gigabytes of replay memory."""


def memory_gb(facts: Facts) -> int:
    """Return how many gigabytes a run's replay memory takes, at least 1."""
    return max(1, math.ceil(facts.memory / 1e9))


class TrainAgent(RunTask):
    """Train an agent; an interrupted training resumes from its checkpoint."""

    score_every: int = WholeParameter(  # type: ignore[assignment]
        default=0,
        description="After every N emulator frames of training play 20 whole games with the "
        "current network, and write their mean to history-scores.csv; 0: never.",
    )

    def requires(self) -> luigi.Task:
        """Return the check of the ROM."""
        return self.of(ValidateRom)

    def files(self) -> Sequence[Path]:
        """Return the file of a finished run that is written last."""
        return [self.run_folder / FINISHED]

    def check(self) -> None:
        """Check that the run's files have not changed since it was finished."""
        check_run_folder(self.run_folder, self.resolved.hash, scored=self.score_every > 0)

    def process_resources(self) -> dict[str, int]:
        """The resources that must be free: a GPU, and memory if the configuration names it."""
        try:
            facts = self.facts
        except DqnPortError:
            # The check of the ROM reports what is wrong with them.
            return {}
        needed = {"gpu": 1} if facts.gpu else {}
        config = luigi.configuration.get_config()
        if config.has_option("resources", MEMORY):
            # A request for more than exists would wait forever; whether it fits was checked before.
            needed[MEMORY] = min(memory_gb(facts), config.getint("resources", MEMORY))
        return needed

    def make(self) -> None:
        """Train in a separate process."""
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
