"""Suite: games × seeds, with a report for each, and a league table of all."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import luigi

from dqn_port import registry
from dqn_port.arguments.trust import trusting
from dqn_port.errors import ArgsError, DqnPortError
from dqn_port.exports.league import League, league
from dqn_port.files import write_whole
from dqn_port.runs.evaluations import mean_and_std
from pipelines.export_history import ExportHistory
from pipelines.made import MadeTask
from pipelines.parameters import WordsParameter
from pipelines.train_eval_report import TrainEvalReport
from pipelines.validation import short_hash, write_json

_COLUMNS: Final = (
    "game",
    "system",
    "seeds",
    "mean",
    "std",
    "random",
    "human",
    "paper",
    "human_normalised",
    "paper_normalised",
)
"""Columns of league.csv; scores in points of the game."""


class Suite(MadeTask):
    """Make a report for every game with every seed, and one league table of all."""

    games: tuple[str, ...] = WordsParameter(  # type: ignore[assignment]
        default=(),
        description="Games, such as pong,breakout; by default the argument file's.",
    )
    seeds: tuple[int, ...] = WordsParameter(  # type: ignore[assignment]
        kind=int,
        default=(),
        description="Seeds of the trainings, such as 1,2,3 or 1-3; by default the argument file's.",
    )
    name: str = luigi.Parameter(  # type: ignore[assignment]
        default="",
        significant=False,
        description="Name of the suite's folder, OUT/suite_NAME; by default the argument file's.",
    )

    def requires(self) -> list[TrainEvalReport]:
        """Return the chain of every game and seed; if one cannot be run, nothing is started.

        Raises:
            ArgsError: one is given twice, or cannot be run.
            DqnPortError: none can be run, all for the same reason.
        """
        runs = self.runs()
        faults: dict[str, DqnPortError] = {}
        n_broken = 0
        for run in runs:
            try:
                _ = run.resolved
            except DqnPortError as error:
                n_broken += 1
                faults.setdefault(str(error), error)
        if len(faults) == 1 and n_broken == len(runs):
            raise next(iter(faults.values()))
        if faults:
            raise ArgsError(
                f"{n_broken} of {len(runs)} runs of the suite cannot be run, so none is started: "
                + "; ".join(faults)
            )
        return runs

    def runs(self) -> list[TrainEvalReport]:
        """Return the chain of every game and seed, even if it cannot be run.

        Raises:
            ArgsError: one is given twice.
        """
        for key, words in (("games", self.games), ("seeds", self.seeds)):
            if len({*words}) < len(words):
                got = ",".join(map(str, words))
                raise ArgsError(f"{key}: expected each once, got '{got}'")
        # Naming the file's own game would give its run another name, and so another folder.
        own = self._own_game()
        with trusting(self.trust):
            system, _ = registry.choose(Path(self.args_file), self.set)
        game_is, seed_is = system.option_of("game"), system.option_of("seed")
        games = [[] if game == own else [f"{game_is}={game}"] for game in self.games] or [[]]
        seeds = [[f"{seed_is}={seed}"] for seed in self.seeds] or [[]]
        return [
            self.of(TrainEvalReport, set=(*self.set, *game, *seed))
            for game in games
            for seed in seeds
        ]

    def _own_game(self) -> str | None:
        """Return the game of the argument file; None if that cannot be used."""
        try:
            return self.facts.game
        except DqnPortError:
            return None

    @property
    def folder(self) -> Path:
        """The place of the suite, OUT/suite_NAME/HASH, by its runs and how they are evaluated."""
        runs = sorted(task.resolved.hash for task in self.runs())
        name = self.name or Path(self.args_file).stem
        digest = short_hash({"runs": runs, "evaluation": self.evaluation_hash})
        return Path(self.out) / f"suite_{name}" / digest

    @property
    def sources(self) -> list[Path]:
        """What the suite's files are made from."""
        made = [task.of(ExportHistory) for task in self.requires()]
        return [path for task in made for path in task.sources]

    def files(self) -> Sequence[Path]:
        """Return the histories, the league table twice, and the report."""
        folder = self.folder
        names = ("history.h5", "league.json", "league.csv", "report.html")
        return [folder / name for name in names]

    def write(self, files: Sequence[Path]) -> None:
        """Write the files."""
        # HDF5 and plotting are imported only here.
        from dqn_port.exports.hdf5 import export_hdf5
        from dqn_port.exports.report.suite import suite_scores, write_suite_report

        history, as_json, as_csv, report = files
        runs = [task.of(ExportHistory).record() for task in self.requires()]
        table = league(suite_scores(runs))
        export_hdf5(history, runs)
        write_json(as_json, asdict(table))
        write_whole(as_csv, lambda file: file.write(csv_of(table).encode()))
        name = self.folder.parent.name.removeprefix("suite_")
        write_suite_report(report, runs, table, title=name)


def csv_of(table: League) -> str:
    """Return a league table's rows as CSV; missing values are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in table.rows:
        # One seed has no spread.
        std = mean_and_std(row.scores)[1] if len(row.scores) > 1 else None
        writer.writerow(asdict(row) | {"seeds": len(row.scores), "std": std})
    return text.getvalue()
