"""Practical_RL's homework as a system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

import torch

from dqn_port.arguments.declared import Declared
from dqn_port.events import Event, Row, Started
from dqn_port.fields import Fields
from dqn_port.interfaces import Facts, Files, Param, SavedNetwork, Table
from dqn_port.systems.practical_rl.dqn_agent import DQNAgent, initialise
from dqn_port.systems.practical_rl.histories import HISTORY
from dqn_port.systems.practical_rl.main_loop import Training
from dqn_port.systems.practical_rl.make_env import fill_in, make_env
from dqn_port.systems.practical_rl.options import OPTIONS
from dqn_port.systems.practical_rl.training_state import load_arrays


class PracticalRL(Declared):
    """The homework; see docs/practical_rl.md."""

    NAME: ClassVar[str] = "practical_rl"
    OPTIONS: ClassVar[tuple[Param, ...]] = OPTIONS
    HISTORY: ClassVar[tuple[Table, ...]] = HISTORY

    def check(self, options: dict[str, Any]) -> dict[str, Any]:
        """Fill in what is to be chosen by the environment.

        Raises:
            UsageError, RomError, MissingLibraryError: see make_env.fill_in.
        """
        fill_in(options)
        return options


SYSTEM: Final = PracticalRL()
