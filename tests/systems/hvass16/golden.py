"""Read the traces in tests/golden/hvass, all made by the original program (README.md there)."""

from __future__ import annotations

import torch

from dqn_port.systems.hvass16.traces.runs import Course
from dqn_port.verify.groups import find_groups, load
from dqn_port.verify.kinds import Replaying
from tests.golden_files import GOLDEN

FOLDER = GOLDEN / "hvass"


def trace(name):
    return load(find_groups(FOLDER, (name,))[0])


def course(name):
    """Return a run of the original's, to be played again."""
    return Course(trace(name), Replaying(torch.device("cpu"), lambda done, total: None))
