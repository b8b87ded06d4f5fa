"""Track the values of every update, as a row and as a line on the screen. labml: labml.tracker."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields

QUEUES: Final = ("reward", "length")
"""Means of the last episodes, kept over rows."""
NAMES: Final = ("exploration", "beta", *QUEUES, "q_sampled_action", "q_update", "td_error", "loss")
_NAMES: Final = frozenset(NAMES)
DOUBLES: Final = frozenset({"exploration", "beta", *QUEUES})
"""The others are means in float32."""
_QUEUE: Final = 100
"""Episodes."""
_BETA: Final = 0.9
"""Of the moving average that decides how many decimals are printed."""


class Row(NamedTuple):
    """An update's row."""

    values: dict[str, float | None]
    """By NAMES; None where nothing was added."""
    printed: str
    """What the screen shows, without the update's number and times."""

    def cells(self) -> dict[str, float | None]:
        """Return the values, those in float32 with no more digits than that needs."""
        return {
            name: value if value is None or name in DOUBLES else float(str(np.float32(value)))
            for name, value in self.values.items()
        }


class Tracker:
    """Collect values by name until a row is saved.

    Quirk: a name without a new value has an empty cell, while the screen shows its last one again;
    names come to the screen in the order in which they first had a value
    (tests/systems/labml_dqn/test_tracker.py).
    """

    def __init__(self) -> None:
        self._added: dict[str, list[NDArray[Any]]] = {}
        self._queues: dict[str, deque[float]] = {name: deque(maxlen=_QUEUE) for name in QUEUES}
        self._averages: dict[str, float] = {}
        """Moving averages of what was printed, not yet corrected for their start at 0."""
        self._n_printed: dict[str, int] = {}
        self._shown: dict[str, str] = {}

    def add(self, name: str, value: ArrayLike) -> None:
        """Add a number or an array of them."""
        dtype = np.float64 if name in DOUBLES else np.float32
        if name in self._queues:
            self._queues[name].append(float(np.float64(value)))  # type: ignore[arg-type]
        self._added.setdefault(name, []).append(np.array(value, dtype=dtype).reshape(-1))

    def save(self) -> Row:
        """Return the row of what was added since the last one."""
        values = {name: self._mean(name) for name in NAMES}
        for name in self._added:
            if name not in self._shown:
                self._shown[name] = ""
        for name, value in values.items():
            if value is not None:
                self._shown[name] = f" {name}: {self._formatted(name, value)}"
        self._added = {}
        return Row(values, "".join(self._shown.values()))

    def forget(self) -> None:
        """Remove what was added since the last row, except from the means of the last episodes."""
        self._added = {}

    def _mean(self, name: str) -> float | None:
        if name not in self._added:
            return None
        if name in self._queues:
            return float(np.mean(self._queues[name]))
        return float(np.mean(np.concatenate(self._added[name])))

    def _formatted(self, name: str, value: float) -> str:
        """Return a number in eight characters or more, its decimals by how large they were."""
        n = self._n_printed[name] = self._n_printed.get(name, 0) + 1
        average = _BETA * self._averages.get(name, 0.0) + (1 - _BETA) * value
        self._averages[name] = average
        size = abs(average / (1 - _BETA**n))
        digits = math.ceil(math.log10(size)) + 1 if size >= 1e-9 else 1
        if digits >= 7:
            return f"{value:9.3e}"
        return f"{value:8,.{min(7 - digits, 6)}f}"

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        return {
            "added": {name: np.concatenate(parts) for name, parts in self._added.items()},
            "queues": {name: list(queue) for name, queue in self._queues.items()},
            "shown": [
                [name, text, self._averages[name], self._n_printed[name]]
                for name, text in self._shown.items()
            ],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: it is not the state of a tracker.
        """
        fields = Fields(state, "tracker")
        added, queues = fields.inner("added"), fields.inner("queues")
        kept: dict[str, list[NDArray[Any]]] = {}
        for name in fields.take("added", "a table by name", lambda x: _NAMES.issuperset(x)):
            dtype = np.float64 if name in DOUBLES else np.float32
            values = added.take(name, "numbers [n]", _is_vector)
            kept[name] = [values.astype(dtype)]
        lists = {name: queues.numbers(name, float) for name in QUEUES}
        shown = []
        for entry in fields.entries("shown"):
            if not _is_shown(entry):
                raise CheckpointError(
                    "tracker.shown: expected a name, its text, an average and a number, got others"
                )
            shown.append(entry)
        self._added = kept
        self._queues = {name: deque(values, maxlen=_QUEUE) for name, values in lists.items()}
        self._shown = {name: text for name, text, _, _ in shown}
        self._averages = {name: average for name, _, average, _ in shown}
        self._n_printed = {name: n for name, _, _, n in shown}


def _is_vector(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim == 1


def _is_shown(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and [type(value) for value in entry] == [str, str, float, int]
        and entry[0] in _NAMES
        and math.isfinite(entry[2])
        and entry[3] > 0
    )
