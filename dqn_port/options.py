"""A system's options: how they are declared, and what is reported about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from dqn_port.errors import DqnPortError


@dataclass(frozen=True, kw_only=True)
class Param:
    """One option of a system, or one key of a table of options."""

    name: str
    kind: str
    """number | integer | boolean | string | truth (Lua's: 0 is true) | table | any"""
    meaning: str
    default: Any = None
    """None: the option is absent."""
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
    role: str = ""
    """Which of the workshop's own words this option is: game | seed | name | length | device |
    threads | start (a saved network); empty: none."""


class Differences(NamedTuple):
    """The options in which two runs differ: path → (there, here), None for one that is absent."""

    numbers: dict[str, tuple[Any, Any]]
    """Those that make two runs of them."""
    length: dict[str, tuple[Any, Any]]
    """Those by which one is only longer."""


class OptionRow(NamedTuple):
    """An option as it takes effect."""

    option: str
    """seed, agent_params.lr …"""
    value: Any
    shown: str
    origin: str
    """Where the value comes from."""
    unit: str
    meaning: str


class ShownOptions(NamedTuple):
    """Every option as it takes effect."""

    rows: list[OptionRow]
    notes: list[str]
    fault: DqnPortError | None
    """Why they cannot be run, if they cannot."""


class Converted(NamedTuple):
    """What came of converting arguments."""

    warnings: list[str]
    left_out: list[str]
    """What was left out, and why."""
    n_options: int


class OtherOption(NamedTuple):
    """An option of a run that is not the original's."""

    path: str
    """seed, agent_params.lr …"""
    here: str
    original: str
    matters: bool
    """Whether it changes results."""


class Compared(NamedTuple):
    """A run's options beside those of the original."""

    title: str
    whose: str
    """Whose options they are compared with: DQN3_0_1, the program of the paper."""
    short: str
    others: list[OtherOption]
    """Those that change no result come last."""


class Words(NamedTuple):
    """What the words of the original's command line come to."""

    verb: str
    """train | evaluate | play | …: our command that does it."""
    options: dict[str, Any]


class Draft(Protocol):
    """Options while they are put together, and what was noticed about them."""

    values: dict[str, Any]
    """Path (seed, agent_params.lr) → value, as far as given."""
    sources: dict[str, str]
    """Path → where its value came from."""

    @property
    def warnings(self) -> list[str]:
        """What may change a number or was not meant."""
