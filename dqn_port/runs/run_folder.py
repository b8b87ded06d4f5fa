"""A run's folder: what it holds, and what is written to it.

``artifacts/NAME/`` holds args.json (the options as they took effect), history.csv and its like (the
system's tables), its networks in NAME.t7 or NAME.safetensors, checkpoint/ to resume from, and
run.json, written last: with it the run is finished.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dqn_port import registry
from dqn_port.errors import RunFolderError
from dqn_port.files import reading, write_whole, writing
from dqn_port.interfaces import Facts, System
from dqn_port.options import Differences
from dqn_port.runs.checkpoint import FOLDER as CHECKPOINT
from dqn_port.runs.lock import is_lock
from dqn_port.runs.run_files import ELSEWHERE

ARGS: Final = "args.json"
HISTORY: Final = "history.csv"
FINISHED: Final = "run.json"
TENSORBOARD: Final = "tensorboard"
SUFFIXES: Final = (".t7", ".safetensors")
"""Of networks' files."""


class RunFolder:
    """The folder of one training."""

    def __init__(self, system: System, facts: Facts, out: Path, *, lengthen: bool = False) -> None:
        """Look at the folder ``out``/NAME; nothing is written yet.

        ``lengthen``: the run there may have another length, and may be finished.
        """
        self.system, self.facts, self.folder = system, facts, out / facts.name
        name = registry.name_of(system)
        self.arguments: dict[str, Any] = dict(facts.arguments)
        """What args.json holds."""
        if name != registry.DEFAULT:
            self.arguments = {"system": name} | self.arguments
        self._lengthen = lengthen

    def longer(self) -> str:
        """Return the ``key=value`` that makes the run twice as long; empty: nothing does."""
        length = self.facts.length
        if self.facts.longer or length is None:
            return self.facts.longer
        (param,) = [param for param in self.system.OPTIONS if param.role == "length"]
        return f"{param.name}={2 * length}" if param.changes == "length" else ""

    def newest_networks(self) -> Path | None:
        """Return the newest file of networks; None without one."""
        return newest_snapshot(self.folder, self.facts.name)

    def standing(self, *, overwrite: bool = False) -> str:
        """Return what the folder holds: "new", "unfinished" or "finished".

        Raises:
            RunFolderError: it holds other arguments (and not ``overwrite``), or no run at all, or
                the network that the run starts from.
        """
        path = self.folder / ARGS
        start = self.facts.start
        if start is not None and start.exists() and start.resolve().parent == self.folder.resolve():
            raise RunFolderError(
                f"network: {start} lies in the run's own folder, which the run replaces; "
                "give another --set name=… or --out"
            )
        with reading(self.folder, RunFolderError, ELSEWHERE):
            if not self.folder.exists():
                return "new"
            if not path.exists():
                self._refuse_what_is_no_run()
            if overwrite or not path.exists():
                return "new"
        there, name = arguments_in(self.folder), self.facts.name
        systems = [table.get("system", registry.DEFAULT) for table in (there, self.arguments)]
        if systems[0] != systems[1]:
            found = Differences({"system": (systems[0], systems[1])}, {})
        else:
            found = self.system.differences(there, self.arguments)
        numbers, length = found
        if there.get("name") != name:
            numbers["name"] = (there.get("name"), name)
        if numbers or (length and not self._lengthen):
            longer = f"--resume {self.folder} --set {next(iter(length), '')}=… goes on with it; "
            raise RunFolderError(
                f"{self.folder}: holds a run with other arguments ({_shown(numbers | length)}); "
                + (longer if not numbers else "")
                + "give another --set name=… or --out, or --overwrite to replace it"
            )
        finished = not length and (self.folder / FINISHED).exists()
        return "finished" if finished else "unfinished"

    def _refuse_what_is_no_run(self) -> None:
        """Refuse a folder, without args.json, that holds what no run of this name has written.

        Raises:
            RunFolderError: it does.
        """
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else [""]
        others = [n for n in names if not is_lock(n) and not _is_stale(n, self.facts.name)]
        if others and all(map(is_pipeline, others)):
            raise RunFolderError(
                f"{self.folder}: holds the results of a pipeline; give the run another name, "
                f"such as --set name={self.facts.name}_train, or another --out"
            )
        if others:
            raise RunFolderError(
                f"{self.folder}: expected a run's folder or nothing, got something else; "
                "give another --out or --set name=…"
            )

    def snapshots(self) -> list[Path]:
        """Return the files of snapshots and parameters in the folder, by name."""
        pattern = _snapshots_of(self.facts.name, parameters=True)
        return sorted(p for p in self.folder.iterdir() if re.fullmatch(pattern, p.name))

    def _make_folder(self) -> None:
        with writing(self.folder, ELSEWHERE):
            self.folder.mkdir(parents=True, exist_ok=True)

    def begin(self) -> None:
        """Make the folder, remove what an earlier run left there, and write args.json.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        self._make_folder()
        with writing(self.folder, ELSEWHERE):
            # args.json is replaced, never away: with it the folder is known as a run's.
            for path in [p for p in self.folder.iterdir() if _is_stale(p.name, self.facts.name)]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._write_json(ARGS, self.arguments)

    def go_on(self) -> None:
        """Write the options that the run resumes with, which change none of its numbers so far.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        for path in self.folder.iterdir():
            if path.name.endswith(".part") and _is_stale(path.name, self.facts.name):
                path.unlink(missing_ok=True)
        if arguments_in(self.folder) != self.arguments:
            # In this order: whatever is killed in between, no file says that it is finished.
            (self.folder / FINISHED).unlink(missing_ok=True)
            self._write_json(ARGS, self.arguments)

    def _write_json(self, name: str, table: dict[str, Any]) -> None:
        text = json.dumps(table, indent=2, ensure_ascii=False) + "\n"
        # A lone surrogate, of an old argument's stray byte, is written as JSON's escape.
        content = text.encode("utf-8", "backslashreplace")
        write_whole(self.folder / name, lambda file: file.write(content))


def arguments_in(folder: Path) -> dict[str, Any]:
    """Return what the args.json of a run's folder holds.

    Raises:
        RunFolderError: it cannot be read, or is not an object.
    """
    path = folder / ARGS
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(there, dict):
            raise ValueError("expected an object of options, got something else")
    except (OSError, ValueError, RecursionError) as error:
        raise RunFolderError(
            f"{path}: cannot be read: {error}; --overwrite replaces the run"
        ) from error
    return there


def snapshot_in(folder: Path) -> Path:
    """Return the newest snapshot of a run's folder.

    Raises:
        RunFolderError: there is none, or args.json is damaged.
    """
    with contextlib.suppress(KeyError):
        if newest := newest_snapshot(folder, str(arguments_in(folder)["name"])):
            return newest
    raise RunFolderError(
        f"{folder}: expected a run's folder with a snapshot, got none; name the snapshot's file"
    )


def newest_snapshot(folder: Path, name: str) -> Path | None:
    """Return the snapshot of the run ``name`` that was written last, if there is one.

    Raises:
        RunFolderError: the folder cannot be read.
    """
    pattern = _snapshots_of(name)
    with reading(folder, RunFolderError):
        paths = [path for path in folder.iterdir() if re.fullmatch(pattern, path.name)]
        return max(paths, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def is_snapshot_of(folder: Path, name: str) -> bool:
    """Return whether ``name`` is that of a snapshot, or of parameters, of the run in ``folder``."""
    try:
        stem = str(arguments_in(folder)["name"])
    except (RunFolderError, KeyError):
        return False
    return re.fullmatch(_snapshots_of(stem, parameters=True), name) is not None


def _snapshots_of(name: str, *, parameters: bool = False) -> str:
    """Return a pattern of the names of a run's snapshots, or of those and of ``parameters``."""
    params = r"(\.params)?" if parameters else ""
    suffixes = "|".join(map(re.escape, SUFFIXES))
    return rf"{re.escape(name)}(_\d+)?{params}({suffixes})"


def _is_stale(name: str, stem: str) -> bool:
    """Return whether a run named ``stem`` has written the file ``name``, args.json left out."""
    snapshot = _snapshots_of(stem, parameters=True)
    known = [*map(re.escape, (HISTORY, FINISHED, TENSORBOARD, CHECKPOINT)), r"history-\w+\.csv"]
    names = "|".join([*known, snapshot])
    part = rf"\.({names}|{re.escape(ARGS)})\.\w+\.part"
    return re.fullmatch(f"{names}|{part}", name) is not None


def is_pipeline(name: str) -> bool:
    """Return whether ``name`` is that of a pipeline's run, which may lie in a run's folder."""
    return re.fullmatch(r"[0-9a-f]{10}|latest|\.latest\.\w+", name) is not None


def _shown(differing: Mapping[str, tuple[Any, Any]]) -> str:
    """Name up to three options that differ."""
    shown = [
        f"{path}: {_short(there)} there, {_short(here)} here"
        for path, (there, here) in list(differing.items())[:3]
    ]
    more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
    return "; ".join(shown) + more


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "…"
