"""What the workshop and the systems promise each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Param:
    """One key that a slot reads from its table of parameters, or one option of a run."""

    name: str
    kind: str
    """number | integer | boolean | string | truth (Lua's: 0 is true) | table | any"""
    meaning: str
    default: Any = None
    """None is Lua's nil: the key is absent."""
    default_from: str = ""
    """The key of the same table whose value is the default."""
    default_is: str = ""
    """What the default is where it is computed."""
    unit: str = ""
    low: float | None = None
    """The smallest value that makes sense; None: any."""
    high: float | None = None
    choices: tuple[str, ...] = ()
    changes: str = "numbers"
    """What another value changes of a run: numbers | length (how long it goes on) | nothing."""
