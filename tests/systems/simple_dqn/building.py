"""Small options and trainings of simple_dqn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dqn_port.systems.simple_dqn.environment import ALEEnvironment
from dqn_port.systems.simple_dqn.main import Training
from dqn_port.systems.simple_dqn.system import SYSTEM
from dqn_port.systems.simple_dqn.traces.loops import KeptFiles
from dqn_port.systems.simple_dqn.traces.toy_emulator import TraceToy
from tests.golden_files import GOLDEN

SHIPPED = GOLDEN / "simple_dqn"
SMALL: dict[str, Any] = {
    "game": "toyA",
    "backend": "cpu",
    "screen_width": 36,
    "screen_height": 36,
    "batch_size": 4,
    "replay_size": 30,
    "random_seed": 3,
    "random_starts": 5,
    "frame_skip": 1,
    "random_steps": 20,
    "train_steps": 14,
    "test_steps": 6,
    "epochs": 2,
    "target_steps": 5,
    "exploration_decay_steps": 20,
}


def options(**given: Any) -> dict[str, Any]:
    """Return the small options, with others in their place."""
    values = {**SMALL, **given}
    return SYSTEM.load(assignments=[f"{name}={json.dumps(v)}" for name, v in values.items()])


def toy_environment(**given: Any) -> ALEEnvironment:
    """Return the environment of the traces' toy emulator."""
    return ALEEnvironment(
        TraceToy(minimal_action_set=True), frame_skip=1, screen_width=36, screen_height=36, **given
    )


def training(*, toy: bool = False, files: KeptFiles | None = None, **given: Any) -> Training:
    """Return a small training; ``toy``: of the traces' emulator."""
    parts = {"environment": toy_environment()} if toy else {}
    return SYSTEM.training(options(**given), files or KeptFiles(Path()), parts=parts)
