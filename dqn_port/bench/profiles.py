"""Profile a loop: the program's own methods, timed from outside.

The methods are wrapped on the objects that are measured and unwrapped afterwards. A stage's time is
what its methods take without the wrapped methods they call, so that the shares sum up to one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dqn_port.bench.figures import digits, table

Stages = Sequence[tuple[str, str, tuple[str, ...]]]
"""(stage, whose methods, by attributes from the loop on, their names); what an object has not is
left out."""


@dataclass(frozen=True)
class Stage:
    """One row of a profile."""

    name: str
    calls: int
    seconds: float
    share: float


@dataclass(frozen=True)
class Profile:
    """Where the time of some steps went."""

    steps: int
    seconds: float
    plain_seconds: float
    """Of as many steps without the wraps, which take time themselves."""
    stages: tuple[Stage, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the profile as JSON holds it."""
        return vars(self) | {"stages": [vars(stage) for stage in self.stages]}

    def lines(self) -> list[str]:
        """Return the profile as an aligned table."""
        rows = [
            (
                stage.name,
                f"{stage.share:6.1%}",
                digits(1e6 * stage.seconds / self.steps),
                digits(stage.calls / self.steps),
            )
            for stage in sorted(self.stages, key=lambda stage: -stage.seconds)
        ]
        slower = self.seconds / self.plain_seconds - 1
        return [
            *table(("where the time goes", "share", "µs a step", "calls a step"), rows),
            f"{self.steps:,} steps; the profile itself made them {slower:+.0%} slower.",
        ]


class _Clock:
    """Counts time for the innermost wrapped method that runs."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._inside: list[str] = []
        self._since = 0.0

    def _hand_over(self) -> None:
        now = time.perf_counter()
        if self._inside:
            name = self._inside[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now

    def wrap(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``method``, timed as ``name``."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._hand_over()
            self._inside.append(name)
            self.calls[name] = self.calls.get(name, 0) + 1
            try:
                return method(*args, **kwargs)
            finally:
                self._hand_over()
                self._inside.pop()

        return timed


@contextlib.contextmanager
def _wrapped(loop: object, stages: Stages, clock: _Clock) -> Iterator[None]:
    undo: list[tuple[Any, str, Any]] = []
    missing = object()
    try:
        for stage, path, names in stages:
            owner: Any = loop
            for part in path.split("."):
                owner = getattr(owner, part, None)
            for name in names:
                method = getattr(owner, name, None)
                # An object with slots takes no other method: its time counts for who calls it.
                if callable(method) and hasattr(owner, "__dict__"):
                    undo.append((owner, name, vars(owner).get(name, missing)))
                    setattr(owner, name, clock.wrap(stage, method))
        yield
    finally:
        for owner, name, before in reversed(undo):
            if before is missing:
                delattr(owner, name)
            else:
                setattr(owner, name, before)


def profile(loop: object, stages: Stages, work: Callable[[int], object], steps: int) -> Profile:
    """Do ``steps`` of ``work`` on ``loop`` twice, without and with the wraps."""

    def timed() -> float:
        started = time.perf_counter()
        work(steps)
        return time.perf_counter() - started

    plain, clock = timed(), _Clock()
    with _wrapped(loop, stages, clock):
        seconds = timed()
    known = sum(clock.seconds.values())
    rest = {"outside of all stages": max(0.0, seconds - known)}
    spent_in = tuple(
        Stage(name, clock.calls.get(name, 0), spent, spent / seconds)
        for name, spent in (clock.seconds | rest).items()
    )
    return Profile(steps=steps, seconds=seconds, plain_seconds=plain, stages=spent_in)
