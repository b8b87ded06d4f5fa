"""One training and its folder, from its begin or a checkpoint to its end."""

from __future__ import annotations

import datetime
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import torch

from dqn_port.errors import ArgsError, CheckpointError, DeviceError, DivergedError, PartError
from dqn_port.files import sha256_of
from dqn_port.runs.checkpoint import EVERY, MOST_OF_THE_TIME, Checkpoints
from dqn_port.runs.lock import RunLock
from dqn_port.runs.run_folder import ARGS, FINISHED, RunFolder
from dqn_port.systems.lua_dqn.arguments_hash import arguments_hash
from dqn_port.systems.lua_dqn.old_arguments import to_options_table
from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.setup import Setup, game_record, setup
from dqn_port.systems.lua_dqn.snapshot import SUFFIX, save_parameters, save_snapshot, snapshot_table
from dqn_port.systems.lua_dqn.train_agent import (
    Evaluated,
    Event,
    Resumed,
    Training,
    TrainState,
)
from dqn_port.systems.lua_dqn.training_state import (
    Restored,
    check_transitions,
    gather,
    put_back,
)

MODES: Final = ("full", "weights", "none")
"""What a checkpoint holds: all; all but replay memory, game and random numbers; nothing."""

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


@dataclass(frozen=True)
class Started(Event):
    """The training begins, or goes on."""

    setup: Setup
    device: torch.device
    resumed: bool = False
    """Whether it goes on from a checkpoint rather than from the beginning."""
    notes: tuple[str, ...] = ()
    """What is to be said about that and the folder's lock."""


@dataclass(frozen=True)
class Finished(Event):
    """The training is finished and all is written."""

    folder: Path


class Run(RunFolder):
    """One training and its folder."""

    def __init__(
        self,
        opt: Options,
        out: Path,
        *,
        checkpoint: str = "full",
        checkpoint_every: float = EVERY,
        keep_checkpoint: bool = False,
        lengthen: bool = False,
    ) -> None:
        """Look at the folder ``out``/NAME; nothing is written yet. ``opt`` is resolved.

        ``checkpoint``: one of MODES, every so many seconds. ``keep_checkpoint``: leave the last one
        when the run is finished. ``lengthen``: see RunFolder.
        """
        super().__init__(opt, out, lengthen=lengthen)
        self.checkpoints = Checkpoints(self.folder)
        self._mode, self._keep = checkpoint, keep_checkpoint
        self._every, self._next_at = checkpoint_every, 0.0
        self.last_snapshot: Path | None = None
        """The last snapshot that this run has saved."""
        self._rom = game_record(opt)
        self._hash = arguments_hash(opt)
        self._lock = RunLock(self.folder)
        self._ready: Setup | None = None
        self._training: Training | None = None
        self._saved_at: tuple[int, int] | None = None

    def train(self, device: torch.device, *, anew: bool = False) -> Iterator[Event]:
        """Set up, go on from the newest checkpoint or begin, and yield the events to the end.

        ``anew``: begin, whatever stands there.

        Raises:
            DqnPortError: see assemble.setup, begin, lock.RunLock, Training.tick.
        """
        try:
            ready = setup(self.opt, device=device)
            self._check_savable(ready)
            self._make_folder()
            with self._lock:
                if not anew and self.standing() == "finished":
                    # Another process was quicker.
                    yield Finished(self.opt.steps, self.folder)
                    return
                yield from self._train(ready, device, anew=anew)
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f"{device}: has no memory left for this run; set a smaller "
                "agent_params.minibatch_size or use --device cpu"
            ) from error

    def _train(self, ready: Setup, device: torch.device, *, anew: bool) -> Iterator[Event]:
        resumed: Restored | None = None
        notes: list[str] = []
        if not anew and (self.folder / ARGS).exists():
            ready, resumed, notes = self._resume(ready, device)
        if resumed is None:
            self.begin()
        else:
            self._go_on(resumed.history)
            if resumed.versions != versions():
                notes.append("other versions wrote the checkpoint: numbers may differ from theirs")
        training = Training(
            ready.env,
            ready.agent,
            self.opt,
            save=lambda state: self.save(ready, state),
            state=None if resumed is None else resumed.state,
        )
        self._ready, self._training = ready, training
        self._saved_at = self._position() if resumed is not None else None
        step = training.state.step
        self._next_at = time.monotonic() + self._every
        notes = [*self._lock.notes, *notes]
        yield Started(step, ready, device, resumed=resumed is not None, notes=tuple(notes))
        if resumed is not None:
            yield Resumed(step)
        while not training.done:
            try:
                events = training.tick()
            except DivergedError as error:
                last = self.last_snapshot
                good = f"the last good snapshot is {last}" if last else "no snapshot was saved yet"
                where = training.not_finite()
                told = where is None or where in str(error)
                layer = "" if told else f"; NaN or infinity in {where}"
                raise DivergedError(f"{error}{layer}; {good}") from error
            for event in events:
                if isinstance(event, Evaluated):
                    self.append_row(event.row())
            if time.monotonic() >= self._next_at:
                self.save_checkpoint()
            yield from events
        if self._keep:
            self.save_checkpoint()
        self._finish(training.state, device)
        if self._keep and self._mode != "none":
            self.checkpoints.keep_newest()
        else:
            self.checkpoints.remove()
        yield Finished(training.state.step, self.folder)

    def _resume(
        self, ready: Setup, device: torch.device
    ) -> tuple[Setup, Restored | None, list[str]]:
        """Go on from the newest checkpoint that can be used; None where there is none at all.

        Raises:
            CheckpointError: there are checkpoints, but none can be used.
        """
        notes: list[str] = []
        serials = self.checkpoints.serials()
        if not serials and (self.folder / FINISHED).exists():
            raise ArgsError(
                f"{self.folder}: the run is finished and its checkpoint is gone, so that it cannot "
                "be lengthened; --network starts another run from its network"
            )
        for serial in serials:
            if notes:
                # What did not fit may have changed it.
                ready = setup(self.opt, device=device)
            try:
                found, tree = self.checkpoints.load(serial, ready.agent.transitions)
                if found.step > self.opt.steps:
                    raise ArgsError(
                        f"steps: expected at least {found.step}, which are trained, got "
                        f"{self.opt.steps}"
                    )
                full = found.mode == "full"
                resumed = put_back(tree, ready, full=full)
                if full:
                    check_transitions(ready, found.first, found.end)
            except CheckpointError as error:
                notes.append(f"checkpoint {serial} cannot be used: {error}")
                continue
            if not full:
                notes.append(
                    "the checkpoint is one of weights alone: the replay memory is filled anew, and "
                    "what follows is not what would have followed"
                )
            return ready, resumed, notes
        if notes:
            raise CheckpointError(f"{self.folder}: no checkpoint can be used; {notes[0]}")
        return ready, None, notes

    def _check_savable(self, ready: Setup) -> None:
        """Check that the parts can be saved as the mode asks, strangers' parts too.

        Raises:
            PartError: one of them cannot.
        """
        agent = ready.agent
        parts: tuple[object, ...] = ()
        if self._mode != "none":
            parts = (agent, ready.env, agent.transitions)[: None if self._mode == "full" else 1]
        for part in parts:
            if not hasattr(part, "state_dict"):
                raise PartError(
                    f"--checkpoint {self._mode}: expected parts with state_dict, got "
                    f"{type(part).__name__} without; docs/parts.md says more, or use "
                    "--checkpoint none"
                )

    def _position(self) -> tuple[int, int]:
        """Return where the training stands: agent steps, and those of the running evaluation."""
        assert self._training is not None
        state = self._training.state
        return state.step, -1 if state.evaluation is None else state.evaluation.steps

    def save_checkpoint(self) -> Path | None:
        """Write a checkpoint of now, between two ticks; None where the mode is none.

        Raises:
            RunFolderError, T7Error: see Checkpoints.save; another process has taken the folder.
        """
        if self._mode == "none" or self._training is None or self._ready is None:
            return None
        if self._position() == self._saved_at:
            return None
        self._lock.check()
        began = time.monotonic()
        full = self._mode == "full"
        tree = gather(
            self._ready,
            self._training.state,
            history_bytes=self.history_bytes(),
            versions=versions(),
            full=full,
        )
        path = self.checkpoints.save(
            tree,
            step=self._training.state.step,
            replay=self._ready.agent.transitions if full else None,
        )
        self._saved_at = self._position()
        now = time.monotonic()
        self._next_at = now + max(self._every, (now - began) / MOST_OF_THE_TIME)
        return path

    def save(self, ready: Setup, state: TrainState) -> Path:
        """Write the snapshot of now and return where."""
        self._lock.check()
        path = self.path_of_snapshot(state.step)
        agent, best = ready.agent, state.best_network
        table = snapshot_table(
            agent,
            best,
            state.histories,
            arguments=to_options_table(self.opt),
            actions=ready.actions,
        )
        save_snapshot(path, table)
        self.last_snapshot = path
        if self.opt.saveNetworkParams:
            save_parameters(path.with_name(f"{path.stem}.params{SUFFIX}"), agent.network)
        return path

    def _finish(self, state: TrainState, device: torch.device) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._write_json(
            FINISHED,
            {
                "steps": state.step,
                "arguments_hash": self._hash,
                "evaluations": len(state.histories.reward_history),
                "best_reward": max(state.histories.reward_history, default=None),
                "training_seconds": round(
                    state.histories.time_history[-1] + state.interval_seconds, 3
                ),
                "snapshot": self.path_of_snapshot(state.step).name,
                "sha256": {path.name: sha256_of(path) for path in self.snapshots()},
                "seed": self.opt.seed,
                "device": str(device),
                "threads": self.opt.threads,
                "platform": f"{platform.system()} {platform.machine()}",
                "versions": versions(),
                "created": now,
                **self._rom,
            },
        )
