"""What was measured: figures with all their repeats."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One quantity, measured several times."""

    what: str
    unit: str
    values: tuple[float, ...]
    """One per repeat, in the order in which they were measured."""

    @property
    def median(self) -> float:
        """Return the median of the repeats."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """Return the smallest repeat."""
        return min(self.values)

    @property
    def high(self) -> float:
        """Return the largest repeat."""
        return max(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Return the first and the third quartile; for a single repeat, that repeat twice."""
        if len(self.values) < 2:
            return self.values[0], self.values[0]
        first, _, third = statistics.quantiles(self.values, n=4, method="inclusive")
        return first, third

    def to_json(self) -> dict[str, Any]:
        """Return the figure as JSON holds it."""
        return {
            "what": self.what,
            "unit": self.unit,
            "median": self.median,
            "low": self.low,
            "high": self.high,
            "quartiles": list(self.quartiles),
            "values": list(self.values),
        }


Figures = dict[str, Figure]


def ratio(what: str, of: Figure, to: Figure) -> Figure:
    """Return ``of`` divided by ``to``, repeat by repeat, so that common drift cancels out."""
    pairs = zip(of.values, to.values, strict=True)
    return Figure(what, "×", tuple(a / b for a, b in pairs))


def digits(value: float) -> str:
    """Return a number with three significant digits, or as an integer from 100 on."""
    size = abs(value)
    places = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.9995 else 3
    return f"{value:,.{places}f}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> list[str]:
    """Return aligned lines; the first ``left`` columns are aligned left, the others right."""
    cells = [tuple(header), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = [
            f"{cell:<{width}}" if at < left else f"{cell:>{width}}"
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def rows_of_figures(figures: Figures) -> list[tuple[str, ...]]:
    """Return what was measured, its median, unit, spread and number of repeats, as rows."""
    return [
        (
            figure.what,
            digits(figure.median),
            figure.unit,
            f"{digits(figure.low)}–{digits(figure.high)}",
            str(len(figure.values)),
        )
        for figure in figures.values()
    ]


def table_of_figures(figures: Figures) -> list[str]:
    """Return the lines of a table of figures."""
    return table(("", "median", "unit", "min–max", "repeats"), rows_of_figures(figures))
