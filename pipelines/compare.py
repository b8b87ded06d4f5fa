"""Compare: several argument files with several seeds each, and one picture of how all learn."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import luigi

from dqn_port import registry
from dqn_port.errors import ArgsError
from dqn_port.files import write_whole
from dqn_port.records import RunRecord
from dqn_port.runs.record import read_run
from dqn_port.runs.run_folder import FINISHED
from dqn_port.runs.scores import SCORES
from pipelines.base import PipelineTask
from pipelines.parameters import WholeParameter, WordsParameter
from pipelines.train_agent import TrainAgent
from pipelines.validation import check_made, note_made, short_hash

_COLUMNS: Final = ("system", "game", "seed", *SCORES.names)
_RANDOM_GAMES: Final = 100
"""Of every program."""
_EVERY: Final = 60.0
"""Seconds from a checkpoint to the next: these are trainings of minutes."""


class Compare(PipelineTask):
    """Train by every argument file with every seed, and put all scores into one picture."""

    args_files: tuple[str, ...] = WordsParameter(  # type: ignore[assignment]
        description="Argument files with commas between, of one game, each of another program.",
    )
    seeds: tuple[int, ...] = WordsParameter(  # type: ignore[assignment]
        kind=int, default=(1, 2, 3), description="Seeds of the trainings, such as 1,2,3 or 1-3."
    )
    scores: int = WholeParameter(  # type: ignore[assignment]
        default=10,
        description="Points of a training at which whole games are played for the picture.",
    )
    out: str = luigi.Parameter(  # type: ignore[assignment]
        default="artifacts", significant=False, description="Folder of all results."
    )

    def requires(self) -> list[TrainAgent]:
        """Return the training of every file and seed.

        Raises:
            ArgsError: no file is named, or a file or a seed twice.
            DqnPortError: a file cannot be used.
        """
        for key, words in (("args_files", self.args_files), ("seeds", self.seeds)):
            if not words or len({*words}) < len(words):
                got = ",".join(map(str, words))
                raise ArgsError(f"{key}: expected one or more, each once, got '{got}'")
        return [self._training(file, seed) for file in self.args_files for seed in self.seeds]

    def _training(self, file: str, seed: int) -> TrainAgent:
        system, _ = registry.choose(Path(file), ())
        chosen = (f"{system.option_of('seed')}={seed}",)
        return self.of(
            TrainAgent, args_file=file, set=chosen, scores=self.scores, checkpoint_every=_EVERY
        )

    @property
    def folder(self) -> Path:
        """The place of the comparison, OUT/compare/HASH, by its runs and their scores."""
        runs = sorted(task.resolved.hash for task in self.requires())
        return Path(self.out) / "compare" / short_hash({"runs": runs, "scores": self.scores})

    def files(self) -> Sequence[Path]:
        """Return the scores of all runs, and the picture of them."""
        return [self.folder / name for name in ("scores.csv", "scores.svg")]

    @property
    def sources(self) -> list[Path]:
        """What the files are made of."""
        folders = [task.run_folder for task in self.requires()]
        return [folder / name for folder in folders for name in (FINISHED, SCORES.file)]

    def check(self) -> None:
        """Check that the files are as they were made, of what now stands there."""
        check_made(self.files()[-1], self.files(), self.sources)

    def make(self) -> None:
        """Write the files, and note what they are made of."""
        runs = [read_run(task.run_folder) for task in self.requires()]
        table, picture = self.files()
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for run in runs for row in _rows(run))
        write_whole(table, lambda file: file.write(text.getvalue().encode()))
        note_made(self.files()[-1], self.files(), self.sources)


def _rows(run: RunRecord) -> Iterator[dict[str, Any]]:
    """Yield a run's scores, a row a point."""
    about = {"system": run.system, "game": run.game, "seed": run.seed}
    columns = run.further[SCORES.name][1]
    for values in zip(*columns.values(), strict=True):
        yield about | dict(zip(columns, values, strict=True))
