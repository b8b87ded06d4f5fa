"""The progress bar of a training: one more consumer of its events."""

from __future__ import annotations

import sys
import time
from typing import Final

from tqdm import tqdm

from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.train_agent import EpisodeEnded, Evaluated, Event, Resumed, Ticked

_WINDOW: Final = 1.0
"""Seconds over which frames/s is measured."""

_BAR: Final = 10
"""Columns of the bar itself."""
_BEFORE: Final = len("100% ||") + _BAR
"""Columns before the fields."""

_PLAYING, _LEARNING, _EVALUATING = "playing", "learning", "evaluating"


def fitting(fields: list[str], columns: int | None) -> str:
    """Return as many of the first fields, whole, as fit behind the bar; all without columns."""
    text = ""
    for field in fields:
        longer = f"{text} · {field}" if text else f" {field}"
        if columns and _BEFORE + len(longer) > columns:
            break
        text = longer
    return text


class RemainingTime:
    """Estimate the time left: steps before learning, learning and evaluating cost differently."""

    def __init__(self, opt: Options, learn_start: int, *, done: int = 0) -> None:
        """``done``: agent steps that were played before."""
        since = max(learn_start, done)
        evaluations = sum(
            step > since for step in range(opt.eval_freq, opt.steps + 1, opt.eval_freq)
        )
        self.left = {
            _PLAYING: max(min(learn_start, opt.steps) - done, 0),
            _LEARNING: max(opt.steps - since, 0),
            _EVALUATING: evaluations * opt.eval_steps,
        }
        self._seconds = dict.fromkeys(self.left, 0.0)
        self._ticks = dict.fromkeys(self.left, 0)

    @property
    def total(self) -> int:
        """All agent steps that are left, of evaluations too."""
        return sum(self.left.values())

    def tick(self, kind: str, seconds: float) -> None:
        """Take one agent step and its time; later steps count more than early ones."""
        if self._ticks[kind] == 2000:
            self._ticks[kind] //= 2
            self._seconds[kind] /= 2
        self.left[kind] -= 1
        self._seconds[kind] += seconds
        self._ticks[kind] += 1

    def seconds(self) -> float | None:
        """Return the estimate; None while the cost of learning is not known."""
        cost = {k: self._seconds[k] / self._ticks[k] for k in self.left if self._ticks[k] > 20}
        # Until the first evaluation, its steps are taken to cost twice what those at random do.
        cost.setdefault(_EVALUATING, 2 * cost.get(_PLAYING, 0.0))
        if any(n > 0 and kind not in cost for kind, n in self.left.items()):
            return None
        return sum(max(n, 0) * cost[kind] for kind, n in self.left.items() if n > 0)


class ProgressBar:
    """Show the last score, the time left, steps, frames/s, ε and frames, as far as they fit."""

    def __init__(self, opt: Options, learn_start: int) -> None:
        self._opt, self._learn_start = opt, learn_start
        self._remaining = RemainingTime(opt, learn_start)
        self._bar = tqdm(
            total=self._remaining.total,
            # The unit is the only field that tqdm shows as it is.
            bar_format=f"{{percentage:3.0f}}% |{{bar:{_BAR}}}|{{unit}}",
            unit="",
            file=sys.stderr,
            dynamic_ncols=True,
            mininterval=0.2,
        )
        self._score = ""
        self._at: Ticked | None = None
        self._last = self._since = time.perf_counter()
        self._ticks, self._rate = 0, 0.0

    def write(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.write(line, file=sys.stdout)

    def consume(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, EpisodeEnded):
            self._score = f"score {event.reward:g}"
        elif isinstance(event, Evaluated):
            self._score = f"score {event.reward:.2f}"
        elif isinstance(event, Resumed):
            whole = self._remaining.total
            self._remaining = RemainingTime(self._opt, self._learn_start, done=event.step)
            self._bar.update(whole - self._remaining.total)
        elif isinstance(event, Ticked):
            self._tick(event)

    def _tick(self, event: Ticked) -> None:
        now = time.perf_counter()
        if event.evaluation_step is not None:
            kind = _EVALUATING
        else:
            kind = _PLAYING if event.step <= self._learn_start else _LEARNING
        self._remaining.tick(kind, now - self._last)
        self._last = now
        self._ticks += 1
        if now - self._since >= _WINDOW or self._rate == 0:
            self._rate = self._ticks * self._opt.actrep / max(now - self._since, 1e-6)
            self._since, self._ticks = now, 0
            self._bar.unit = self._text(event)
        self._at = event
        self._bar.update(1)

    def _text(self, event: Ticked) -> str:
        if event.evaluation_step is None:
            what = f"step {event.step:,}/{self._opt.steps:,}"
        else:
            what = f"evaluation {event.evaluation_step:,}/{self._opt.eval_steps:,}"
        seconds = self._remaining.seconds()
        left = "…" if seconds is None else tqdm.format_interval(seconds)
        fields = [
            self._score,
            f"{left} left",
            what,
            f"{self._rate:,.0f} frames/s",
            f"ε {event.ep:.2f}",
            f"{event.step * self._opt.actrep:,} frames",
        ]
        return fitting([field for field in fields if field], self._bar.format_dict["ncols"])

    def close(self) -> None:
        """Leave the bar as it stands, up to date."""
        if self._at is not None:
            self._bar.unit = self._text(self._at)
            self._at = None
            self._bar.refresh()
        self._bar.close()
