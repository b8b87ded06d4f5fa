"""Compare: several argument files with several seeds each, and one picture of how all learn."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import luigi
import numpy as np

from dqn_port import registry
from dqn_port.errors import ArgsError
from dqn_port.files import write_whole
from dqn_port.records import RunRecord
from dqn_port.registry import find_system
from dqn_port.runs.record import read_run
from dqn_port.runs.run_folder import FINISHED, snapshot_in
from dqn_port.runs.scores import EPSILON, GAMES, SCORES, play_scores
from pipelines.base import PipelineTask
from pipelines.parameters import WholeParameter, WordsParameter
from pipelines.train_agent import TrainAgent
from pipelines.validation import check_made, note_made, short_hash

if TYPE_CHECKING:
    from dqn_port.exports.plots import Panel

_COLUMNS: Final = (
    "system",
    "game",
    "seed",
    "network",
    "step",
    "frames",
    "reward",
    "sd",
    "games",
)
"""Columns of scores.csv; cells that do not apply to random play are empty."""
_RANDOM_GAMES: Final = 100
"""Random games for every program."""
_EVERY: Final = 60.0
"""Seconds between checkpoints: these trainings take minutes."""


class Compare(PipelineTask):
    """Train with every argument file and every seed, and plot all scores in one picture."""

    args_files: tuple[str, ...] = WordsParameter(  # type: ignore[assignment]
        description="Argument files separated by commas, for one game, each for another program.",
    )
    seeds: tuple[int, ...] = WordsParameter(  # type: ignore[assignment]
        kind=int, default=(1, 2, 3), description="Seeds of the trainings, such as 1,2,3 or 1-3."
    )
    score_every: int = WholeParameter(  # type: ignore[assignment]
        default=30_000,
        description="Emulator frames of training from one score, 20 whole games, to the next.",
    )
    out: str = luigi.Parameter(  # type: ignore[assignment]
        default="artifacts", significant=False, description="Folder of all results."
    )

    def requires(self) -> list[TrainAgent]:
        """Return the training of every file and seed.

        Raises:
            ArgsError: no file is named, or a file or a seed is named twice.
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
            TrainAgent,
            args_file=file,
            set=chosen,
            score_every=self.score_every,
            checkpoint_every=_EVERY,
        )

    @property
    def folder(self) -> Path:
        """The place of the comparison, OUT/compare/HASH, by its runs and their scores."""
        runs = sorted(task.resolved.hash for task in self.requires())
        return Path(self.out) / "compare" / short_hash({"runs": runs, "every": self.score_every})

    def files(self) -> Sequence[Path]:
        """Return the scores of all runs, and the picture of them."""
        return [self.folder / name for name in ("scores.csv", "scores.svg")]

    @property
    def sources(self) -> list[Path]:
        """What the files are made from."""
        folders = [task.run_folder for task in self.requires()]
        return [folder / name for folder in folders for name in (FINISHED, SCORES.file)]

    def check(self) -> None:
        """Check that neither the files nor what they were made from have changed."""
        check_made(self.files()[-1], self.files(), self.sources)

    def make(self) -> None:
        """Write the files, and note what they are made from."""
        # matplotlib and PyTorch are imported only here.
        from dqn_port.exports.plots import write_plot

        programs = [self._program(file) for file in self.args_files]
        table, picture = self.files()
        rows = [row for program in programs for row in program.rows()]
        write_whole(table, lambda file: file.write(_csv_of(rows)))
        write_plot(picture, [_panel(programs)])
        note_made(picture, self.files(), self.sources)

    def _program(self, file: str) -> _Program:
        folders = [self._training(file, seed).run_folder for seed in self.seeds]
        runs = tuple(read_run(folder) for folder in folders)
        system, snapshot = find_system(runs[0].system), snapshot_in(folders[0])
        return _Program(
            runs=runs,
            at_random=play_scores(system, snapshot, seed=1, epsilon=1, games=_RANDOM_GAMES),
            frames_per_step=system.open_player(snapshot).frames_per_step,
        )


@dataclass(frozen=True, kw_only=True)
class _Program:
    """An argument file's runs, one per seed."""

    runs: tuple[RunRecord, ...]
    at_random: dict[str, Any]
    """The scores of random play in its game."""
    frames_per_step: int

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the table: random play, then every score of every run."""
        about = {"system": self.runs[0].system, "game": self.runs[0].game}
        yield about | {"network": "random"} | _row(self.at_random)
        for run in self.runs:
            columns = run.further[SCORES.name][1]
            for values in zip(*columns.values(), strict=True):
                row = _row(dict(zip(columns, values, strict=True)))
                yield about | {"seed": run.seed, "network": "last"} | row


def _row(scores: dict[str, Any]) -> dict[str, Any]:
    """Return a row of SCORES by the columns of scores.csv."""
    return {"reward" if name == SCORES.score else name: value for name, value in scores.items()}


def _csv_of(rows: Iterable[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _panel(programs: Sequence[_Program]) -> Panel:
    """Return one line per program, the mean of its seeds with their band, and random play."""
    from dqn_port.exports.plots import Line, Seeds, panels_of

    groups = [
        Seeds(runs=p.runs, label=f"{p.runs[0].system}, {p.frames_per_step} frames a step")
        for p in programs
    ]
    (panel,) = panels_of(groups, fields=[f"{SCORES.name}.{SCORES.score}"], x="frames")
    mean = np.full(1, np.mean([p.at_random["score"] for p in programs]))
    at_random = Line(
        x=mean, y=mean, owner=len(groups), kind=("", ""), label="random play", is_level=True
    )
    y = f"mean of {GAMES} whole games, ε {EPSILON:g} (points)"
    game = programs[0].runs[0].game
    return replace(panel, title=game, y=y, lines=(*panel.lines, at_random))
