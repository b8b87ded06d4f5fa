"""The jobs that run in separate processes: ``python -m pipelines.jobs train|evaluate PARENT``.

They are started by processes.run_job, which sends them their parameters and reads their events.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Final

from dqn_port.arguments.trust import trusting
from dqn_port.errors import CheckpointError, DqnPortError, RunFolderError
from dqn_port.events import EpisodeEnded, Event, Finished, Row, Saved, Started, Ticked
from dqn_port.external import external_faults
from dqn_port.interfaces import Facts
from dqn_port.runs.evaluations import NETWORKS, mean_and_std
from dqn_port.runs.lock import RunLock
from dqn_port.runs.run import Run
from dqn_port.runs.stopping import StopSignals
from dqn_port.tools.record import record_evaluation
from pipelines.attempts import claim, finish, put_aside
from pipelines.processes import Teller
from pipelines.resolved import Resolved, resolved
from pipelines.validation import check_run_folder

_TOLD_EVERY: Final = 1.0
"""Seconds."""


def train(teller: Teller) -> int:
    """Train in an attempt's folder, and rename it to the run's when it is finished.

    Words: args_file, assignments, explicit (CUDA was asked for by name), hash, folder, checkpoint,
    checkpoint_every, keep_checkpoint, score_every,
    trust.

    Raises:
        DqnPortError: see run.Run, attempts.claim; the arguments have changed.
    """
    words = teller.words
    folder = Path(words["folder"])
    run = resolved(words["args_file"], tuple(words["assignments"]), trust=words["trust"])
    if run.hash != words["hash"]:
        raise RunFolderError(
            f"{words['args_file']}: its arguments have changed since the task was scheduled; "
            "start the pipeline again"
        )
    target = folder / run.facts.name
    with StopSignals() as stop, RunLock(folder) as lock:
        for note in lock.notes:
            teller.tell("said", text=note)
        if target.exists():
            try:
                check_run_folder(target, run.hash, scored=words["score_every"] > 0)
            except DqnPortError as error:
                teller.tell("said", text=f"{error}; put aside as {put_aside(target)}")
            else:
                teller.tell("said", text=f"{target} was finished by another process")
                return 0
        attempt = claim(folder, run.facts.name)
        try:
            finished = _train(teller, stop, run, attempt)
        except CheckpointError as error:
            # No checkpoint can be used: start over, or the training would never finish.
            aside = put_aside(attempt)
            teller.tell("said", text=f"{error}; starts over, the rest is in {aside}")
            attempt = claim(folder, run.facts.name)
            finished = _train(teller, stop, run, attempt)
        if not finished:
            return stop.exit_code
        finish(attempt, target, lock)
    return 0


def _train(teller: Teller, stop: StopSignals, resolved: Resolved, attempt: Path) -> bool:
    """Train until the end or until the process must stop; return which.

    Raises:
        CheckpointError: the attempt has checkpoints, but none can be used.
    """
    words = teller.words
    system, options = resolved.system, resolved.options
    where = system.device(options, explicit=words["explicit"])
    names = ("checkpoint", "checkpoint_every", "keep_checkpoint", "score_every")
    run = Run(system, options, attempt, **{name: words[name] for name in names})
    events: Any = run.train(str(where.device))
    progress = _Progress(teller, run)
    finished = False
    try:
        for event in events:
            progress.consume(event)
            finished = finished or isinstance(event, Finished)
            if stop.number is not None and not finished:
                kept = run.save_checkpoint() is not None
                how = "a checkpoint is written" if kept else "without a checkpoint"
                teller.tell("said", text=f"stopped at step {event.step:,}, {how}")
                return False
    finally:
        events.close()
    return finished


class _Progress:
    """Send a training's events, and from time to time its progress."""

    def __init__(self, teller: Teller, run: Run) -> None:
        self._teller, self._run = teller, run
        self._ticks, self._since = 0, time.monotonic()
        self._score = ""

    def consume(self, event: Event) -> None:
        """Take one event."""
        tell = self._teller.tell
        if isinstance(event, Ticked):
            self._ticks += 1
            if self._ticks % 16 == 0 and self._teller.due(_TOLD_EVERY):
                self._tell(event)
        elif isinstance(event, EpisodeEnded):
            self._score = f", last score {event.reward:g}"
        elif isinstance(event, Started):
            for note in event.notes:
                tell("said", text=note)
            how = f"goes on from step {event.step:,}" if event.resumed else "begins"
            facts = self._run.facts
            length = "without end" if facts.length is None else f"{facts.length:,} {_unit(facts)}"
            tell("said", text=f"{how}, {length} on {event.device}")
        elif isinstance(event, Row) and not event.table:
            table = self._run.system.HISTORY[0]
            score = event.cells.get(table.score)
            if score is not None:
                n = event.cells.get(table.episodes)
                many = "" if n is None else f" in {n} episode{'' if n == 1 else 's'}"
                tell("said", text=f"step {event.step:,}: evaluation {score:.2f}{many}")
        elif isinstance(event, Saved):
            tell("said", text=f"step {event.step:,}: saved")

    def _tell(self, event: Ticked) -> None:
        now = time.monotonic()
        rate = self._ticks / max(now - self._since, 1e-6)
        self._ticks, self._since = 0, now
        step, length = event.step, self._run.facts.length
        frames = f", {event.all_frames:,} frames" if event.all_frames else ""
        self._teller.tell(
            "progress",
            percentage=int(100 * step / length) if length else 0,
            text=f"{event.text}{frames}, {rate:,.0f} steps/s{self._score}",
        )


def _unit(facts: Facts) -> str:
    """Return the last word of a run's unit: "steps" for agent steps."""
    return facts.unit.split()[-1]


def evaluate(teller: Teller) -> int:
    """Evaluate a finished run's snapshot and write the record.

    Words: those of record_evaluation, snapshot and folder.
    """
    words = dict(teller.words)
    trust = words.pop("trust")
    snapshot, folder = Path(words.pop("snapshot")), Path(words.pop("folder"))

    def show(done: int, many: int) -> None:
        teller.tell("progress", percentage=int(100 * done / many), text=f"episode {done} of {many}")

    with trusting(trust):
        record = record_evaluation(snapshot, folder, show=show, **words)
    for network in NETWORKS:
        if rewards := [episode.reward for episode in record.of(network)]:
            mean, std = mean_and_std(rewards)
            episodes = f"{len(rewards)} episode{'' if len(rewards) == 1 else 's'}"
            teller.tell("said", text=f"{network} network: {mean:.2f} ± {std:.2f}, {episodes}")
    return 0


JOBS: Final = {"train": train, "evaluate": evaluate}


def main(name: str, parent: int) -> int:
    """Run a job and return its exit code."""
    teller = Teller(parent)
    try:
        with external_faults():
            return JOBS[name](teller)
    except DqnPortError as error:
        teller.tell("fault", text=str(error), retry=error.retry)
    except MemoryError:
        text = "no memory is left; set a smaller replay memory"
        teller.tell("fault", text=text, retry="now")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
