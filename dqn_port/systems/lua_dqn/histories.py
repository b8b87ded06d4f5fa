"""The results of a training's evaluations. Lua: the histories of train_agent.lua."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from dqn_port.records import Chart, Column, Table

_EVALUATED: Final = (
    Column(name="step", heading="steps", width=11, dtype="int64",
           meaning="agent steps of training at the evaluation"),
    Column(name="frames", width=12, dtype="int64",
           meaning="emulator frames of training at the evaluation"),
    Column(name="reward", width=10, tag="evaluation/reward",
           meaning="mean return of the evaluation's finished episodes, in points of the game"),
    Column(name="episodes", width=8, tag="evaluation/episodes", dtype="int64",
           exported="episode_counts",
           meaning="finished episodes of the evaluation"),
    Column(name="rewards", width=7, dtype="int64", exported="reward_counts",
           meaning="agent steps of the evaluation with a reward other than 0"),
    Column(name="v", heading="V", width=9, tag="validation/v",
           meaning="mean of the target network's largest Q-value over the validation sample"),
    Column(name="td", heading="TD error", width=9, tag="validation/td_error",
           meaning="mean absolute TD error over the validation sample, after clipping"),
    Column(name="qmax", meaning="Qmax, the constant 1 as in the original"),
    Column(name="epsilon", meaning="probability of a random action in the evaluation"),
    Column(name="lr", tag="training/lr", meaning="learning rate"),
    Column(name="training_seconds", unit="s", measured=True,
           meaning="training time since the evaluation before, evaluations left out"),
    Column(name="training_rate", tag="training/frames_per_second", unit="s-1", measured=True,
           meaning="emulator frames a second in that time"),
    Column(name="testing_seconds", unit="s", measured=True, meaning="time of the evaluation"),
    Column(name="testing_rate", unit="s-1", measured=True,
           meaning="emulator frames a second in the evaluation"),
    Column(name="best", dtype="uint8",
           meaning="1 where the network was the best so far, else 0"),
)  # fmt: skip

HISTORY: Final = Table(
    columns=_EVALUATED,
    clock="step",
    score="reward",
    score_means=("in {eval_steps} steps", "with ε\N{NO-BREAK SPACE}0.05"),
    episodes="episodes",
    best="best",
    charts=(
        Chart(
            title="Value of the held-out states",
            columns=("v",),
            alt="V of the held-out states against {x}",
            note="Mean over the states of max Q, in clipped reward, discounted.",
        ),
        Chart(
            title="TD error of the held-out transitions",
            columns=("td",),
            alt="Mean absolute TD error against {x}",
            note="Mean of its absolute value, after clipping.",
        ),
        Chart(
            title="Frames a second",
            columns=("training_rate", "testing_rate"),
            keys=("training", "evaluation"),
            alt="Frames a second in training and evaluation, against frames of training",
            note="Emulator frames by the clock, before each evaluation and in it.",
            from_zero=True,
        ),
        Chart(
            title="Qmax",
            columns=("qmax",),
            alt="Qmax against {x}",
            note="In the original it is constant.",
            unless_constant=True,
        ),
    ),
)
"""Of history.csv. Rates are in frames per second; times are those of the interval."""

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
"""The list with one number more."""


@dataclass
class Histories:
    """Lists with one entry per evaluation; time_history begins with one more, 0.

    The names are those of the original's snapshot; ``steps`` is ours.
    """

    reward_history: list[float] = field(default_factory=list)
    """Mean return of the evaluation's finished episodes."""
    reward_counts: list[int] = field(default_factory=list)
    """Steps with a reward that is not 0, those of an unfinished episode too."""
    episode_counts: list[int] = field(default_factory=list)
    """Finished episodes."""
    time_history: list[float] = field(default_factory=lambda: [0.0])
    """Seconds of training so far, without evaluations."""
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
