"""Two programs that take turns, each waiting while the other is timed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dqn_port.bench.figures import Figure, Figures, digits, ratio
from dqn_port.bench.workers import Worker

WARM_UP: Final = 100
"""Steps that each plays before it is timed."""


def turns(rounds: int, first: str, second: str) -> Iterator[tuple[str, str]]:
    """Yield who is timed first and who second, alternating so that neither is always first."""
    for at in range(rounds):
        yield (second, first) if at % 2 else (first, second)


def take_turns(
    workers: Mapping[str, Worker], *, rounds: int, steps: int, warm_up: int = WARM_UP
) -> Figures:
    """Return the steps/s of two workers, and the first's ratio to the second in every round.

    Raises:
        BenchError: one of them has ended.
    """
    first, second = workers
    rates: dict[str, list[float]] = {name: [] for name in workers}
    for worker in workers.values():
        worker.run(warm_up)
    for order in turns(rounds, first, second):
        for name in order:
            rates[name].append(steps / workers[name].run(steps))
    figures = {
        name: Figure(worker.name, "steps/s", tuple(rates[name])) for name, worker in workers.items()
    }
    other = workers[second].name
    return figures | {"ratio": ratio(f"÷ {other}", figures[first], figures[second])}


def spread(figure: Figure) -> str:
    """Return a median and its spread."""
    return f"{digits(figure.median)} ({digits(figure.low)}–{digits(figure.high)})"
