"""The results of a phase, as in the original's CSV, and some that it lacks.

simple_dqn: statistics.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.fields import Fields
from dqn_port.systems.simple_dqn.deepqnetwork import DeepQNetwork
from dqn_port.systems.simple_dqn.replay_memory import ReplayMemory

FIELDS: Final = (
    "epoch",
    "phase",
    "steps",
    "nr_games",
    "average_reward",
    "min_game_reward",
    "max_game_reward",
    "last_exploration_rate",
    "total_train_steps",
    "replay_memory_count",
    "meanq",
    "meancost",
    "weight_updates",
    "total_time",
    "epoch_time",
    "steps_per_second",
)
"""Of the original's CSV, in its order."""

_MAXINT: Final = 2**63 - 1
"""Python 2's sys.maxint."""


def csv_line(cells: Any) -> str:
    """Return a line of the original's CSV: floats as Python 2 prints them, float32 by 8 digits."""
    return ",".join(map(_text, cells)) + "\r\n"


def _text(value: Any) -> str:
    if isinstance(value, np.float32):
        text = f"{value:.8g}"
        return text if set(text) & set(".en") else f"{text}.0"
    return repr(float(value)) if isinstance(value, float) else str(value)


class Statistics:
    """Counts steps, games and rewards of a phase."""

    def __init__(
        self,
        deep_q_network: DeepQNetwork,
        replay_memory: ReplayMemory,
        *,
        clock: Callable[[], float] = time.process_time,
    ) -> None:
        """``clock``: seconds of the process; the original's time.clock counted CPU time."""
        self.net, self.mem, self._clock = deep_q_network, replay_memory, clock
        self._total_time = self._epoch_time = 0.0
        self._since = clock()
        self.validation_states: NDArray[np.uint8] | None = None
        """Of the row that found enough entries; the memory's own array."""
        self.first_states: NDArray[np.uint8] | None = None
        """What they were then: uint8 [B, H, h, w]."""
        self.reset()

    def _tick(self) -> None:
        now = self._clock()
        self._total_time += now - self._since
        self._epoch_time += now - self._since
        self._since = now

    def reset(self) -> None:
        """Begin a phase."""
        self._tick()
        self._epoch_time = 0.0
        self.num_steps = self.num_games = 0
        self.game_rewards: float = 0
        self.average_reward: float = 0
        self.min_game_reward: float = _MAXINT
        self.max_game_reward: float = -_MAXINT - 1
        self.last_exploration_rate: float = 1
        self.average_cost: float = 0
        self.costs, self.cost_sum = 0, 0.0

    def on_step(self, reward: float, terminal: bool, exploration_rate: float) -> None:
        """Count a step."""
        self.game_rewards += reward
        self.num_steps += 1
        self.last_exploration_rate = exploration_rate
        if terminal:
            self.num_games += 1
            self.average_reward += float(self.game_rewards - self.average_reward) / self.num_games
            self.min_game_reward = min(self.min_game_reward, self.game_rewards)
            self.max_game_reward = max(self.max_game_reward, self.game_rewards)
            self.game_rewards = 0

    def on_train(self, cost: float) -> None:
        """Count an update.

        Quirk: the sum restarts in every phase but its divisor counts from the start of the run, so
        that meancost falls with the epochs whatever is learnt
        (tests/systems/simple_dqn/test_quirks.py).
        """
        self.average_cost += (cost - self.average_cost) / self.net.train_iterations
        self.costs += 1
        self.cost_sum += cost

    def write(self, epoch: int, phase: str, total_train_steps: int) -> tuple[Any, ...]:
        """End a phase and return the 16 cells of its row.

        Quirk: the first row with enough entries draws a minibatch from the same random numbers,
        and keeps the memory's own array: meanq is that of the last minibatch's pre-states.
        Quirk: without a finished game nr_games is 1, average_reward is the reward so far, and min
        and max are Python 2's largest and smallest integers
        (tests/systems/simple_dqn/test_quirks.py).
        """
        self._tick()
        games, average = self.num_games, self.average_reward
        if games == 0:
            games, average = 1, self.game_rewards
        if self.validation_states is None and self.mem.count > self.mem.batch_size:
            self.validation_states = self.mem.get_minibatch().prestates
            self.first_states = self.validation_states.copy()
        return (
            epoch,
            phase,
            self.num_steps,
            games,
            average,
            self.min_game_reward,
            self.max_game_reward,
            self.last_exploration_rate,
            total_train_steps,
            self.mem.count,
            0 if self.validation_states is None else self._mean_q(self.validation_states),
            self.average_cost,
            self.net.train_iterations,
            self._total_time,
            self._epoch_time,
            self.num_steps / max(self._epoch_time, 1e-9),
        )

    def _mean_q(self, states: NDArray[np.uint8]) -> Any:
        return np.mean(self.net.predict(states).max(axis=1))

    def cells(self, row: tuple[Any, ...]) -> dict[str, Any]:
        """Return the row just written in the form for history.csv: no empty maximum, and more
        columns."""
        cells = dict(zip(FIELDS, row, strict=True))
        finished = self.num_games > 0
        if not finished:
            cells["min_game_reward"] = cells["max_game_reward"] = None
        cells["meanq"] = None if self.validation_states is None else float(cells["meanq"])
        cells["score"] = self.average_reward if finished and cells["phase"] == "test" else None
        cells["mean_phase_cost"] = self.cost_sum / self.costs if self.costs else None
        first = self.first_states
        cells["mean_fixed_q"] = None if first is None else float(self._mean_q(first))
        return cells

    def state_dict(self, *, full: bool = True) -> dict[str, Any]:
        """Return the state; None stands for Python 2's largest and smallest integers."""
        self._tick()
        finished = self.num_games > 0
        state: dict[str, Any] = {
            "total_time": self._total_time,
            "epoch_time": self._epoch_time,
            "num_steps": self.num_steps,
            "num_games": self.num_games,
            "game_rewards": self.game_rewards,
            "average_reward": self.average_reward,
            "min_game_reward": self.min_game_reward if finished else None,
            "max_game_reward": self.max_game_reward if finished else None,
            "last_exploration_rate": self.last_exploration_rate,
            "average_cost": self.average_cost,
            "costs": self.costs,
            "cost_sum": self.cost_sum,
        }
        if full:
            state["first_states"] = self.first_states
        return state

    def load_state_dict(self, state: Mapping[str, Any], *, full: bool = True) -> None:
        """Take over what ``state_dict`` gave.

        Raises:
            CheckpointError: it does not fit.
        """
        fields = Fields(state, "statistics")
        floats = ("total_time", "epoch_time", "cost_sum")
        numbers = ("game_rewards", "average_reward", "last_exploration_rate", "average_cost")
        taken: dict[str, Any] = {name: fields.number(name) for name in floats}
        # An integer stays one, because it is printed differently.
        taken |= {name: fields.raw(name) for name in numbers if fields.number(name) is not None}
        taken |= {name: fields.integer(name, low=0) for name in ("num_steps", "num_games", "costs")}
        if taken["num_games"]:
            for name in ("min_game_reward", "max_game_reward"):
                fields.number(name)
                taken[name] = fields.raw(name)
        first = None
        if full and fields.has("first_states"):
            first = fields.array("first_states", self.mem.prestates)
        self.reset()
        self._total_time, self._epoch_time = taken.pop("total_time"), taken.pop("epoch_time")
        vars(self).update(taken)
        if first is not None:
            self.first_states, self.validation_states = first.copy(), self.mem.prestates
