"""What RUN means: a run's folder, a file in it, or the folder of a pipeline that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dqn_port.errors import RunFolderError
from dqn_port.files import reading
from dqn_port.runs.run_folder import ARGS, is_pipeline, is_snapshot_of, snapshot_in

_LATEST: Final = "latest"
_ATTEMPTS: Final = ".attempt-*"


@dataclass(frozen=True, kw_only=True)
class FoundRun:
    """A run that was named."""

    folder: Path
    """The run's own folder, the one with args.json."""
    snapshot: Path | None = None
    """The one that was named; None where the run as a whole was."""
    notes: tuple[str, ...] = ()
    """Notes for the user about how it was found, a line each."""

    def pick_snapshot(self) -> Path:
        """Return the snapshot that was named, or else the newest.

        Raises:
            RunFolderError: there is none.
        """
        return self.snapshot or snapshot_in(self.folder)


def find_run(path: Path) -> FoundRun:
    """Find the run that ``path`` names.

    It may be the run's folder, its args.json, a snapshot in it, a pipeline's NAME/HASH, which
    holds the run NAME/HASH/NAME, or its NAME, which stands for NAME/latest.

    Raises:
        RunFolderError: it names none.
    """
    with reading(path, RunFolderError):
        if path.is_dir():
            return _found_in(path)
        if not path.exists():
            raise RunFolderError(f"{path}: expected a run's folder, got nothing there")
        if (folder := _folder_of(path)) is None:
            raise RunFolderError(
                f"{path}: expected a run's folder, its {ARGS} or its snapshot, got another file"
            )
    return FoundRun(folder=folder, snapshot=None if path.name == ARGS else path)


def names_run(path: Path) -> bool:
    """Return whether ``path`` is a folder, or a file that belongs to a run, not one for itself."""
    try:
        return path.is_dir() or (path.is_file() and _folder_of(path) is not None)
    except OSError:
        return False


def _folder_of(path: Path) -> Path | None:
    """Return the run's folder that a file belongs to: beside its args.json, by its name."""
    folder = path.parent
    belongs = path.name == ARGS or is_snapshot_of(folder, path.name)
    return folder if belongs else None


def _found_in(path: Path) -> FoundRun:
    if (path / ARGS).is_file():
        return FoundRun(folder=path, notes=_notes(path))
    latest, home = path / _LATEST, path
    if latest.is_dir():
        # Messages then name the folder itself: the link may point elsewhere soon.
        home = path / latest.readlink() if latest.is_symlink() else latest
    run = home / home.resolve().parent.name
    if (run / ARGS).is_file():
        return FoundRun(folder=run)
    hint = ""
    if found := sorted(home.glob(f"{_ATTEMPTS}/*/{ARGS}")):
        hint = f"; its training has not ended, and stands in {found[-1].parent}"
    elif found := [p for depth in (1, 2, 3) for p in sorted(path.glob("[!.]*/" * depth + ARGS))]:
        hint = f"; name one of those in it, such as {found[0].parent}"
    raise RunFolderError(f"{path}: expected a run's folder, got none with {ARGS}{hint}")


def _notes(folder: Path) -> tuple[str, ...]:
    """Say that a pipeline's results stand in the run's folder, where they do."""
    if not any(is_pipeline(entry.name) for entry in folder.iterdir()):
        return ()
    return (
        f"{folder}: holds a run and a pipeline's results; the run is taken; for the others, "
        f"name a folder in it, such as {folder / _LATEST}",
    )
