"""The state of a pipeline's files, read only, and what can be removed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dqn_port.errors import DqnPortError, LockedError, RunFolderError
from dqn_port.records import Table
from dqn_port.runs.lock import LOCK, RunLock
from dqn_port.runs.record import HistoryCsvError, read_table
from dqn_port.runs.run_folder import FINISHED, HISTORY
from pipelines.attempts import attempts_in, set_aside_in
from pipelines.base import EvaluationTask, PipelineTask
from pipelines.evaluate_agent import EvaluateAgent
from pipelines.export_history import ExportHistory
from pipelines.report import Report
from pipelines.suite import Suite
from pipelines.train_agent import TrainAgent
from pipelines.train_eval_report import TrainEvalReport
from pipelines.validate_rom import ValidateRom
from pipelines.validation import made_path

CHAIN = (ValidateRom, TrainAgent, EvaluateAgent, ExportHistory, Report)


@dataclass(frozen=True)
class Standing:
    """The state of a task."""

    run: str
    """NAME/HASH of the run, or of the suite."""
    task: str
    state: str
    """complete | missing | damaged | running | stopped | refused"""
    text: str
    """Its path, or an explanation."""


@dataclass(frozen=True)
class Rubbish:
    """Something that can be removed."""

    path: Path
    what: str
    run: Path
    """The folder whose lock protects it."""


def runs_of(task: TrainEvalReport | Suite) -> list[TrainEvalReport]:
    """Return the runs of a suite, or the single run."""
    return task.runs() if isinstance(task, Suite) else [task]


def standing_of(task: TrainEvalReport | Suite) -> Iterator[Standing]:
    """Yield the state of every task of a run or a suite; nothing is changed."""
    for run in runs_of(task):
        try:
            name = f"{run.facts.name}/{run.resolved.hash}"
        except DqnPortError as error:
            yield Standing(" ".join(run.set), "ValidateRom", "refused", str(error))
            continue
        for kind in CHAIN:
            state, text = _standing(run.of(kind))
            yield Standing(name, kind.__name__, state, text)
    if isinstance(task, Suite):
        try:
            state, text = _standing(task)
            name = "/".join(task.folder.parts[-2:])
        except DqnPortError as error:
            name, state, text = "suite", "refused", str(error)
        yield Standing(name, "Suite", state, text)


def _standing(task: PipelineTask) -> tuple[str, str]:
    target, fault = task.files()[-1], task.fault()
    if fault is None:
        return "complete", str(target)
    if isinstance(task, TrainAgent):
        holder = RunLock(task.folder).holder()
        for attempt in attempts_in(task.folder):
            facts, table = task.facts, task.resolved.system.HISTORY[0]
            step = _last_step(attempt / facts.name, table)
            of = "" if facts.length is None else f" of {facts.length:,}"
            how = f"{step:,}{of} {facts.unit.split()[-1]} at its last evaluation"
            return ("running", f"{holder}, {how}") if holder else ("stopped", how)
        if holder:
            return "running", holder
    if fault:
        return "damaged", fault
    return "missing", "what it is made of is not complete" if target.exists() else ""


def _last_step(run: Path, table: Table) -> int:
    try:
        history = read_table((run / HISTORY).read_bytes(), table, finished=False)
        return max(history[table.clock].tolist(), default=0)
    except (OSError, HistoryCsvError):
        return 0


def rubbish_in(task: TrainEvalReport | Suite, *, everything: bool = False) -> list[Rubbish]:
    """Return the stopped attempts and damaged targets of a run, or of a suite's runs.

    ``everything``: its whole folder instead.
    """
    found: list[Rubbish] = []
    tasks: list[EvaluationTask] = [*runs_of(task)]
    if isinstance(task, Suite):
        tasks.append(task)
    for each in tasks:
        try:
            folder = each.folder
        except DqnPortError:
            continue
        if everything:
            if folder.is_dir():
                found.append(Rubbish(folder, "all of it", folder))
            continue
        if RunLock(folder).holder():
            continue
        found += [Rubbish(p, "an attempt that stopped", folder) for p in attempts_in(folder)]
        found += [Rubbish(p, "put aside as damaged", folder) for p in set_aside_in(folder)]
        parts = [each] if isinstance(each, Suite) else [each.of(kind) for kind in CHAIN]
        for part in parts:
            found += [Rubbish(path, why, folder) for path, why in _damaged(part)]
    return found


def _damaged(task: PipelineTask) -> Iterator[tuple[Path, str]]:
    """Yield the damaged files of a task's target, and the notes about them."""
    target = task.files()[-1]
    if not target.exists() or _standing(task)[0] != "damaged":
        return
    why = "damaged"
    if target.name == FINISHED or isinstance(task, EvaluateAgent):
        yield target.parent, why
        return
    for path in (*task.files(), made_path(target)):
        if path.exists():
            yield path, why


def remove(rubbish: Rubbish) -> None:
    """Remove something, unless a process is using its folder.

    Raises:
        LockedError: a process is using it.
        RunFolderError: it cannot be removed.
    """
    try:
        with RunLock(rubbish.run):
            if rubbish.path != rubbish.run:
                _remove(rubbish.path)
                return
            for path in rubbish.run.iterdir():
                if path.name != LOCK:
                    _remove(path)
        rubbish.run.rmdir()
        latest = rubbish.run.with_name("latest")
        if latest.is_symlink() and not latest.exists():
            latest.unlink()
    except LockedError:
        raise
    except OSError as error:
        raise RunFolderError(
            f"{rubbish.path}: cannot be removed: {error.strerror or error}"
        ) from error


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
