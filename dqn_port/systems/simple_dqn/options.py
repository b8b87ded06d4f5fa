"""The options of main.py by their names, with their defaults, and ours.

simple_dqn: main.py, the argument parser.
"""

from __future__ import annotations

from typing import Final

from dqn_port.options import Param
from dqn_port.records import Chart, Column, Table

NAME: Final = "simple_dqn"

OURS: Final = (
    Param(name="game_path", kind="string", default="", changes="nothing",
          meaning="folder with the ROMs; empty: ale-py's"),
    Param(name="neon", kind="string", default="1.8", choices=("1.8", "2.6"),
          meaning="whose Adam: Neon 1.8's counts epochs as its time, 2.6's counts updates"),
    Param(name="device", kind="string", role="device", default_is="by backend and device_id",
          meaning="where the network runs: cpu, cuda or cuda:N"),
)  # fmt: skip
"""Options that the original did not have."""

ORIGINAL: Final = (
    Param(name="game", kind="string", role="game", default="breakout",
          meaning="ROM file, or a gym id with environment gym"),
    # Environment
    Param(name="environment", kind="string", default="ale", choices=("ale", "gym"),
          meaning="environment class"),
    Param(name="display_screen", kind="boolean", default=False, changes="nothing",
          meaning="has no effect here: dqn-port play shows a game"),
    Param(name="frame_skip", kind="integer", default=4, low=1, high=1000, unit="frames",
          meaning="frames an action is repeated for; ale only"),
    Param(name="repeat_action_probability", kind="number", default=0, low=0, high=1,
          meaning="probability that a frame repeats the previous action"),
    Param(name="minimal_action_set", kind="boolean", default=True,
          meaning="only the actions that do something in the game, else all 18"),
    Param(name="color_averaging", kind="boolean", default=True,
          meaning="blend every frame with the previous one"),
    Param(name="screen_width", kind="integer", default=84, low=1, high=4096, unit="pixels",
          meaning="width of the shrunk screen"),
    Param(name="screen_height", kind="integer", default=84, low=1, high=4096, unit="pixels",
          meaning="height of the shrunk screen"),
    Param(name="record_screen_path", kind="string", default="", changes="nothing",
          meaning="folder for a PNG of every emulated frame; empty: none"),
    Param(name="record_sound_filename", kind="string", default="", changes="nothing",
          meaning="WAV file for the sound; empty: none"),
    # Replay memory
    Param(name="replay_size", kind="integer", default=1_000_000, low=1, high=2**40, unit="screens",
          meaning="entries of the replay memory"),
    Param(name="history_length", kind="integer", default=4, low=1, high=255, unit="screens",
          meaning="screens in a state"),
    # Deep Q-network
    Param(name="learning_rate", kind="number", default=0.00025, low=0,
          meaning="learning rate of rmsprop and adam; adadelta ignores it"),
    Param(name="discount_rate", kind="number", default=0.99, low=0, high=1,
          meaning="discount of future rewards"),
    Param(name="batch_size", kind="integer", default=32, low=1, high=65536, unit="transitions",
          meaning="transitions in a minibatch"),
    Param(name="optimizer", kind="string", default="rmsprop",
          choices=("rmsprop", "adam", "adadelta"), meaning="how the weights are updated"),
    Param(name="decay_rate", kind="number", default=0.95, low=0, high=1,
          meaning="decay of the averages of rmsprop and adadelta"),
    Param(name="clip_error", kind="number", default=1, low=0,
          meaning="clip errors to ± this; 0: do not"),
    Param(name="min_reward", kind="number", default=-1,
          meaning="rewards below this are learnt as this"),
    Param(name="max_reward", kind="number", default=1,
          meaning="rewards above this are learnt as this"),
    Param(name="batch_norm", kind="boolean", default=False,
          meaning="batch normalisation in all layers but the last"),
    # Neon
    Param(name="backend", kind="string", default="gpu", choices=("cpu", "gpu"), changes="nothing",
          meaning="where the network runs; without a GPU the CPU"),
    Param(name="device_id", kind="integer", default=0, low=0, high=1023, changes="nothing",
          meaning="which GPU"),
    Param(name="datatype", kind="string", default="float32",
          choices=("float16", "float32", "float64"),
          meaning="number type of the network; float16 is not supported"),
    Param(name="stochastic_round", kind="any", default=False,
          meaning="the original's GPU only; not supported"),
    # Agent
    Param(name="exploration_rate_start", kind="number", default=1, low=0, high=1,
          meaning="probability of a random action at the start"),
    Param(name="exploration_rate_end", kind="number", default=0.1, low=0, high=1,
          meaning="probability of a random action after the decay"),
    Param(name="exploration_decay_steps", kind="number", default=1_000_000, low=0,
          unit="training steps", meaning="length of the decay"),
    Param(name="exploration_rate_test", kind="number", default=0.05, low=0, high=1,
          meaning="probability of a random action in tests and in play"),
    Param(name="train_frequency", kind="integer", default=4, low=1, unit="training steps",
          meaning="steps between learnings"),
    Param(name="train_repeat", kind="integer", default=1, low=0, unit="minibatches",
          meaning="minibatches per learning"),
    Param(name="target_steps", kind="integer", default=10_000, low=0, unit="training steps",
          meaning="steps between target copies; 0: no target network"),
    Param(name="random_starts", kind="integer", default=30, low=0, unit="actions",
          meaning="most dummy actions at a game's start, less one"),
    # Visualization
    Param(name="visualization_filters", kind="integer", default=4, low=1, high=64,
          changes="nothing", meaning="filters shown per convolution"),
    Param(name="visualization_file", kind="string", default="", changes="nothing",
          meaning="page with the filters; has no effect here: use dqn-port filters"),
    # Main loop
    Param(name="random_steps", kind="integer", default=50_000, low=0, unit="agent steps",
          meaning="random phase before the first epoch; 0: none"),
    Param(name="train_steps", kind="integer", default=250_000, low=0, unit="agent steps",
          meaning="training phase of an epoch; 0: none"),
    Param(name="test_steps", kind="integer", default=125_000, low=0, unit="agent steps",
          meaning="test phase of an epoch; 0: none"),
    Param(name="epochs", kind="integer", default=200, low=0, high=1_000_000, unit="epochs",
          role="length", changes="length", meaning="last epoch; the first is start_epoch + 1"),
    Param(name="start_epoch", kind="integer", default=0, low=0, high=1_000_000, unit="epochs",
          meaning="epochs counted as done"),
    Param(name="play_games", kind="integer", default=0, low=0, unit="games",
          meaning="play this many games instead of training"),
    Param(name="load_weights", kind="string", role="start", default="",
          meaning="saved network to start from, also a .prm or .pkl; empty: none"),
    Param(name="save_weights_prefix", kind="string", default="", changes="nothing",
          meaning="write PREFIX_EPOCH.prm after every training phase; empty: do not"),
    Param(name="csv_file", kind="string", default="", changes="nothing",
          meaning="name of the original's CSV in the run's folder; empty: statistics.csv"),
    # Common
    Param(name="random_seed", kind="integer", role="seed", low=0, high=2**31 - 1,
          default_is="drawn, and written down; 0 counts as none",
          meaning="seed of all random numbers"),
    Param(name="log_level", kind="string", default="INFO", changes="nothing",
          choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
          meaning="DEBUG and INFO print the original's seven numbers a phase"),
)  # fmt: skip
"""Of the original, in its order."""

HISTORY: Final = Table(
    clock="step",
    curves="phase",
    score="score",
    score_means=("in {test_steps} steps", "with ε {exploration_rate_test}"),
    columns=(
        Column(name="step", heading="steps", width=11, dtype="int64", unit="agent steps",
               meaning="of all phases"),
        Column(name="epoch", width=5, dtype="int64",
               meaning="counted from 1; 0 for random and play"),
        Column(name="phase", width=6, dtype="text", meaning="random, train, test or play"),
        Column(name="steps", dtype="int64", unit="agent steps", meaning="of the phase"),
        Column(name="nr_games", heading="games", width=7, dtype="int64",
               meaning="finished ones; 1 where none was"),
        Column(name="average_reward", heading="reward", width=10, unit="points",
               meaning="of them; in training a game is a life"),
        Column(name="min_game_reward", unit="points", may_be_empty=True, meaning="of them"),
        Column(name="max_game_reward", unit="points", may_be_empty=True, meaning="of them"),
        Column(name="last_exploration_rate", meaning="probability of a random action"),
        Column(name="total_train_steps", dtype="int64", unit="training steps", meaning="so far"),
        Column(name="replay_memory_count", dtype="int64", unit="screens", meaning="held"),
        Column(name="meanq", may_be_empty=True, tag="original/meanq",
               meaning="mean best Q of the pre-states of the last minibatch"),
        Column(name="meancost", tag="original/meancost",
               meaning="sum of the phase's costs over all updates so far"),
        Column(name="weight_updates", dtype="int64", meaning="so far"),
        Column(name="total_time", unit="CPU seconds", measured=True, meaning="so far"),
        Column(name="epoch_time", unit="CPU seconds", measured=True, meaning="of the phase"),
        Column(name="steps_per_second", heading="steps/s", width=8, measured=True,
               meaning="agent steps a CPU second"),
        Column(name="score", width=10, unit="points", may_be_empty=True, tag="test/score",
               meaning="mean reward of whole games of a test phase"),
        Column(name="mean_phase_cost", heading="cost", width=10, may_be_empty=True,
               tag="training/cost", meaning="mean cost of the phase"),
        Column(name="mean_fixed_q", heading="Q", width=9, may_be_empty=True,
               tag="validation/q",
               meaning="mean best Q of the first validation minibatch's pre-states"),
    ),
    charts=(
        Chart(title="Q of the validation states", columns=("mean_fixed_q",),
              note="Mean best Q of the first minibatch's pre-states, a fixed set."),
        Chart(title="Cost", columns=("mean_phase_cost",), from_zero=True,
              note="Mean of the phase's updates, before errors are clipped."),
        Chart(title="Steps a second", columns=("steps_per_second",), from_zero=True,
              note="Agent steps a second of CPU time."),
    ),
)  # fmt: skip
"""Of history.csv: the original's 16 columns, the clock before them and ours behind."""

STATISTICS: Final = Table(
    name="statistics",
    clock="epoch",
    repeats=True,
    curves="phase",
    columns=HISTORY.columns[1:17],
)
"""The original's own CSV."""

PLOTS: Final = ("average_reward", "meanq", "nr_games", "meancost")
"""What plot.py drew by default."""
