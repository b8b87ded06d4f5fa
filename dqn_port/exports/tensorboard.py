"""Write the histories of a training for TensorBoard, an optional extra."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from dqn_port.errors import MissingLibraryError
from dqn_port.systems.lua_dqn.train_agent import EpisodeEnded, Evaluated, Event, Resumed


def require_tensorboard() -> Any:
    """Return the class that writes TensorBoard's files.

    Raises:
        MissingLibraryError: tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingLibraryError(
            "--tensorboard: expected the package tensorboard, which is not installed; "
            f"install it: {sys.executable} -m pip install tensorboard"
        ) from error
    return SummaryWriter


class TensorboardWriter:
    """Consume a training's events into a folder of TensorBoard files."""

    def __init__(self, folder: Path) -> None:
        """Open the files when the first event comes; where a run goes on, later ones are hidden.

        Raises:
            MissingLibraryError: see require_tensorboard.
        """
        self._make = require_tensorboard()
        self._folder = folder
        self._writer: Any = None
        self._first: int | None = None
        """The first step that may stand in the files: later ones of an earlier try are hidden."""

    def consume(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Resumed):
            self._first = event.step + 1
        elif isinstance(event, EpisodeEnded):
            self._add(event.step, {"training/episode_reward": event.reward})
        elif isinstance(event, Evaluated):
            self._add(
                event.step,
                {
                    "evaluation/reward": event.reward,
                    "evaluation/episodes": event.n_episodes,
                    "validation/v": event.v,
                    "validation/td_error": event.td,
                    "training/lr": event.lr,
                    "training/frames_per_second": event.training_rate,
                },
            )
            self._writer.flush()

    def _add(self, step: int, values: dict[str, float]) -> None:
        if self._writer is None:
            self._writer = self._make(log_dir=str(self._folder), purge_step=self._first)
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close the files."""
        if self._writer is not None:
            self._writer.close()
