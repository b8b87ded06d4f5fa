"""A run's folder: what stands there, and what is written there.

``artifacts/NAME/`` holds args.json (the options as they took effect), history.csv (one row an
evaluation), the snapshot NAME.t7, checkpoint/ while the run goes on, and run.json, written last:
with it the run is finished.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

from dqn_port.assemble import network_name
from dqn_port.checkpoint import FOLDER as CHECKPOINT
from dqn_port.errors import RunFolderError
from dqn_port.files import write_whole
from dqn_port.lock import is_lock
from dqn_port.options import Options
from dqn_port.snapshot import SUFFIX

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


class RunFolder:
    """The folder of one training."""

    def __init__(self, opt: Options, out: Path) -> None:
        """Look at the folder ``out``/NAME; nothing is written yet. ``opt`` is resolved."""
        self.opt, self.folder = opt, out / opt.name
        self._rows: list[dict[str, Any]] = []

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
        names = [path.name for path in self.folder.iterdir()]
        return any(
            not is_lock(name) and not _is_stale(name, self.opt.name) and not is_pipeline(name)
            for name in names
        )

    def snapshots(self) -> list[Path]:
        """Return the files of snapshots and parameters that stand there, by name."""
        pattern = rf"{re.escape(self.opt.name)}(_\d+)?(\.params)?{re.escape(SUFFIX)}"
        return sorted(p for p in self.folder.iterdir() if re.fullmatch(pattern, p.name))

    def remove_parts(self) -> None:
        """Remove what a write that was cut has left beside the run's files."""
        for path in self.folder.iterdir():
            if path.name.endswith(".part") and _is_stale(path.name, self.opt.name):
                path.unlink(missing_ok=True)

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(
                f"{self.folder}: cannot be written: {error.strerror or error}; give another --out"
            ) from error

    def begin(self) -> None:
        """Make the folder, remove what an earlier run left there, and write args.json.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        self._make_folder()
        try:
            # args.json is replaced, never away: with it the folder is known as a run's.
            for path in [p for p in self.folder.iterdir() if _is_stale(p.name, self.opt.name)]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError as error:
            raise RunFolderError(
                f"{self.folder}: cannot be written: {error.strerror or error}; give another --out"
            ) from error
        self._write_json(ARGS, self.opt.to_json())
        self._write_history()

    def _write_history(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_whole(self.folder / HISTORY, lambda file: file.write(text.getvalue().encode()))

    def _write_json(self, name: str, table: dict[str, Any]) -> None:
        text = json.dumps(table, indent=2, ensure_ascii=False) + "\n"
        # A lone surrogate, of an old argument's stray byte, is written as JSON's escape.
        content = text.encode("utf-8", "backslashreplace")
        write_whole(self.folder / name, lambda file: file.write(content))


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def snapshot_in(folder: Path) -> Path:
    """Return the newest snapshot of a run's folder.

    Raises:
        RunFolderError: there is none.
    """
    try:
        stem = re.escape(_name_in(folder))
        paths = [path for path in folder.iterdir()
                 if re.fullmatch(rf"{stem}(_\d+)?{re.escape(SUFFIX)}", path.name)]  # fmt: skip
        return max(paths, key=lambda path: path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(
            f"{folder}: expected a run's folder with a snapshot, got none; name the snapshot's file"
        ) from error


def is_snapshot_of(folder: Path, name: str) -> bool:
    """Tell whether ``name`` is that of a snapshot, or of parameters, of the run in ``folder``."""
    try:
        return name.endswith(SUFFIX) and _is_stale(name, _name_in(folder))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _name_in(folder: Path) -> str:
    return str(json.loads((folder / ARGS).read_text(encoding="utf-8"))["name"])


def _is_stale(name: str, stem: str) -> bool:
    """Tell whether a run named ``stem`` has written the file ``name``, args.json left out."""
    snapshot = rf"{re.escape(stem)}(_\d+)?(\.params)?{re.escape(SUFFIX)}"
    names = "|".join([*map(re.escape, (HISTORY, FINISHED, TENSORBOARD, CHECKPOINT)), snapshot])
    part = rf"\.({names}|{re.escape(ARGS)})\.\w+\.part"
    return re.fullmatch(f"{names}|{part}", name) is not None


def is_pipeline(name: str) -> bool:
    """Tell whether ``name`` is that of a pipeline's run, which may lie in a run's folder."""
    return re.fullmatch(r"[0-9a-f]{10}|latest|\.latest\.\w+", name) is not None


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
