"""What a training remembers of its evaluations. Lua: the histories of train_agent.lua."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

HISTORY_COLUMNS: Final = (
    "step",
    "frames",
    "reward",
    "episodes",
    "rewards",
    "v",
    "td",
    "qmax",
    "epsilon",
    "lr",
    "training_seconds",
    "training_rate",
    "testing_seconds",
    "testing_rate",
    "best",
)
"""Of history.csv. Rates are in frames per second; times are those of the interval."""

MEASURED_COLUMNS: Final = frozenset(
    {"training_seconds", "training_rate", "testing_seconds", "testing_rate"}
)
"""What differs between two equal runs."""

WHOLE_COLUMNS: Final = frozenset({"step", "frames", "episodes", "rewards", "best"})
"""Columns of whole numbers, int64; the others are float64."""

COLUMNS: Final = {
    "reward": "reward_history",
    "episodes": "episode_counts",
    "rewards": "reward_counts",
    "v": "v_history",
    "td": "td_history",
    "qmax": "qmax_history",
}
"""Column of history.csv → the list of the same numbers."""
TIME: Final = "time_history"
"""The list that has one number more."""


@dataclass
class Histories:
    """One entry an evaluation in every list; time_history has one more, 0 before the first.

    The names are those of the original's snapshot; ``steps`` is ours.
    """

    reward_history: list[float] = field(default_factory=list)
    """Mean return of the evaluation's finished episodes."""
    reward_counts: list[int] = field(default_factory=list)
    """Steps with a reward that is not 0, those of an unfinished episode too."""
    episode_counts: list[int] = field(default_factory=list)
    """Finished episodes."""
    time_history: list[float] = field(default_factory=lambda: [0.0])
    """Seconds of training so far, evaluations left out."""
    v_history: list[float] = field(default_factory=list)
    """Mean over the validation sample of the target network's best value."""
    td_history: list[float] = field(default_factory=list)
    """Mean over the validation sample of the absolute TD error, after clipping."""
    qmax_history: list[float] = field(default_factory=list)
    """The constant 1."""
    steps: list[int] = field(default_factory=list)
    """Agent steps at which the evaluations were made."""

    def is_best(self, reward: float) -> bool:
        """Tell whether ``reward`` is the first, or larger than all before.

        Lua quirk: the best so far is taken as a float32, the reward is a double
        (tests/systems/lua_dqn/test_train_agent.py).
        """
        return not self.reward_history or reward > float(np.float32(max(self.reward_history)))

    def to_table(self) -> dict[str, Any]:
        """Return the lists that the original saves, by its names."""
        return {name: values for name, values in asdict(self).items() if name != "steps"}
