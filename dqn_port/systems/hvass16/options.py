"""The options: the original's numbers with its names, and ours."""

from __future__ import annotations

from typing import Any, Final

from dqn_port.options import Param
from dqn_port.records import Chart, Column, Table
from dqn_port.systems.hvass16.preprocessing import REVISIONS


def _signal(
    name: str, start: float, end: float, over: float, of: str, high: float | None = None
) -> tuple[Param, ...]:
    """Return the three numbers of a LinearControlSignal; ``high``: the largest value."""
    return (
        Param(name=f"{name}_start_value", kind="number", default=start, low=0, high=high,
              meaning=f"{of} at the start"),
        Param(name=f"{name}_end_value", kind="number", default=end, low=0, high=high,
              meaning=f"{of} at the end"),
        Param(name=f"{name}_num_iterations", kind="number", default=over, low=1, unit="states",
              meaning=f"states until {name}_end_value is reached"),
    )  # fmt: skip


OPTIONS: Final = (
    Param(name="env", kind="string", default="Breakout-v0", role="game",
          meaning="gym's name of the game (-v0: sticky actions, 10,000 steps; -v3, -v4: none, "
                  "100,000), a ROM's name (as -v0), toyA, or module:object (needs --trust)"),
    Param(name="game_path", kind="string", default="", changes="nothing",
          meaning="folder with the ROMs; empty: ale-py's"),
    Param(name="episodes", kind="integer", role="length", low=0, changes="length",
          unit="episodes", meaning="total length of the run",
          default_is="never"),
    Param(name="dir", kind="string", default="checkpoints_tutorial16/", changes="nothing",
          meaning="the original's checkpoint folder, only noted; --out sets the folder here"),
    Param(name="preprocessing", kind="string", default="v17", choices=REVISIONS,
          meaning="how a frame becomes an image: as in the document, or its newest revision"),
    Param(name="state_height", kind="integer", default=105, low=8, high=210, unit="pixels",
          meaning="height of the image"),
    Param(name="state_width", kind="integer", default=80, low=8, high=160, unit="pixels",
          meaning="width of the image"),
    Param(name="motion_threshold", kind="number", default=20, low=0, high=255,
          meaning="a pixel that changes by more than this has moved"),
    Param(name="motion_decay", kind="number", default=0.75, low=0, high=1,
          meaning="fraction of the motion trace kept at each step"),
    Param(name="frame_skip", kind="table", default=[2, 3, 4], unit="frames",
          meaning="frames per step: a list, from which one is drawn at random"),
    Param(name="frame_skip_in_turn", kind="boolean", default=False,
          meaning="take the list in order instead"),
    Param(name="sticky", kind="number", low=0, high=1,
          meaning="probability that a frame repeats the previous action",
          default_is="0.25 in -v0, else 0"),
    Param(name="max_steps", kind="integer", low=1, unit="steps",
          meaning="limit of a game", default_is="10,000 in -v0, else 100,000; toyA: none"),
    Param(name="replay_size", kind="integer", default=200_000, low=2, high=10**8, unit="states",
          meaning="size of the replay memory; 50,000 in the document"),
    Param(name="discount_factor", kind="number", default=0.97, low=0, high=1,
          meaning="discount per step, γ"),
    Param(name="error_threshold", kind="number", default=0.1, low=0,
          meaning="estimation errors from this on count as large"),
    *_signal("epsilon", 1.0, 0.1, 1e6, "probability of a random action", 1),
    Param(name="epsilon_testing", kind="number", default=0.01, low=0, high=1,
          meaning="probability of a random action in tests"),
    *_signal("learning_rate", 1e-3, 1e-5, 5e6, "learning rate"),
    *_signal("loss_limit", 0.1, 0.015, 5e6, "mean loss at which a burst ends"),
    *_signal("max_epochs", 5.0, 10.0, 5e6, "most epochs of a burst"),
    *_signal("replay_fraction", 0.1, 1.0, 5e6, "fraction of the memory filled before a burst"),
    Param(name="min_epochs", kind="number", default=1.0, low=0, unit="epochs",
          meaning="fewest epochs of a burst"),
    Param(name="batch_size", kind="integer", default=128, low=1, high=2**20, unit="states",
          meaning="states per update"),
    Param(name="kernel_size", kind="integer", default=3, low=1, high=15, unit="pixels",
          meaning="side of the convolutions' kernels"),
    Param(name="filters", kind="table", default=[16, 32, 64], meaning="of each convolution"),
    Param(name="strides", kind="table", default=[2, 2, 1], unit="pixels",
          meaning="stride of each convolution"),
    Param(name="dense", kind="table", default=[1024, 1024, 1024, 1024],
          meaning="outputs of each dense layer but the last"),
    Param(name="init_stddev", kind="number", default=0.02, low=0,
          meaning="standard deviation of the initial weights, drawn again beyond twice this"),
    Param(name="rmsprop_decay", kind="number", default=0.9, low=0, high=1,
          meaning="fraction of the mean square kept at each update"),
    Param(name="rmsprop_epsilon", kind="number", default=1e-10, low=0,
          meaning="added to the mean square before the square root"),
    Param(name="mean_of", kind="integer", default=30, low=1, unit="episodes",
          meaning="episodes in the mean reward"),
    Param(name="as_original", kind="boolean", default=False,
          meaning="stop, or go wrong, where the original did: too few large errors, one small "
                  "error, numbers that are not finite"),
    Param(name="eval_freq", kind="integer", default=0, low=0, unit="states",
          meaning="states between evaluations; 0: none, as in the original"),
    Param(name="eval_episodes", kind="integer", default=30, low=1, high=10**6, unit="episodes",
          meaning="whole games per evaluation"),
)  # fmt: skip

EVALUATION: Final = Table(
    clock="states",
    score="reward_mean",
    score_means=("with ε {epsilon_testing}, whole games in an environment of their own",),
    episodes="games",
    charts=(
        Chart(
            title="Reward of whole test games",
            columns=("reward_min", "reward_mean", "reward_max"),
            keys=("min", "mean", "max"),
        ),
    ),
    columns=(
        Column(name="states", meaning="processed in training", dtype="int64", unit="states"),
        Column(name="episodes", meaning="begun in training", dtype="int64", unit="episodes"),
        Column(name="games", meaning="played", dtype="int64"),
        Column(name="reward_mean", meaning="of the games' rewards", unit="points"),
        Column(name="reward_min", meaning="the least of them", unit="points"),
        Column(name="reward_max", meaning="the largest of them", unit="points"),
        Column(name="reward_std", meaning="their standard deviation", unit="points"),
        Column(name="steps_mean", meaning="steps of a game", unit="steps"),
    ),
)
REWARD: Final = Table(
    name="reward",
    clock="states",
    charts=(
        Chart(
            title="Reward of training episodes",
            columns=("reward", "mean"),
            keys=("episode", "mean of the last"),
        ),
    ),
    columns=(
        Column(name="episodes", meaning="the episode's number", dtype="int64"),
        Column(name="states", meaning="processed when it ended", dtype="int64", unit="states"),
        Column(name="reward", meaning="of the episode", unit="points"),
        Column(name="mean", meaning="of the last mean_of episodes", unit="points"),
    ),
)
Q_VALUES: Final = Table(
    name="q_values",
    clock="states",
    charts=(Chart(title="Mean Q-value in the memory after a sweep", columns=("mean",)),),
    columns=(
        Column(name="episodes", meaning="begun", dtype="int64"),
        Column(name="states", meaning="processed", dtype="int64", unit="states"),
        Column(name="min", meaning="Q-value in the memory after the sweep"),
        Column(name="mean", meaning="of these Q-values, unused rows included"),
        Column(name="max", meaning="of these Q-values"),
        Column(name="std", meaning="their standard deviation"),
    ),
)


def positive_integers(value: Any) -> bool:
    """Return whether a value is a list of whole numbers of 1 to 2^20."""
    return isinstance(value, list) and bool(value) and all(
        type(n) is int and 1 <= n <= 2**20 for n in value
    )  # fmt: skip
