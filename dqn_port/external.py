"""External code, named as module:object or as a gymnasium environment: where a fault of it lies."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from dqn_port.errors import DqnPortError, ExternalError, ExternalImportError

_places: Final[dict[str, str]] = {}
"""Package → FILE:LINE of the object that was named of it, or its name where it has no source."""

_OURS: Final = ("dqn_port", "pipelines")


def import_object(slot: str, name: str) -> Any:
    """Import a ``module:object``.

    Raises:
        ExternalImportError: it cannot be imported.
    """
    module, _, attribute = name.partition(":")
    remember(module)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        # Importing runs external code, which may raise anything.
        said = raised_at(error) or error
        raise ExternalImportError(f"{slot}: cannot import '{name}': {said}") from error
    remember(module, found)
    return found


def remember(module: str, named: Any = None) -> None:
    """Take a module's package for external code; ``named``: a class or function of it."""
    place, package = module, _package(module)
    if package in _OURS:
        return
    if inspect.isclass(named) or inspect.isfunction(named):
        with suppress(OSError, TypeError):
            place = f"{inspect.getsourcefile(named)}:{inspect.getsourcelines(named)[1]}"
    _places[package] = place


def place_of(name: str) -> str:
    """Return where the external code of a module, or of a ``module:object``, begins."""
    return _places.get(_package(name.partition(":")[0]), name)


@contextmanager
def external_faults() -> Iterator[None]:
    """Turn exceptions of external code into errors of one line.

    Raises:
        ExternalError: external code raised something, or returned what our code cannot use.
    """
    try:
        yield
    except (DqnPortError, MemoryError):
        raise
    except Exception as error:
        said = raised_at(error) or _led_to(error)
        if said is None:
            raise
        raise ExternalError(said) from error


def raised_at(error: Exception) -> str | None:
    """Return where external code raised an exception, or passed it on, and what it says."""
    places = _lines(error, _places)
    return f"{places[-1]}: {_told(error)}" if places else None


def _led_to(error: Exception) -> str | None:
    """Return which external code made our own raise an exception; None where none is in use.

    Errors of the output, and of the command line, are not its.
    """
    if not _places or isinstance(error, OSError) or _package(type(error).__module__) == "click":
        return None
    theirs, ours = " and ".join(_places.values()), _lines(error, _OURS)[-1]
    return f"{theirs}: does not do what {ours} needs: {_told(error)}"


def _lines(error: Exception, packages: Container[str]) -> list[str]:
    """Return FILE:LINE of every call on the way to an exception that is in one of ``packages``."""
    return [
        f"{frame.f_code.co_filename}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _package(frame.f_globals.get("__name__", "")) in packages
    ]


def _package(module: str) -> str:
    return module.partition(".")[0]


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
