"""One training and its folder, from its start or a checkpoint to its end."""

from __future__ import annotations

import datetime
import json
import math
import platform
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch

from dqn_port import registry
from dqn_port.errors import ArgsError, CheckpointError, DeviceError, DivergedError, MemoryShortError
from dqn_port.events import Event, Finished, Resumed, Row, Saved, Started, Ticked
from dqn_port.fields import Fields
from dqn_port.files import sha256_of
from dqn_port.interfaces import Options, System, Training
from dqn_port.memory import available_memory
from dqn_port.records import Table
from dqn_port.runs.checkpoint import EVERY, MOST_OF_THE_TIME, Checkpoint, Checkpoints
from dqn_port.runs.lock import RunLock
from dqn_port.runs.record import read_table
from dqn_port.runs.run_files import RunFiles, csv_of
from dqn_port.runs.run_folder import ARGS, FINISHED, RunFolder
from dqn_port.runs.scores import SCORES
from dqn_port.runs.scoring import Scoring
from dqn_port.saved_networks import save_networks

MODES: Final = ("full", "weights", "none")
"""What a checkpoint holds: all; all but replay memory, game and random numbers; nothing."""

LEAST_MEMORY: Final = 100
"""MiB; with less left a training stops. Practical_RL's homework waited there."""
_LOOK_EVERY: Final = 1.0
"""Seconds from one look at the free memory to the next."""

PACKAGES: Final = ("dqn-port", "torch", "numpy", "ale-py")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a run's numbers depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found


class Run(RunFolder):
    """One training and its folder."""

    def __init__(
        self,
        system: System,
        options: Options,
        out: Path,
        *,
        checkpoint: str = "full",
        checkpoint_every: float = EVERY,
        keep_checkpoint: bool = False,
        lengthen: bool = False,
        score_every: int = 0,
    ) -> None:
        """Look at the folder ``out``/NAME; nothing is written yet. ``options``: those of ``load``.

        ``checkpoint``: one of MODES, every ``checkpoint_every`` seconds. ``keep_checkpoint``: keep
        the last when the run is finished. ``lengthen``: see RunFolder. ``score_every``: emulator
        frames of training between games played for history-scores.csv, which change no other
        number; 0: never.
        """
        super().__init__(system, system.facts(options), out, lengthen=lengthen)
        self.options = options
        self.checkpoints = Checkpoints(self.folder)
        self._mode, self._keep = checkpoint, keep_checkpoint
        self._every, self._next_at, self._next_look = checkpoint_every, 0.0, 0.0
        self.last_snapshot: Path | None = None
        """The last file of networks that this run has saved."""
        self._networks_version: int | None = None
        """Of the networks in it, where the training tells."""
        self._hash = system.arguments_hash(options)
        self._lock = RunLock(self.folder)
        self._scoring = Scoring(system, self.facts, score_every)
        tables = (*system.HISTORY, *self._scoring.tables)
        self._tables = {table.name: table for table in tables}
        self._files = self._new_files()
        self._training: Training | None = None
        self._ticks = 0
        """Since the last checkpoint, or the beginning."""

    def train(self, device: str = "cpu", *, anew: bool = False) -> Iterator[Event]:
        """Set up, resume from the newest checkpoint or begin, and yield the events to the end.

        ``anew``: begin, whatever the folder holds.

        Raises:
            DqnPortError: see System.training, begin, lock.RunLock, Training.tick.
        """
        try:
            training = self._set_up(device)
            if self._mode != "none":
                # What cannot be saved is better known now.
                training.state_dict(full=self._mode == "full")
            self._make_folder()
            with self._lock:
                if not anew and self.standing() == "finished":
                    # Another process was quicker.
                    yield Finished(self.facts.length or 0, self.folder)
                    return
                yield from self._train(training, device, anew=anew)
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f"{device}: has no memory left for this run; set a smaller minibatch or use "
                "--device cpu"
            ) from error

    def _set_up(self, device: str) -> Training:
        """Return the training at its beginning, and its files with it."""
        self._files = self._new_files()
        start = self.system.start_network(self.options)
        return self.system.training(self.options, self._files, device=device, start=start)

    def _new_files(self) -> RunFiles:
        """Return the run's files with the tables begun."""
        files = RunFiles(self.folder, self._lock.check)
        for table in self._tables.values():
            files.begin_table(table)
        return files

    def begin(self) -> None:
        """Begin the folder, and the files that are appended to; see RunFolder.begin."""
        super().begin()
        self._files.begin()

    def _train(self, training: Training, device: str, *, anew: bool) -> Iterator[Event]:
        resumed = False
        notes: list[str] = []
        if not anew and (self.folder / ARGS).exists():
            training, resumed, notes = self._resume(training, device)
        if not resumed:
            self.begin()
        self._training, self._ticks = training, 0
        self._next_at = time.monotonic() + self._every
        where = self.system.device(self.options)
        notes = [*self._lock.notes, *notes, *([where.note] if where.note else [])]
        step = training.step
        yield Started(step, training, device, resumed=resumed, notes=tuple(notes))
        if resumed:
            yield Resumed(step)
        while not training.done:
            yield from self._tick(training)
        if self._keep:
            self.save_checkpoint()
        if path := self._save_networks(training):
            yield Saved(training.step, path)
        self._finish(training, device)
        if self._keep and self._mode != "none":
            self.checkpoints.keep_newest()
        else:
            self.checkpoints.remove()
        yield Finished(training.step, self.folder)

    def _tick(self, training: Training) -> list[Event]:
        """Tick once; append rows, and write a checkpoint when one is due."""
        try:
            events = training.tick()
        except DivergedError as error:
            last = self.last_snapshot
            good = f"the last good snapshot is {last}" if last else "no snapshot was saved yet"
            raise DivergedError(f"{error}; {good}") from error
        self._ticks += 1
        for event in events:
            if isinstance(event, Row):
                self._files.append_row(self._tables[event.table], event.cells)
            elif isinstance(event, Saved):
                self.last_snapshot = event.path
            elif isinstance(event, Ticked) and self._scoring.due(frames := event.all_frames):
                path = self.save_networks(training)
                row = self._scoring.row(path, step=training.step, frames=frames)
                self._files.append_row(SCORES, row)
        now = time.monotonic()
        if now >= self._next_at:
            self.save_checkpoint()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY
            self._check_memory()
        return events

    def _check_memory(self) -> None:
        """Stop before the system kills the process.

        Raises:
            MemoryShortError: hardly any memory is left.
        """
        if (left := available_memory() >> 20) >= LEAST_MEMORY:
            return
        self.save_checkpoint()
        then = "begin again" if self._mode == "none" else f"--resume {self.folder} goes on"
        raise MemoryShortError(
            f"{self.folder}: stopped: expected at least {LEAST_MEMORY} MiB of free memory, got "
            f"{left}; free some, then {then}"
        )

    def _resume(self, training: Training, device: str) -> tuple[Training, bool, list[str]]:
        """Go on from the newest checkpoint that can be used; False where there is none at all.

        Raises:
            CheckpointError: there are checkpoints, but none can be used.
        """
        notes: list[str] = []
        serials = self.checkpoints.serials()
        if not serials and (self.folder / FINISHED).exists():
            raise ArgsError(
                f"{self.folder}: the run is finished and its checkpoint is gone, so it cannot "
                "be lengthened; --network starts another run from its network"
            )
        full = True
        for serial in serials:
            if notes:
                # What did not fit may have changed it.
                training = self._set_up(device)
            try:
                full, other_versions = self._put_back(training, serial)
            except CheckpointError as error:
                notes.append(f"checkpoint {serial} cannot be used: {error}")
                continue
            if not full:
                notes.append(
                    "the checkpoint holds weights alone: the replay memory is filled again, and "
                    "the numbers will differ from those of an uninterrupted run"
                )
            if other_versions:
                notes.append("the checkpoint is by other versions: numbers may differ from theirs")
            return training, True, notes
        if notes:
            raise CheckpointError(f"{self.folder}: no checkpoint can be used; {notes[0]}")
        return training, False, notes

    def _put_back(self, training: Training, serial: int) -> tuple[bool, bool]:
        """Put a checkpoint into a training; tell whether it is a full one, of other versions.

        Raises:
            CheckpointError: it is damaged, or another training's.
            ArgsError: it is beyond the length that is asked for.
        """
        found, tree = self.checkpoints.load(serial, training.rings())
        root, full = Fields(tree, "checkpoint"), found.mode == "full"
        length = self.facts.length
        if length is not None and found.step > length:
            option = next(p.name for p in self.system.OPTIONS if p.role == "length")
            raise ArgsError(
                f"{option}: expected at least {found.step} {self.facts.unit}, already trained, got "
                f"{length}"
            )
        others, _ = self.system.differences(_said(root, "arguments", dict), self.arguments)
        if others:
            raise CheckpointError(
                f"checkpoint.arguments: expected those of this run, got others: {', '.join(others)}"
            )
        kept, said = self._kept(root), _said(root, "versions", dict)
        training.load_state_dict(tree, full=full)
        if full:
            _check_rows(training, found)
        self._files.go_on(kept)
        self._scoring.go_on(self.folder)
        self.go_on()
        return full, said != versions()

    def _kept(self, root: Fields) -> dict[str, int | bytes]:
        """Return how long the files were; of what older versions wrote, its rows."""
        table = self.system.HISTORY[0]
        if root.has("files"):
            lengths = _said(root, "files", dict)
            good = all(type(n) is int and n >= 0 and "/" not in name for name, n in lengths.items())
            if not good or table.file not in lengths:
                raise CheckpointError("checkpoint.files: expected lengths by name, got others")
            return lengths
        if root.has("history_bytes"):
            return {table.file: root.integer("history_bytes", low=0)}
        rows = _said(root, "rows", list)
        if not all(_is_row(row, table) for row in rows):
            raise CheckpointError("checkpoint.rows: expected rows of the history, got others")
        return {table.file: csv_of(rows, table, header=True)}

    def save_checkpoint(self) -> Path | None:
        """Write a checkpoint of now, between two ticks; None where the mode is none.

        Raises:
            RunFolderError, T7Error: see Checkpoints.save; another process has taken the folder.
        """
        training = self._training
        if self._mode == "none" or training is None:
            return None
        if not self._ticks and self.checkpoints.serials():
            return None
        self._lock.check()
        began = time.monotonic()
        full = self._mode == "full"
        about = {
            "arguments": json.dumps(self.arguments),
            "versions": json.dumps(versions()),
            "files": json.dumps(self._files.lengths()),
        }
        self._save_networks(training, if_changed=True)
        path = self.checkpoints.save(
            about | training.state_dict(full=full),
            step=training.step,
            rings=training.rings() if full else None,
        )
        self._ticks = 0
        now = time.monotonic()
        self._next_at = now + max(self._every, (now - began) / MOST_OF_THE_TIME)
        return path

    def save_networks(self, training: Training) -> Path:
        """Write the networks of now, between two ticks, and return where."""
        path: Path | None = self._save_networks(training)
        if path is None:
            # A system that writes them itself.
            path = training.save_networks()  # type: ignore[attr-defined]
        return path

    def _save_networks(self, training: Training, *, if_changed: bool = False) -> Path | None:
        """Write the networks that the system leaves to the workshop; None where it leaves none.

        A training may tell by ``networks_version``, a number, when they have changed.
        """
        version = getattr(training, "networks_version", None)
        if if_changed and version is not None and version == self._networks_version:
            return self.last_snapshot
        networks = training.networks()
        if not networks:
            return None
        path = self._files.path(f"{self.facts.name}{self.system.SUFFIX}")
        save_networks(
            path,
            networks,
            system=registry.name_of(self.system),
            arguments=self.facts.arguments,
            step=training.step,
        )
        self.last_snapshot, self._networks_version = path, version
        return path

    def _finish(self, training: Training, device: str) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        table = self.system.HISTORY[0]
        history = read_table((self.folder / table.file).read_bytes(), table, finished=True)
        scores = [v for v in history.get(table.score, ()) if math.isfinite(v)]
        snapshot = self.last_snapshot or self.newest_networks()
        self._write_json(
            FINISHED,
            {
                "steps": training.step,
                "arguments_hash": self._hash,
                "evaluations": len(next(iter(history.values()))),
                "best_reward": max(map(float, scores), default=None),
                **training.about(),
                "snapshot": snapshot.name if snapshot is not None else "",
                "sha256": {path.name: sha256_of(path) for path in self.snapshots()},
                "seed": self.facts.seed,
                "device": device,
                "threads": self.facts.threads,
                "platform": f"{platform.system()} {platform.machine()}",
                "versions": versions(),
                "created": now,
                **self.facts.about_game,
            },
        )


def _said(root: Fields, name: str, kind: type[Any]) -> Any:
    """Return what a field says in JSON."""
    try:
        value = json.loads(root.text(name))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"checkpoint.{name}: expected JSON, got a mistake") from error
    if not isinstance(value, kind):
        raise CheckpointError(f"checkpoint.{name}: expected a {kind.__name__}, got another value")
    return value


def _is_row(row: Any, table: Table) -> bool:
    """Return whether a value is a row of a table: finite numbers by column."""
    return (
        isinstance(row, Mapping)
        and tuple(row) == table.names
        and all(type(value) in (int, float) and math.isfinite(value) for value in row.values())
    )


def _check_rows(training: Training, found: Checkpoint) -> None:
    """Check that the rings hold the rows that the training counts.

    Raises:
        CheckpointError: they do not.
    """
    for name, ring in training.rings().items():
        first, end = found.held(name)
        oldest = ring.added - ring.held
        if ring.held and (ring.added != end or oldest < first):
            raise CheckpointError(
                f"{name}: expected transitions {oldest} to {ring.added}, got {first} to {end}"
            )
