"""The one tree of user faults: every error is one line that says what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DqnPortError(Exception):
    """A fault of the input or the machine, never a bug of ours.

    The message is one line: what, where, expected, got, what to do. ``exit_code`` is
    what the command line exits with: 2 for usage, 1 for failure.
    """

    exit_code = 1
    retry = "never"
    """Whether a second try may help: never, now, or later."""


class UsageError(DqnPortError):
    """The words, options or arguments given cannot be used."""

    exit_code = 2


class ArgsError(UsageError):
    """An argument file, a Lua word or a ``--set`` holds something that cannot be used."""


class TrustError(ArgsError):
    """A file names code of others, and the user has not said that it may be imported."""


class LuaExit(UsageError):  # noqa: N818
    """Lua words at which the original's command line ends: with its help or an error."""

    def __init__(self, message: str, *, lua_exit_code: int, help_text: str) -> None:
        super().__init__(message)
        self.lua_exit_code, self.help_text = lua_exit_code, help_text
        self.exit_code = 0 if lua_exit_code == 0 else 2


class TableSyntaxError(ArgsError):
    """A string is not the inside of a Lua table constructor."""


class PartError(DqnPortError):
    """A part does not do what its slot asks of it."""


class RegistryError(UsageError):
    """A slot has no part of that name."""


class ExternalImportError(RegistryError):
    """External code cannot be imported."""


class ExternalError(DqnPortError):
    """External code raised an exception, or does not do what the workshop asks of it."""


class RomError(DqnPortError):
    """A ROM is missing, empty, unreadable or not the one the name stands for."""

    def __init__(self, message: str, *, state: str) -> None:
        """``state``: what is wrong with the file, in a word or two."""
        super().__init__(message)
        self.state = state


class DeviceError(DqnPortError):
    """The device asked for is not there."""


class MemoryNeedError(DqnPortError):
    """The run needs more memory than the machine has."""


class MemoryShortError(DqnPortError):
    """The machine has hardly any memory left while a run trains."""

    retry = "later"


class ReplayError(DqnPortError):
    """The replay memory cannot do what was asked of it."""


class DivergedError(DqnPortError):
    """A number of the network is no longer finite."""


class SnapshotError(DqnPortError):
    """A snapshot cannot be read or written."""


class T7Error(DqnPortError):
    """A Torch7 file, or its JSON, cannot be read, searched or written."""

    def __init__(self, message: str, *, offset: int | None = None, path: str | None = None) -> None:
        """``offset``: of the byte, or of the JSON's character; ``path``: of the object in it."""
        super().__init__(message)
        self.offset, self.path = offset, path


class CheckpointError(DqnPortError):
    """A checkpoint cannot be read, written or does not fit."""


class RunFolderError(DqnPortError):
    """A run's folder cannot be used as it stands."""

    retry = "now"


class EvaluationError(DqnPortError):
    """The record of an evaluation cannot be read."""


class LockedError(RunFolderError):
    """Another process has the run's folder, or has taken it over."""

    retry = "later"

    def __init__(
        self,
        message: str,
        *,
        host: str | None = None,
        pid: int | None = None,
        since: str | None = None,
    ) -> None:
        """``host``, ``pid``, ``since``: of the process that has it, None if unknown."""
        super().__init__(message)
        self.host, self.pid, self.since = host, pid, since


class HistoryError(DqnPortError):
    """A file of histories cannot be read or written."""


class TraceError(DqnPortError):
    """A trace of the original's is missing, damaged or not of its kind."""


class BenchError(DqnPortError):
    """A program that is measured cannot be run, or a part has nothing to measure."""


class MissingLibraryError(DqnPortError):
    """An optional or system library is not installed."""


def near_match(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known name nearest to ``name``, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
