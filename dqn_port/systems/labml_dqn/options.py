"""The options: the numbers that the original's code held, and ours."""

from __future__ import annotations

import itertools
import re
from typing import Any, Final

from dqn_port.arguments.values import short
from dqn_port.errors import ArgsError
from dqn_port.options import Param
from dqn_port.systems.labml_dqn.no_frameskip import MAX_FRAMES
from dqn_port.systems.labml_dqn.schedule import Piecewise

EXPLORATION: Final = {"points": [[0, 1.0], [25_000, 0.1], ["updates / 2", 0.01]], "outside": 0.01}
BETA: Final = {"points": [[0, 0.4], ["updates", 1]], "outside": 1}
SCHEDULES: Final = {"exploration": EXPLORATION, "beta": BETA}
ALL_ACTIONS: Final = "game"

OPTIONS: Final = (
    Param(name="game", kind="string", role="game", default="breakout",
          meaning="Atari game by its ROM's name or gym's id, or toyA"),
    Param(name="game_path", kind="string", default="", changes="nothing",
          meaning="folder with the ROMs; empty: ale-py's"),
    Param(name="n_actions", kind="any", default=4,
          meaning="how many of the game's minimal actions to use, or game: all"),
    Param(name="updates", kind="integer", role="length", default=1_000_000, low=1, unit="updates",
          meaning="an update is worker_steps steps of every game and train_epochs minibatches"),
    Param(name="n_workers", kind="integer", default=8, low=1, high=1024, unit="games",
          meaning="games played at once"),
    Param(name="worker_seed", kind="integer", default=47, low=0, high=2**32 - 1,
          meaning="seed of the first game, one more for each next; Atari games ignore it"),
    Param(name="worker_steps", kind="integer", default=4, low=1, unit="agent steps",
          meaning="steps of every game per update"),
    Param(name="train_epochs", kind="integer", default=8, low=1, unit="minibatches",
          meaning="minibatches per update"),
    Param(name="mini_batch_size", kind="integer", default=32, low=1, high=65536, unit="transitions",
          meaning="transitions in a minibatch"),
    Param(name="exploration", kind="table", default=EXPLORATION,
          meaning="ε by update: points, joined by straight lines, and the value outside them; "
                  "an update may be written 'updates' or 'updates / N'"),
    Param(name="beta", kind="table", default=BETA,
          meaning="β of the weights by update, written as exploration is"),
    Param(name="update_target_model", kind="integer", default=250, low=1, unit="updates",
          meaning="copy the target network after each training update divisible by this"),
    Param(name="capacity", kind="integer", default=2**14, low=1, high=2**32, unit="transitions",
          meaning="size of the replay buffer; training begins when it is full"),
    Param(name="alpha", kind="number", default=0.6, low=0,
          meaning="exponent of the priorities in the sampling"),
    Param(name="priority_epsilon", kind="number", default=1e-6, low=0, high=10**6,
          meaning="added to the absolute TD error to make a priority"),
    Param(name="gamma", kind="number", default=0.99, low=0, high=1, meaning="discount per step"),
    Param(name="learning_rate", kind="number", default=2.5e-4, low=0, meaning="Adam's"),
    Param(name="adam_beta1", kind="number", default=0.9, low=0, high=0.999999, meaning="Adam's β₁"),
    Param(name="adam_beta2", kind="number", default=0.999, low=0, high=0.999999,
          meaning="Adam's β₂"),
    Param(name="adam_epsilon", kind="number", default=1e-8, low=0, meaning="Adam's ε"),
    Param(name="max_grad_norm", kind="number", default=0.5, low=0,
          meaning="norm to which larger gradients are clipped"),
    Param(name="double", kind="boolean", default=True,
          meaning="the network picks the next action, the target network values it"),
    Param(name="dueling", kind="boolean", default=True,
          meaning="separate heads for the state's value and the actions' advantages"),
    Param(name="prioritised", kind="boolean", default=True,
          meaning="draw by priority; false: uniformly, with weights of 1"),
    Param(name="n_step", kind="integer", default=1, low=1, high=1000, unit="agent steps",
          meaning="rewards summed before bootstrapping"),
    Param(name="norm", kind="string", default="buffer", choices=("buffer", "batch"),
          meaning="divide the weights by the largest of the buffer, or of the batch"),
    Param(name="loss", kind="string", default="huber", choices=("huber", "square"),
          meaning="loss of a TD error e: Huber's, or e²/2"),
    Param(name="tree_dtype", kind="string", default="float64", choices=("float64", "float32"),
          meaning="number type of the priorities' sums: as with NumPy 1, or NumPy 2"),
    Param(name="threads", kind="integer", role="threads", default=1, low=1, high=1024,
          unit="threads", meaning="CPU threads; PyTorch's rounding depends on their number"),
    Param(name="eval_updates", kind="integer", default=500, low=1, unit="updates",
          meaning="updates between evaluations"),
    Param(name="eval_games", kind="integer", default=5, low=1, unit="games",
          meaning="whole games per evaluation"),
    Param(name="eval_epsilon", kind="number", default=0.05, low=0, high=1,
          meaning="probability of a random action in evaluations"),
    Param(name="eval_frames", kind="integer", default=108_000, low=4, high=MAX_FRAMES,
          unit="emulator frames", meaning="limit of an evaluation's game"),
)  # fmt: skip

_UPDATES: Final = re.compile(r"updates(?: */ *([1-9][0-9]{0,8}))?")


def schedule_of(options: dict[str, Any], name: str) -> Piecewise:
    """Return ``exploration`` or ``beta`` for the run's number of updates.

    A point that depends on ``updates`` and would therefore be before its predecessor is left out:
    the original's own schedule cannot be made for less than 50,000 updates.

    Raises:
        ArgsError: the option is not points and a value outside.
    """
    table = options[name]
    form = (
        f'{name}: expected {{"points": [[update, value], …], "outside": value}} with updates '
        "rising and values from 0 to 1, got"
    )
    if not isinstance(table, dict) or table.keys() != {"points", "outside"}:
        raise ArgsError(f"{form} another table")
    if not _is_number(table["outside"], 0, 1):
        raise ArgsError(f"{form} {short(table['outside'])} outside")
    if not isinstance(table["points"], list):
        raise ArgsError(f"{form} {short(table['points'])} as points")
    points: list[tuple[float, float]] = []
    for point in table["points"]:
        if not isinstance(point, list) or len(point) != 2 or not _is_number(point[1], 0, 1):
            raise ArgsError(f"{form} {short(point)}")
        update, value = point
        match = _UPDATES.fullmatch(update) if isinstance(update, str) else None
        x = options["updates"] / int(match[1] or 1) if match else update
        if not _is_number(x, -(2**53), 2**53):
            raise ArgsError(f"{form} {short(point)}")
        if not match or not points or x >= points[-1][0]:
            points.append((x, value))
    for (left, _), (right, _) in itertools.pairwise(points):
        if right < left:
            raise ArgsError(f"{form} {left:.15g} before {right:.15g}")
    return Piecewise(points, outside_value=table["outside"])


def _is_number(value: Any, low: int, high: int) -> bool:
    return type(value) in (int, float) and low <= value <= high


def check_options(options: dict[str, Any]) -> None:
    """Check what no Param can check.

    Raises:
        ArgsError: a value, or several together, cannot be used.
    """
    n_actions = options["n_actions"]
    if n_actions != ALL_ACTIONS and not (type(n_actions) is int and 1 <= n_actions <= 18):
        raise ArgsError(f"n_actions: expected 1 to 18, or 'game', got {short(n_actions)}")
    for name in SCHEDULES:
        schedule_of(options, name)
