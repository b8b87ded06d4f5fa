"""What all tasks share: the parameters that name a run, and the paths derived from them.

``OUT/NAME/HASH/`` is the place of a run; HASH is computed from its canonical effective arguments.
It contains ``rom.json``, the run's own folder ``NAME/``, and the files made from the run, whose
names have a second hash of the evaluation's parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import luigi
from luigi.task import flatten

from dqn_port import registry
from dqn_port.arguments.trust import trusting
from dqn_port.errors import DqnPortError, RunFolderError
from dqn_port.exports.nature_scores import MAX_FRAMES
from dqn_port.external import external_faults
from dqn_port.interfaces import Facts
from dqn_port.runs.checkpoint import EVERY
from dqn_port.runs.evaluations import EVALUATION, NETWORKS
from dqn_port.runs.run import MODES
from pipelines.attempts import point_latest
from pipelines.logs import logger, one_line
from pipelines.parameters import (
    ChoiceParameter,
    NumberParameter,
    SetParameter,
    SwitchParameter,
    WholeParameter,
    WordsParameter,
)
from pipelines.processes import die_with_worker
from pipelines.resolved import Resolved, resolved
from pipelines.validation import short_hash

ROM: Final = "rom.json"


_Task = TypeVar("_Task", bound=luigi.Task)


class PipelineTask(luigi.Task):
    """A task with one target. It is complete when the target and everything it is made from are
    intact."""

    retry_count: int | None = None
    """How often Luigi runs it in all if it fails; None: as configured."""

    @property
    def folder(self) -> Path:
        """The folder of the target and of what is made for it."""
        raise NotImplementedError

    def of(self, task: type[_Task], **changes: Any) -> _Task:
        """Return another task with the parameters of this one that it knows, and ``changes``."""
        made: _Task = self.clone(task, **changes)  # type: ignore[no-untyped-call]
        return made

    def files(self) -> Sequence[Path]:
        """Return the target's files; the one written last comes last."""
        raise NotImplementedError

    def check(self) -> None:
        """Check that the target, all of whose files exist, is intact.

        Raises:
            DqnPortError: it is damaged, or older than what it is made from.
        """

    def make(self) -> None:
        """Make the target anew, whatever exists already.

        Raises:
            DqnPortError: it cannot be made.
        """
        raise NotImplementedError

    def output(self) -> luigi.LocalTarget:
        """Return the target: the file that is written last."""
        return luigi.LocalTarget(str(self.files()[-1]))

    def fault(self) -> str | None:
        """Return None if the target and what it was made from are intact, or else the reason.

        The reason is empty if the target is missing, if something it is made from is at fault
        (which reports that itself), or if the parameters cannot be used: running the task reports
        what is wrong with them.
        """
        try:
            files = self.files()
        except DqnPortError:
            return ""
        try:
            if files and not files[-1].exists():
                return ""
            required: list[PipelineTask] = flatten(self.requires())  # type: ignore[no-untyped-call]
            if any(task.fault() is not None for task in required):
                return ""
            self.check()
        except (DqnPortError, OSError) as error:
            return one_line(error)
        return None

    def complete(self) -> bool:
        """Return whether the target and what it was made from are intact."""
        if fault := self.fault():
            _say_once(f"{self.task_family}: {fault}; it is made again")
        return fault is None

    def run(self) -> None:
        """Make the target, and make ``latest`` point to its folder.

        Luigi may have forked a process for it, which ends with the worker. Since the task was
        scheduled, another worker may have made the target.

        Raises:
            DqnPortError: it cannot be made.
        """
        die_with_worker()
        folder = self.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(
                f"{folder}: cannot be made: {error.strerror or error}; give another --out"
            ) from error
        if not self.complete():
            with external_faults():
                self.make()
        elif self.files():
            logger.info("%s was made by another process", self.files()[-1])
        point_latest(folder)

    def on_failure(self, exception: BaseException) -> str:
        """Return what the scheduler shows for a failure: one line, or a bug's traceback.

        A fault that a second try cannot fix disables retries.
        """
        if isinstance(exception, DqnPortError) and exception.retry == "never":
            self.retry_count = 1
        said = one_line(exception)
        return said if said is not None else str(super().on_failure(exception))  # type: ignore[no-untyped-call]


_said: set[str] = set()


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        logger.warning(text)


class RunTask(PipelineTask):
    """A task of one run: its parameters and paths."""

    args_file: str = luigi.Parameter(  # type: ignore[assignment]
        description="Argument file of the run, JSON or an old .t7. Workers on several machines "
        "share a task if they use the same path."
    )
    set: tuple[str, ...] = SetParameter(  # type: ignore[assignment]
        default=(),
        description="Options on top of the file: KEY=VALUE, or a JSON list of them, such as "
        '\'["seed=2", "agent_params.lr=0.001"]\'.',
    )
    out: str = luigi.Parameter(  # type: ignore[assignment]
        default="artifacts",
        significant=False,
        description="Folder of all results; workers on several machines share it.",
    )
    device: str = luigi.Parameter(  # type: ignore[assignment]
        default="auto",
        description="Device for training: auto (as option gpu says, or the CPU if that device does "
        "not exist), cpu, cuda or cuda:N.",
    )
    threads: int = WholeParameter(  # type: ignore[assignment]
        default=0,
        significant=False,
        description="CPU threads of a training or an evaluation; 0: as option threads says.",
    )
    checkpoint: str = ChoiceParameter(  # type: ignore[assignment]
        choices=MODES,
        default="full",
        significant=False,
        description="What a checkpoint holds: full, everything; weights, without the replay "
        "memory; none.",
    )
    checkpoint_every: float = NumberParameter(  # type: ignore[assignment]
        default=EVERY,
        significant=False,
        description="Seconds between checkpoints.",
    )
    keep_checkpoint: bool = SwitchParameter(  # type: ignore[assignment]
        default=False,
        significant=False,
        description="Keep the last checkpoint of a finished training.",
    )
    trust: bool = SwitchParameter(  # type: ignore[assignment]
        default=False,
        significant=False,
        description="Allow external code: import every module:object that the arguments name.",
    )

    @property
    def assignments(self) -> tuple[str, ...]:
        """The options that override the file, including those of the flags.

        Raises:
            ArgsError: the device cannot be used.
        """
        with trusting(self.trust):
            system, _ = registry.choose(Path(self.args_file), self.set)
        threads = [f"{system.option_of('threads')}={self.threads}"] if self.threads else []
        return (*self.set, *system.device_assignments(self.device), *threads)

    @property
    def resolved(self) -> Resolved:
        """The run's arguments as they take effect.

        Raises:
            DqnPortError: they cannot be used; its ROM cannot.
        """
        return resolved(self.args_file, self.assignments, trust=self.trust)

    @property
    def facts(self) -> Facts:
        """The run's resolved options; see resolved."""
        return self.resolved.facts

    @property
    def folder(self) -> Path:
        """The place of the run, OUT/NAME/HASH."""
        return Path(self.out) / self.facts.name / self.resolved.hash

    @property
    def run_folder(self) -> Path:
        """The finished run's own folder, as dqn-port train writes it."""
        return self.folder / self.facts.name


class EvaluationTask(RunTask):
    """A task of one run and one way to evaluate it."""

    networks: tuple[str, ...] = WordsParameter(  # type: ignore[assignment]
        default=NETWORKS,
        description="Networks to evaluate: last, best or last,best.",
    )
    episodes: int = WholeParameter(  # type: ignore[assignment]
        default=10, description="Episodes of an evaluation, for each network and seed."
    )
    epsilon: float = NumberParameter(  # type: ignore[assignment]
        default=0.05, description="Probability of a random action in an evaluation."
    )
    evaluation_seeds: tuple[int, ...] = WordsParameter(  # type: ignore[assignment]
        kind=int, default=(1,), description="Seeds of an evaluation's random numbers, such as 1-3."
    )
    max_frames: int = WholeParameter(  # type: ignore[assignment]
        default=MAX_FRAMES,
        description="End a game of an evaluation after so many emulator frames; 0: no limit. The "
        "default is the paper's 5 minutes.",
    )
    clip: bool = SwitchParameter(  # type: ignore[assignment]
        default=True,
        parsing=SwitchParameter.EXPLICIT_PARSING,
        description="Whether one episode of an evaluation is filmed for the report: true or false.",
    )

    @property
    def evaluation_words(self) -> dict[str, Any]:
        """The parameters of an evaluation, as record_evaluation takes them."""
        return {
            "networks": self.networks,
            "episodes": self.episodes,
            "epsilon": self.epsilon,
            "seeds": self.evaluation_seeds,
            "max_frames": self.max_frames,
            "clip": self.clip,
        }

    @property
    def evaluation_hash(self) -> str:
        """A short hash of an evaluation's parameters; see evaluation_words."""
        return short_hash(self.evaluation_words)

    @property
    def evaluation_folder(self) -> Path:
        """The folder of the evaluation's record."""
        return self.folder / f"evaluation-{self.evaluation_hash}"

    @property
    def evaluation_file(self) -> Path:
        """The file of the record that is written last."""
        return self.evaluation_folder / EVALUATION
