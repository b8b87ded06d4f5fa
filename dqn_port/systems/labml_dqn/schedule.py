"""Numbers that change with the update. labml: labml_helpers.schedule, Piecewise."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from dqn_port.errors import ArgsError


class Piecewise:
    """Straight lines between points (x, y), and one value outside them.

    Quirk: outside is also the last point itself (tests/systems/labml_dqn/test_schedule.py).
    """

    def __init__(
        self, endpoints: Sequence[tuple[float, float]], *, outside_value: float | None = None
    ) -> None:
        """Take points sorted by x; if two have the same x, the second starts a new line.

        Raises:
            ArgsError: they are not sorted.
        """
        for (left, _), (right, _) in itertools.pairwise(endpoints):
            if right < left:
                raise ArgsError(
                    f"points: expected them sorted by update, got {left:.15g} before {right:.15g}"
                )
        self.endpoints, self.outside_value = tuple(endpoints), outside_value

    def __call__(self, x: float) -> float | None:
        """Return y at ``x``."""
        for (x1, y1), (x2, y2) in itertools.pairwise(self.endpoints):
            if x1 <= x < x2:
                return y1 + (x - x1) / (x2 - x1) * (y2 - y1)
        return self.outside_value

    def __str__(self) -> str:
        points = ", ".join(str(point) for point in self.endpoints)
        return f"Schedule[{points}, {self.outside_value}]"
