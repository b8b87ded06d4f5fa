"""A run's folder and what is written there while a training goes on.

``artifacts/NAME/`` holds args.json (the options as they took effect), history.csv (one row an
evaluation), the snapshot NAME.pt, and run.json, written last: with it the run is finished.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch

from dqn_port.assemble import Setup, game_record, network_name, setup
from dqn_port.errors import DeviceError, RunFolderError
from dqn_port.files import write_whole
from dqn_port.old_arguments import to_options_table
from dqn_port.options import Options
from dqn_port.snapshot import SUFFIX, save_parameters, save_snapshot, snapshot_table
from dqn_port.train import Evaluated, Event, Training, TrainState

ARGS: Final = "args.json"
HISTORY: Final = "history.csv"
FINISHED: Final = "run.json"
TENSORBOARD: Final = "tensorboard"

HISTORY_COLUMNS: Final = (
    "step",
    "frames",
    "reward",
    "episodes",
    "rewards",
    "v",
    "td",
    "qmax",
    "epsilon",
    "lr",
    "training_seconds",
    "training_rate",
    "testing_seconds",
    "testing_rate",
    "best",
)
"""Of history.csv. Rates are in frames per second; times are those of the interval."""

MEASURED_COLUMNS: Final = frozenset(
    {"training_seconds", "training_rate", "testing_seconds", "testing_rate"}
)
"""What differs between two equal runs."""

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
    """The training begins."""

    setup: Setup
    device: torch.device


@dataclass(frozen=True)
class Finished(Event):
    """The training is finished and all is written."""

    folder: Path


class Run:
    """One training and its folder."""

    def __init__(self, opt: Options, out: Path) -> None:
        """Look at the folder ``out``/NAME; nothing is written yet. ``opt`` is resolved."""
        self.opt, self.folder = opt, out / opt.name
        self.last_snapshot: Path | None = None
        """The last snapshot that this run has saved."""
        self._saved: list[Path] = []
        self._rows: list[dict[str, Any]] = []
        self._rom = game_record(opt)

    @property
    def snapshot_path(self) -> Path:
        """Where the snapshot of a finished run is, the last one with save_versions."""
        return self.path_of_snapshot(self.opt.steps)

    def path_of_snapshot(self, step: int) -> Path:
        """Return where the snapshot of ``step`` goes. Lua: NAME.t7 or NAME_floor(step/v).t7."""
        version = f"_{step // self.opt.save_versions}" if self.opt.save_versions > 0 else ""
        return self.folder / f"{self.opt.name}{version}{SUFFIX}"

    def standing(self, *, overwrite: bool = False) -> str:
        """Return what the folder holds: "new", "unfinished" or "finished".

        Raises:
            RunFolderError: it holds other arguments (and not ``overwrite``), or no run at all, or
                the network that the run starts from.
        """
        path = self.folder / ARGS
        start = Path(network_name(self.opt))
        if start.exists() and start.resolve().parent == self.folder.resolve():
            raise RunFolderError(
                f"network: {start} lies in the run's own folder, which the run replaces; "
                "give another --set name=… or --out"
            )
        try:
            if not self.folder.exists():
                return "new"
            if not self.folder.is_dir() or (not path.exists() and self._holds_something_else()):
                raise RunFolderError(
                    f"{self.folder}: expected a run's folder or nothing, got something else; "
                    "give another --out or --set name=…"
                )
            if overwrite or not path.exists():
                return "new"
        except OSError as error:
            raise RunFolderError(
                f"{self.folder}: cannot be read: {error.strerror or error}; give another --out"
            ) from error
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RunFolderError(
                f"{path}: cannot be read: {error}; --overwrite replaces the run"
            ) from error
        differing = _differences(there, self.opt.to_json())
        if differing:
            raise RunFolderError(
                f"{self.folder}: holds a run with other arguments ({differing}); "
                "give another --set name=… or --out, or --overwrite to replace it"
            )
        return "finished" if (self.folder / FINISHED).exists() else "unfinished"

    def _holds_something_else(self) -> bool:
        """Tell whether the folder holds what no run of this name has written."""
        return any(not _is_stale(path.name, self.opt.name) for path in self.folder.iterdir())

    def begin(self) -> None:
        """Make the folder, remove what an earlier run left there, and write args.json.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # args.json is replaced, never away: with it the folder is known as a run's.
            for path in [p for p in self.folder.iterdir() if _is_stale(p.name, self.opt.name)]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError as error:
            raise RunFolderError(
                f"{self.folder}: cannot be written: {error.strerror or error}; give another --out"
            ) from error
        self._write_json(ARGS, self.opt.to_json())
        self._write_history()

    def train(self, device: torch.device) -> Iterator[Event]:
        """Set up, begin the folder anew, and yield the events of the training to its end.

        Raises:
            DqnPortError: see assemble.setup, begin, Training.tick.
        """
        try:
            ready = setup(self.opt, device=device)
            self.begin()
            yield from self._train(ready, device)
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f"{device}: has no memory left for this run; set a smaller "
                "agent_params.minibatch_size or use --device cpu"
            ) from error

    def _train(self, ready: Setup, device: torch.device) -> Iterator[Event]:
        training = Training(
            ready.env, ready.agent, self.opt, save=lambda state: self.save(ready, state)
        )
        yield Started(0, ready, device)
        while not training.done:
            events = training.tick()
            for event in events:
                if isinstance(event, Evaluated):
                    self._add_row(event)
            yield from events
        self._finish(training.state, device)
        yield Finished(training.state.step, self.folder)

    def save(self, ready: Setup, state: TrainState) -> Path:
        """Write the snapshot of now and return where."""
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
        written = [path]
        if self.opt.saveNetworkParams:
            written.append(path.with_name(f"{path.stem}.params{SUFFIX}"))
            save_parameters(written[-1], agent.network)
        self._saved += [path for path in written if path not in self._saved]
        return path

    def _add_row(self, event: Evaluated) -> None:
        self._rows.append(
            {
                "step": event.step,
                "frames": event.frames,
                "reward": event.reward,
                "episodes": event.n_episodes,
                "rewards": event.n_rewards,
                "v": event.v,
                "td": event.td,
                "qmax": event.qmax,
                "epsilon": event.epsilon,
                "lr": event.lr,
                "training_seconds": round(event.training_seconds, 3),
                "training_rate": round(event.training_rate, 1),
                "testing_seconds": round(event.testing_seconds, 3),
                "testing_rate": round(event.testing_rate, 1),
                "best": int(event.is_best),
            }
        )
        self._write_history()

    def _write_history(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_whole(self.folder / HISTORY, lambda file: file.write(text.getvalue().encode()))

    def _finish(self, state: TrainState, device: torch.device) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._write_json(
            FINISHED,
            {
                "steps": state.step,
                "evaluations": len(state.histories.reward_history),
                "best_reward": max(state.histories.reward_history, default=None),
                "training_seconds": round(
                    state.histories.time_history[-1] + state.interval_seconds, 3
                ),
                "snapshot": self.path_of_snapshot(state.step).name,
                "sha256": {path.name: _sha256(path) for path in self._saved},
                "seed": self.opt.seed,
                "device": str(device),
                "threads": self.opt.threads,
                "platform": f"{platform.system()} {platform.machine()}",
                "versions": versions(),
                "created": now,
                **self._rom,
            },
        )

    def _write_json(self, name: str, table: dict[str, Any]) -> None:
        text = json.dumps(table, indent=2, ensure_ascii=False) + "\n"
        # A lone surrogate, of an old argument's stray byte, is written as JSON's escape.
        content = text.encode("utf-8", "backslashreplace")
        write_whole(self.folder / name, lambda file: file.write(content))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def snapshot_in(folder: Path) -> Path:
    """Return the newest snapshot of a run's folder.

    Raises:
        RunFolderError: there is none.
    """
    try:
        args = json.loads((folder / ARGS).read_text(encoding="utf-8"))
        stem = re.escape(str(args["name"]))
        paths = [path for path in folder.iterdir()
                 if re.fullmatch(rf"{stem}(_\d+)?{re.escape(SUFFIX)}", path.name)]  # fmt: skip
        return max(paths, key=lambda path: path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{folder}: expected a run's folder with a snapshot, got none; name the snapshot's file"
        ) from error


def _is_stale(name: str, stem: str) -> bool:
    """Tell whether a run named ``stem`` has written the file ``name``, args.json left out."""
    snapshot = rf"{re.escape(stem)}(_\d+)?(\.params)?{re.escape(SUFFIX)}"
    names = "|".join([*map(re.escape, (HISTORY, FINISHED, TENSORBOARD)), snapshot])
    part = rf"\.({names}|{re.escape(ARGS)})\.\w+\.part"
    return re.fullmatch(f"{names}|{part}", name) is not None


def _differences(there: Any, here: dict[str, Any]) -> str:
    """Name up to three options that differ, or return nothing."""
    old, new = _flat(there), _flat(here)
    paths = [p for p in sorted(old.keys() | new.keys()) if not _same(old.get(p), new.get(p))]
    shown = [f"{p}: {_short(old.get(p))} there, {_short(new.get(p))} here" for p in paths[:3]]
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return "; ".join(shown) + more


def _same(old: Any, new: Any) -> bool:
    """Tell whether two values are equal; NaN, which old arguments may hold, is so to itself."""
    return bool(old == new) or json.dumps(old) == json.dumps(new)


def _flat(table: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(table, dict):
        return {prefix or "args.json": table}
    flat: dict[str, Any] = {}
    for key, value in table.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        flat |= _flat(value, path) if isinstance(value, dict) else {path: value}
    return flat


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "…"
