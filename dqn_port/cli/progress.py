"""The progress bar of a training: one more consumer of its events."""

from __future__ import annotations

import sys
import time
from typing import Final

from tqdm import tqdm

from dqn_port.options import Options
from dqn_port.train import EpisodeEnded, Evaluated, Event, Ticked

_WINDOW: Final = 2.0
"""Seconds over which frames/s is measured."""


class ProgressBar:
    """Show steps, frames, frames/s, ε, the last score and the remaining time."""

    def __init__(self, opt: Options, learn_start: int) -> None:
        evaluations = sum(1 for s in range(opt.eval_freq, opt.steps + 1, opt.eval_freq)
                          if s > learn_start)  # fmt: skip
        self._opt = opt
        self._bar = tqdm(
            total=opt.steps + evaluations * opt.eval_steps,
            desc=opt.name,
            bar_format="{desc} {percentage:3.0f}% |{bar}|{postfix} · {remaining} left",
            file=sys.stderr,
            dynamic_ncols=True,
            mininterval=0.2,
            smoothing=0.05,
        )
        self._score = ""
        self._since, self._ticks, self._rate = time.perf_counter(), 0, 0.0

    def write(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.write(line, file=sys.stdout)

    def consume(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, EpisodeEnded):
            self._score = f" · score {event.reward:g}"
        elif isinstance(event, Evaluated):
            self._score = f" · score {event.reward:.2f}"
        elif isinstance(event, Ticked):
            self._tick(event)

    def _tick(self, event: Ticked) -> None:
        self._ticks += 1
        now = time.perf_counter()
        if now - self._since >= _WINDOW or self._rate == 0:
            self._rate = self._ticks * self._opt.actrep / max(now - self._since, 1e-6)
            self._since, self._ticks = now, 0
        if event.evaluation_step is None:
            what = f"step {event.step:,}/{self._opt.steps:,}"
        else:
            what = f"evaluation {event.evaluation_step:,}/{self._opt.eval_steps:,}"
        frames = event.step * self._opt.actrep
        self._bar.set_postfix_str(
            f"{what} · {frames:,} frames · {self._rate:,.0f} frames/s · ε {event.ep:.2f}"
            f"{self._score}",
            refresh=False,
        )
        self._bar.update(1)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()
