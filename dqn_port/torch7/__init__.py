"""The old world: Torch7's files, command line, table strings and random numbers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dqn_port.torch7.t7 import dumps, load, loads, save

__all__ = ["dumps", "load", "loads", "save"]


def __getattr__(name: str) -> Any:
    # Only who reads files waits for the reader, and for NumPy.
    if name in __all__:
        return getattr(import_module("dqn_port.torch7.t7"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
