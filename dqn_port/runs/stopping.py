"""Stop a training by a signal, between two of its steps."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any


class StopSignals:
    """Note SIGINT and SIGTERM, so that the step at hand is finished first.

    A second SIGINT raises KeyboardInterrupt at once.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        """Of the first signal that came."""
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt

    @property
    def exit_code(self) -> int:
        """130 or 143, as shells report the signals."""
        return 128 + (self.number or signal.SIGINT)
