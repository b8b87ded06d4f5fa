"""Whether code of strangers, named by a file, may be imported: only the user can say so."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from dqn_port.errors import TrustError

_TRUSTED: Final = ContextVar("trusted", default=False)


def is_trusted() -> bool:
    """Return whether what runs now may import every module:object that a file names."""
    return _TRUSTED.get()


@contextmanager
def trusting(trusted: bool) -> Iterator[None]:
    """Allow it, or not, for what runs inside."""
    token = _TRUSTED.set(trusted)
    try:
        yield
    finally:
        _TRUSTED.reset(token)


def require_trust(what: str, name: str) -> None:
    """Refuse external code that the user has not trusted.

    Raises:
        TrustError: it is not trusted.
    """
    if not is_trusted():
        raise TrustError(
            f"{what}: '{name}' is external code, and importing runs it; if you trust it: "
            f"{with_trust()}"
        )


def with_trust() -> str:
    """Return this process' command line with ``--trust``."""
    words, name = list(sys.argv[1:]), Path(sys.argv[0]).name
    program = [sys.executable, "-m", "dqn_port"] if name == "__main__.py" else [name]
    at = words.index("--") if "--" in words else len(words)
    return shlex.join([*program, *words[:at], "--trust", *words[at:]])
