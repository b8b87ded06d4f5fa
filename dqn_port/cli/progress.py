"""The progress bar of a training: one more consumer of its events."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Final

from tqdm import tqdm

from dqn_port.events import EpisodeEnded, Event, Row, Ticked
from dqn_port.records import Table

_WINDOW: Final = 1.0
"""Seconds over which frames/s is measured."""

_BAR: Final = 10
"""Columns of the bar itself."""
_BEFORE: Final = len("100% ||") + _BAR
"""Columns before the fields."""

EVALUATING: Final = ("evaluating", "test")
"""The phases of evaluations, for systems that have them."""

LONG: Final = 3600.0
"""A run that takes more seconds than this is reported as long."""
_TOLD_AFTER: Final = 60.0
"""Seconds."""


def fitting(fields: list[str], columns: int | None) -> str:
    """Return as many of the first fields as fit after the bar; all of them if columns is None."""
    text = ""
    for field in fields:
        longer = f"{text} · {field}" if text else f" {field}"
        if columns and _BEFORE + len(longer) > columns:
            break
        text = longer
    return text


class RemainingTime:
    """Estimate the time left; ticks of different phases take different times."""

    def __init__(self, left: Mapping[str, int]) -> None:
        """``left``: ticks by phase, see Training.left."""
        self.left = dict(left)
        self._seconds = dict.fromkeys(self.left, 0.0)
        self._ticks = dict.fromkeys(self.left, 0)

    @property
    def total(self) -> int:
        """The number of all ticks left."""
        return sum(self.left.values())

    def tick(self, kind: str, seconds: float) -> None:
        """Add one tick and its time; later ticks count more than early ones."""
        for table in (self.left, self._ticks, self._seconds):
            table.setdefault(kind, 0)
        if self._ticks[kind] == 2000:
            self._ticks[kind] //= 2
            self._seconds[kind] /= 2
        self.left[kind] -= 1
        self._seconds[kind] += seconds
        self._ticks[kind] += 1

    def seconds(self) -> float | None:
        """Return the estimate; None while the cost of learning is not known."""
        cost = {k: self._seconds[k] / self._ticks[k] for k in self.left if self._ticks[k] > 20}
        # Until the first evaluation, its ticks are assumed to take twice as long as the cheapest.
        guess = 2 * min(cost.values(), default=0.0)
        cost = {kind: guess for kind in EVALUATING if kind in self.left} | cost
        if any(n > 0 and kind not in cost for kind, n in self.left.items()):
            return None
        return sum(max(n, 0) * cost[kind] for kind, n in self.left.items() if n > 0)


class LongRun:
    """Find out from a run's first minute whether it will take more than an hour."""

    def __init__(self, left: Mapping[str, int] | None, unit: str, step: int) -> None:
        """``left``: see Training.left; ``unit``: of the run's clock; ``step``: its present
        value."""
        self._remaining = None if left is None else RemainingTime(left)
        self._unit, self._step = unit, step
        self._began = self._last = time.perf_counter()
        self._told = False

    def consume(self, event: Event) -> str:
        """Take one event; return a line to show, once, if the run turns out to be long."""
        if self._told or not isinstance(event, Ticked):
            return ""
        now = time.perf_counter()
        if self._remaining is not None:
            self._remaining.tick(event.phase, now - self._last)
        self._last, passed = now, now - self._began
        if passed < _TOLD_AFTER:
            return ""
        if self._remaining is None:
            self._told = True
            hours = 1e6 * passed / max(event.step - self._step, 1) / 3600
            return f"at this pace a million {self._unit} take about {hours:,.1f} hours"
        if (left := self._remaining.seconds()) is None:
            return ""
        self._told = True
        if passed + left < LONG:
            return ""
        return f"at this pace the run takes about {(passed + left) / 3600:,.1f} hours"


class ProgressBar:
    """Show the last score, the time left, steps, frames/s, ε and frames, if there is room."""

    def __init__(self, left: Mapping[str, int] | None, table: Table) -> None:
        """``left``: see Training.left; None: without an end. ``table``: the table with the
        score."""
        self._table = table
        self._remaining = None if left is None else RemainingTime(left)
        self._bar = tqdm(
            total=None if self._remaining is None else self._remaining.total,
            # The unit is the only field that tqdm shows as it is.
            bar_format="{unit}"
            if self._remaining is None
            else f"{{percentage:3.0f}}% |{{bar:{_BAR}}}|{{unit}}",
            unit="",
            file=sys.stderr,
            dynamic_ncols=True,
            mininterval=0.2,
        )
        self._score = ""
        self._at: Ticked | None = None
        self._last = self._since = time.perf_counter()
        self._frames, self._rate = 0, 0.0

    def write(self, line: str, *, err: bool = False) -> None:
        """Print a line above the bar."""
        self._bar.write(line, file=sys.stderr if err else sys.stdout)

    def consume(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, EpisodeEnded):
            self._score = f"score {event.reward:g}"
        elif isinstance(event, Row) and not event.table and self._table.score:
            score = event.cells[self._table.score]
            self._score = f"score {score:.2f}" if score is not None else self._score
        elif isinstance(event, Ticked):
            self._tick(event)

    def _tick(self, event: Ticked) -> None:
        now = time.perf_counter()
        if self._remaining is not None:
            self._remaining.tick(event.phase, now - self._last)
        self._last = now
        self._frames += event.frames
        if now - self._since >= _WINDOW or self._rate == 0:
            self._rate = self._frames / max(now - self._since, 1e-6)
            self._since, self._frames = now, 0
            self._bar.unit = self._text(event)
        self._at = event
        self._bar.update(1)

    def _text(self, event: Ticked) -> str:
        seconds = None if self._remaining is None else self._remaining.seconds()
        left = "…" if seconds is None else tqdm.format_interval(seconds)
        fields = [
            self._score,
            f"{left} left" if self._remaining is not None else "",
            event.text,
            f"{self._rate:,.0f} frames/s" if event.all_frames else "",
            "" if event.epsilon is None else f"ε {event.epsilon:.2f}",
            f"{event.all_frames:,} frames" if event.all_frames else "",
        ]
        return fitting([field for field in fields if field], self._bar.format_dict["ncols"])

    def close(self) -> None:
        """Update the bar and leave it on the terminal."""
        if self._at is not None:
            self._bar.unit = self._text(self._at)
            self._at = None
            self._bar.refresh()
        self._bar.close()
