"""The systems by name; no other module names them."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from dqn_port.arguments.args_file import read_args_json
from dqn_port.arguments.trust import is_trusted, require_trust
from dqn_port.errors import ArgsError, RegistryError, UsageError, near_match
from dqn_port.external import import_object, place_of
from dqn_port.interfaces import System
from dqn_port.records import Table

SYSTEMS: Final = {
    "lua_dqn": "dqn_port.systems.lua_dqn",
    "simple_dqn": "dqn_port.systems.simple_dqn",
    "labml_dqn": "dqn_port.systems.labml_dqn",
    "practical_rl": "dqn_port.systems.practical_rl",
    "hvass16": "dqn_port.systems.hvass16",
}
"""Name → package. In it, system.py holds SYSTEM; traces.py and bench.py are optional."""

DEFAULT: Final = "lua_dqn"
"""The system of arguments that name none."""

FILES: Final[dict[str, str]] = {".prm": "simple_dqn", ".pkl": "simple_dqn"}
"""Ending of an original's own files of networks → its system; all others are DEFAULT's."""

_MODULE_OBJECT: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_NEEDED: Final = ("OPTIONS", "HISTORY", "load", "facts", "training", "open_player", "lines")
"""What a stranger's system has, at the least."""

_found: dict[str, System] = {}


def find_system(name: str) -> System:
    """Return the system that a name, or a stranger's module:object, stands for.

    Raises:
        RegistryError: there is none, or it cannot be imported.
        UsageError: it is a stranger's, and was not trusted.
    """
    if name in _found and (name in SYSTEMS or is_trusted()):
        return _found[name]
    if name in SYSTEMS:
        system: System = importlib.import_module(f"{SYSTEMS[name]}.system").SYSTEM
    elif _MODULE_OBJECT.fullmatch(name):
        system = _stranger(name)
    else:
        raise _unknown(name)
    return _found.setdefault(name, system)


def _stranger(name: str) -> System:
    require_trust("system", name)
    made = import_object("system", name)
    system: System = made() if isinstance(made, type) else made
    missing = [what for what in _NEEDED if not hasattr(system, what)]
    if missing:
        raise RegistryError(
            f"system: expected {', '.join(_NEEDED)}, got '{name}' without {', '.join(missing)} "
            f"({place_of(name)}); docs/systems.md says more"
        )
    return system


def choose(
    args_file: Path | None, assignments: Sequence[str], name: str | None = None
) -> tuple[System, tuple[str, ...]]:
    """Return the system of some arguments, and the assignments without that of ``system``.

    ``name``: what ``--system`` says.

    Raises:
        UsageError: the file and the words name different ones.
        RegistryError: see find_system.
    """
    key = "system="
    said = [text.removeprefix(key) for text in assignments if text.startswith(key)]
    others = tuple(text for text in assignments if not text.startswith(key))
    names = {*said, *([name] if name else [])}
    if args_file is not None and (there := _named_in(args_file)):
        names.add(there)
    if len(names) > 1:
        raise UsageError(f"system: expected one, got {' and '.join(sorted(names))}")
    return find_system(next(iter(names), DEFAULT)), others


def _named_in(args_file: Path) -> str:
    """Return the system that an argument file names; nothing if none, or it is not JSON."""
    try:
        name = read_args_json(args_file).get("system", "")
    except ArgsError:
        # Loading its options reports what is wrong with it.
        return ""
    return name if isinstance(name, str) else ""


def name_of(system: System) -> str:
    """Return the name under which a system was found; its own where it was not."""
    return next((name for name, found in _found.items() if found is system), system.NAME)


def system_in(arguments: Mapping[str, Any]) -> System:
    """Return the system that the object of an argument file names.

    Raises:
        RegistryError, UsageError: see find_system.
    """
    name = arguments.get("system", DEFAULT)
    if not isinstance(name, str):
        raise RegistryError(f"system: expected a name, got {name!r}")
    return find_system(name)


def system_of_file(path: Path) -> System:
    """Return the system that an argument file names; DEFAULT's for one that is no JSON.

    Raises:
        RegistryError, UsageError: see find_system.
    """
    return find_system(_named_in(path) or DEFAULT)


def system_with_table(names: Sequence[str]) -> tuple[str, Table] | None:
    """Return which system has a table of these columns, and the table; None: no system has.

    ``OLD_TABLES`` of a system are those that its original wrote, where they differ.
    """
    for name in SYSTEMS:
        system = find_system(name)
        for table in (*system.HISTORY, *getattr(system, "OLD_TABLES", ())):
            if table.names == tuple(names):
                return name, table
    return None


def part_of(system: str, module: str) -> ModuleType | None:
    """Return a module of a system's package, such as traces; None where it has none.

    Raises:
        RegistryError: there is no such system.
    """
    if system not in SYSTEMS:
        raise _unknown(system)
    name = f"{SYSTEMS[system]}.{module}"
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def old_name(field: str) -> str:
    """Return the old name of a field, from when only the Lua program existed."""
    names: dict[str, str] = importlib.import_module(f"{SYSTEMS[DEFAULT]}.old_names").OLD_NAMES
    return names[field]


def _unknown(name: str) -> RegistryError:
    return RegistryError(
        f"system: expected one of {', '.join(SYSTEMS)} or module:object, got '{name}'"
        f"{near_match(name, SYSTEMS)}"
    )
