"""The systems by name; the only place that knows which there are."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Final

from dqn_port.errors import RegistryError, near_match

SYSTEMS: Final = {
    "lua_dqn": "dqn_port.systems.lua_dqn",
    "simple_dqn": "dqn_port.systems.simple_dqn",
}
"""Name → package. In it, system.py holds SYSTEM; traces.py and bench.py are optional."""

DEFAULT: Final = "lua_dqn"
"""The system of arguments that name none."""


def part_of(system: str, module: str) -> ModuleType | None:
    """Return a module of a system's package, such as traces; None where it has none.

    Raises:
        RegistryError: there is no such system.
    """
    if system not in SYSTEMS:
        raise RegistryError(
            f"system: expected one of {', '.join(SYSTEMS)}, got '{system}'"
            f"{near_match(system, SYSTEMS)}"
        )
    name = f"{SYSTEMS[system]}.{module}"
    return importlib.import_module(name) if importlib.util.find_spec(name) else None
