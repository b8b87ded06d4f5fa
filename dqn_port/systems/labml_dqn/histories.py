"""The tables that a run keeps: evaluations, which are new here, and the original's row per
update."""

from __future__ import annotations

from typing import Final

from dqn_port.records import Chart, Column, Table

UPDATES: Final = "updates"
"""The table with one row per update."""

HISTORY: Final = (
    Table(
        clock="update",
        score="reward",
        score_means=(
            "with ε {eval_epsilon}, whole games in an environment of their own,",
            "each of at most {eval_frames} frames",
        ),
        episodes="games",
        best="best",
        charts=(Chart(title="Smallest and largest return", columns=("lowest", "highest"),
                      keys=("smallest", "largest")),),
        columns=(
            Column(name="update", dtype="int64", unit="updates", meaning="updates that were done"),
            Column(name="frames", dtype="int64", unit="emulator frames", meaning="of training"),
            Column(name="reward", unit="points", meaning="mean raw return of the games"),
            Column(name="games", dtype="int64", meaning="games that were played"),
            Column(name="lowest", unit="points", meaning="smallest return"),
            Column(name="highest", unit="points", meaning="largest return"),
            Column(name="steps", dtype="int64", unit="agent steps", meaning="of the games"),
            Column(name="epsilon", meaning="ε in training"),
            Column(name="best", dtype="uint8", meaning="1 where no evaluation before came to more: "
                   "that network is kept"),
            Column(name="training_seconds", unit="s", measured=True,
                   meaning="of training since the last evaluation"),
            Column(name="evaluation_seconds", unit="s", measured=True,
                   meaning="of this evaluation"),
        ),
    ),
    Table(
        name=UPDATES,
        clock="update",
        charts=(
            Chart(title="Reward of the last 100 episodes", columns=("reward",)),
            Chart(title="Length of the last 100 episodes", columns=("length",)),
            Chart(title="Value and target", columns=("q_sampled_action", "q_update"),
                  keys=("value", "target")),
            Chart(title="TD error", columns=("td_error",)),
            Chart(title="Loss", columns=("loss",)),
        ),
        columns=(
            Column(name="update", dtype="int64", unit="updates", meaning="its number, from 0"),
            Column(name="frames", dtype="int64", unit="emulator frames", meaning="of training"),
            Column(name="exploration", meaning="ε"),
            Column(name="beta", meaning="β"),
            Column(name="reward", unit="points", may_be_empty=True,
                   meaning="raw, mean of the last 100 episodes; empty where none ended"),
            Column(name="length", unit="agent steps", may_be_empty=True,
                   meaning="mean of the last 100 episodes; empty where none ended"),
            Column(name="q_sampled_action", dtype="float32", may_be_empty=True,
                   meaning="value of the actions taken; empty where nothing was learnt"),
            Column(name="q_update", dtype="float32", may_be_empty=True,
                   meaning="target of these values"),
            Column(name="td_error", dtype="float32", may_be_empty=True,
                   meaning="value minus target"),
            Column(name="loss", dtype="float32", may_be_empty=True,
                   meaning="mean of the minibatches"),
        ),
    ),
)  # fmt: skip
