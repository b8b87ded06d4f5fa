"""The tables that a run keeps."""

from __future__ import annotations

from typing import Final

from dqn_port.records import Chart, Column, Table
from dqn_port.systems.practical_rl.smoothen import smoothed

EVALUATIONS: Final = Table(
    clock="step",
    score="mean_return_per_game",
    score_means=(
        "played greedily, whole games in an environment of their own, with unclipped rewards,",
        "each life of at most {t_max} steps",
    ),
    episodes="games",
    best="best",
    charts=(
        Chart(title="Mean reward per life, as learnt", columns=("mean_reward_per_life",)),
        Chart(title="Initial state V", columns=("initial_state_v",)),
    ),
    columns=(
        Column(name="step", dtype="int64", unit="updates", meaning="of the loop"),
        Column(name="mean_reward_per_life", unit="points", meaning="as learnt: clipped, a life "
               "or episode; the notebook's mean_rw_history"),
        Column(name="initial_state_v", meaning="largest value of the first state; the notebook's "
               "initial_state_v_history"),
        Column(name="mean_return_per_game", unit="points", may_be_empty=True,
               meaning="unclipped, of the whole games that ended in the evaluation"),
        Column(name="lives", dtype="int64", meaning="evaluated: lives or episodes"),
        Column(name="cut_lives", dtype="int64", meaning="of them, those that t_max ended"),
        Column(name="games", dtype="int64", meaning="whole games that ended"),
        Column(name="distinct_games", dtype="int64", meaning="of them, those that differ"),
        Column(name="best", dtype="uint8", meaning="1 where mean_reward_per_life was the best "
               "so far: that network is kept"),
        Column(name="epsilon", meaning="ε in training"),
        Column(name="buffer_size", dtype="int64", unit="transitions", meaning="in the replay"),
        Column(name="frames", dtype="int64", unit="emulator frames", meaning="trained on so far, "
               "the fill included"),
        Column(name="seconds", unit="s", measured=True, meaning="of training so far"),
    ),
)  # fmt: skip

LOSSES: Final = Table(
    name="loss",
    clock="step",
    charts=(
        Chart(title="TD loss history, smoothed", columns=("td_loss",), smooth=smoothed,
              note="Weighted means of a hundred rows, as in the notebook."),
        Chart(title="Grad norm history, smoothed", columns=("grad_norm",), smooth=smoothed,
              note="Before clipping, smoothed in the same way."),
    ),
    columns=(
        Column(name="step", dtype="int64", unit="updates", meaning="of the loop"),
        Column(name="td_loss", meaning="of this step's batch; the notebook's td_loss_history"),
        Column(name="grad_norm", meaning="before clipping; the notebook's grad_norm_history"),
    ),
)  # fmt: skip

PLOTS: Final = ("mean_reward_per_life", "td_loss", "initial_state_v", "grad_norm")
"""What the notebook drew at every evaluation, in its order."""

HISTORY: Final = (EVALUATIONS, LOSSES)
