"""The loop: play, store, and from time to time sweep the memory and learn in a burst."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError, DivergedError, ReplayError
from dqn_port.events import Event, Row, Ticked
from dqn_port.fields import MOST, Fields
from dqn_port.systems.hvass16.environment import Environment, Frame, checked
from dqn_port.systems.hvass16.epsilon_greedy import EpsilonGreedy
from dqn_port.systems.hvass16.happenings import BurstBegun, Episode, RunEnded, StateTested, Updated
from dqn_port.systems.hvass16.linear_control_signal import LinearControlSignal
from dqn_port.systems.hvass16.logs import LogQValues, LogReward
from dqn_port.systems.hvass16.motion_tracer import DECAY, THRESHOLD, MotionTracer, Process
from dqn_port.systems.hvass16.optimization import Optimization
from dqn_port.systems.hvass16.replay_memory import ReplayMemory

PLAYING: Final = "playing"
LEARNING: Final = "learning"


class Network(Protocol):
    """What the agent needs from its network; see neural_network.NeuralNetwork."""

    def get_q_values(self, state: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a state's Q-values, float32 [num_actions]."""

    def update(
        self, states: NDArray[np.uint8], targets: NDArray[np.float64], learning_rate: float
    ) -> float:
        """Make one update and return the loss before it."""


@dataclass(kw_only=True)
class Learning:
    """What an agent has only while it trains."""

    replay_memory: ReplayMemory
    learning_rate_control: LinearControlSignal
    loss_limit_control: LinearControlSignal
    max_epochs_control: LinearControlSignal
    replay_fraction: LinearControlSignal
    log_reward: LogReward
    log_q_values: LogQValues
    batch_size: int = 128
    min_epochs: float = 1.0


class Agent:
    """Play a game, and learn from it.

    Hvass: reinforcement_learning.py, Agent

    ``Agent.run`` is ``begin`` and then ``tick`` until ``done``. A tick is one state or, in a
    burst, one update. The state that the burst interrupts is finished after it.
    """

    def __init__(
        self,
        env: Environment,
        network: Network,
        policy: EpsilonGreedy,
        process: Process,
        *,
        learning: Learning | None,
        decay: float = DECAY,
        threshold: float = THRESHOLD,
        mean_of: int = 30,
        as_original: bool = False,
    ) -> None:
        """``learning``: None in a test. ``mean_of``: episodes that the mean reward is of."""
        self.env, self.model, self.epsilon_greedy = env, network, policy
        self.learning, self.training = learning, learning is not None
        self._process, self._mean_of = process, mean_of
        self._trace = {"decay": decay, "threshold": threshold}
        self._as_original = as_original
        self.count_states = 0
        self.count_episodes = 0
        self.episode_rewards: list[float] = []
        """Of all whole episodes, in points."""
        self.tracer: MotionTracer | None = None
        self.optimization: Optimization | None = None
        """The current burst."""
        self._frames = 0
        """The game's, after the last step."""
        self.game_lost = False
        """Whether a checkpoint could not bring the game back, so that the next begins."""
        self.begin(None)

    def begin(self, num_episodes: int | None) -> None:
        """Start a run of ``num_episodes`` more, or without end."""
        self.end_episode, self.end_life = True, False
        self.reward_episode = self.reward = 0.0
        self.num_lives = 0
        self.action, self.epsilon = 0, 0.0
        self.q_values: NDArray[Any] = np.zeros(0, dtype=np.float32)
        self.limit = math.inf if num_episodes is None else self.count_episodes + num_episodes

    @property
    def done(self) -> bool:
        """Whether the run is at its end.

        Quirk: after the last episode the game is reset once more, and one state of a further
        episode is played, counted and stored; test_agent.py, test_one_state_more.
        """
        return self.optimization is None and self.count_episodes > self.limit

    def tick(self) -> list[Event]:
        """Play a state, or make an update of a burst.

        Raises:
            DivergedError: a Q-value or a loss is not a number.
            ReplayError: ``as_original``, and the original stopped here.
        """
        if self.optimization is not None:
            return self._update()
        self.play_state()
        if self.learning is not None and self.training and self._remember(self.learning):
            return self._begin_burst(self.learning)
        return self._end_state()

    def play_state(self, action: int | None = None, shown: list[Frame] | None = None) -> None:
        """Play one state: the agent's choice, or ``action``.

        ``shown``: where given, the first frame of a game and all frames played are appended.
        """
        if self.end_episode or self.game_lost:
            first, self.game_lost = checked(self.env.reset(), self.env), False
            self.tracer = MotionTracer(first, self._process, **self._trace)
            if shown is not None:
                shown.append(first)
            self.reward_episode = 0.0
            self.count_episodes += 1
            self.num_lives = self.env.lives()
        assert self.tracer is not None
        self.state = self.tracer.get_state()
        self.q_values = self.model.get_q_values(self.state)
        if not self._as_original and not np.isfinite(self.q_values).all():
            raise DivergedError(
                f"Q-values after {self.count_states} states: expected numbers, got "
                f"{self.q_values.tolist()}; lower learning_rate"
            )
        self.action, self.epsilon = self.epsilon_greedy.get_action(
            self.q_values, self.count_states, self.training
        )
        if action is not None:
            self.action = action
        more = {} if shown is None else {"shown": shown}
        frame, self.reward, self.end_episode = self.env.step(self.action, **more)
        self.tracer.process(frame)
        self.reward_episode += self.reward
        lives = self.env.lives()
        self.end_life, self.num_lives = lives < self.num_lives, lives
        self.count_states += 1

    def _remember(self, learning: Learning) -> bool:
        """Add the state to the memory; return whether it is time to learn."""
        memory = learning.replay_memory
        memory.add(
            self.state, self.q_values, self.action, self.reward, self.end_life, self.end_episode
        )
        fraction = learning.replay_fraction.get_value(self.count_states)
        return memory.is_full() or memory.used_fraction() > fraction

    def _begin_burst(self, learning: Learning) -> list[Event]:
        memory, states = learning.replay_memory, self.count_states
        memory.update_all_q_values()
        row = learning.log_q_values.write(self.count_episodes, states, memory.q_values)
        learning_rate = learning.learning_rate_control.get_value(states)
        loss_limit = learning.loss_limit_control.get_value(states)
        max_epochs = learning.max_epochs_control.get_value(states)
        begun = BurstBegun(
            states,
            statistics=memory.statistics(),
            num_used=memory.num_used,
            learning_rate=learning_rate,
            loss_limit=loss_limit,
            max_epochs=max_epochs,
        )
        self.optimization = self._optimization(learning_rate, loss_limit, max_epochs)
        self._burst_began = time.monotonic(), 0
        events: list[Event] = [
            Row(states, cells=row, table=LogQValues.TABLE),
            begun,
            self._ticked(LEARNING, f"burst {memory.fillings + 1}: memory swept"),
        ]
        return events + (self._end_burst() if self.optimization.done else [])

    def _optimization(
        self, learning_rate: float, loss_limit: float, max_epochs: float
    ) -> Optimization:
        assert self.learning is not None
        return Optimization(
            self.learning.replay_memory,
            learning_rate=learning_rate,
            loss_limit=loss_limit,
            max_epochs=max_epochs,
            min_epochs=self.learning.min_epochs,
            batch_size=self.learning.batch_size,
            as_original=self._as_original,
        )

    def _update(self) -> list[Event]:
        assert self.optimization is not None
        assert self.learning is not None
        burst = self.optimization
        loss = burst.update(self.model)
        i = burst.iterations - 1
        updated = Updated(
            self.count_states,
            iteration=i,
            epoch=i / burst.iterations_per_epoch,
            loss=loss,
            loss_mean=burst.loss_mean,
            last=burst.done,
        )
        text = (
            f"burst {self.learning.replay_memory.fillings + 1}, update {i + 1} of at most "
            f"{burst.max_iterations}, mean loss {burst.loss_mean:.4f}{self._time_left(burst)}"
        )
        events: list[Event] = [updated, self._ticked(LEARNING, text)]
        return events + (self._end_burst() if burst.done else [])

    def _time_left(self, burst: Optimization) -> str:
        """Return how long the burst takes at most, if that is known."""
        began, at = self._burst_began
        a_step = (time.monotonic() - began) / max(burst.iterations - at, 1)
        left = round(a_step * (burst.max_iterations - burst.iterations))
        return f", at most {left // 60}:{left % 60:02} left"

    def _end_burst(self) -> list[Event]:
        assert self.learning is not None
        self.optimization = None
        self.learning.replay_memory.reset()
        return self._end_state()

    def _end_state(self) -> list[Event]:
        """Finish a state after playing and, if it was due, learning."""
        if self.end_episode:
            self.episode_rewards.append(self.reward_episode)
        mean = self.reward_mean
        events: list[Event] = []
        if self.training and self.end_episode and self.learning is not None:
            row = self.learning.log_reward.write(
                self.count_episodes, self.count_states, self.reward_episode, mean
            )
            events = [
                Episode(
                    self.count_states,
                    reward=self.reward_episode,
                    count_episodes=self.count_episodes,
                    mean=mean,
                    epsilon=self.epsilon,
                ),
                Row(self.count_states, cells=row, table=LogReward.TABLE),
            ]
        elif not self.training and (self.reward != 0 or self.end_life or self.end_episode):
            events = [
                StateTested(
                    self.count_states,
                    count_episodes=self.count_episodes,
                    q_min=float(np.min(self.q_values)),
                    q_max=float(np.max(self.q_values)),
                    lives=self.num_lives,
                    reward=self.reward_episode,
                    mean=mean,
                )
            ]
        events.append(self._ticked(PLAYING, self._how_far()))
        if self.done:
            events.append(RunEnded(self.count_states, rewards=tuple(self.episode_rewards)))
        return events

    @property
    def reward_mean(self) -> float:
        """Mean reward of the last whole episodes; 0 before the first."""
        last = self.episode_rewards[-self._mean_of :]
        return float(np.mean(last)) if last else 0.0

    def _how_far(self) -> str:
        total = "" if self.limit == math.inf else f"/{int(self.limit)}"
        return f"episode {self.count_episodes}{total}, state {self.count_states}"

    def _ticked(self, phase: str, text: str) -> Ticked:
        before, self._frames = self._frames, getattr(self.env, "frames", self.count_states)
        return Ticked(
            self.count_states,
            phase=phase,
            text=text,
            frames=self._frames - before,
            all_frames=self._frames,
            epsilon=self.epsilon if phase == PLAYING else None,
        )

    # Exact resuming.

    _COUNTS: Final = ("count_states", "count_episodes", "num_lives")
    _NUMBERS: Final = ("reward_episode", "epsilon")

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state of the loop, without network, memory, game and generator."""
        names = (*self._COUNTS, *self._NUMBERS, "end_episode")
        burst, tracer = self.optimization, self.tracer
        return {name: getattr(self, name) for name in names} | {
            "episode_rewards": np.array(self.episode_rewards, dtype=np.float64),
            "tracer": None if tracer is None else {
                "last_input": tracer.last_input,
                "last_output": tracer.last_output.astype(np.float64),
            },
            "burst": None if burst is None else {
                "learning_rate": burst.learning_rate,
                "loss_limit": burst.loss_limit,
                "max_epochs": burst.max_epochs,
                "loss_history": burst.loss_history,
                "iterations": burst.iterations,
            },
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any], image: NDArray[np.float64]) -> None:
        """Take over a state; the memory has its own already. ``image``: like a small one.

        Raises:
            CheckpointError: a field is missing or damaged.
        """
        fields = Fields(state, "agent")
        taken: dict[str, Any] = {name: fields.integer(name, low=0) for name in self._COUNTS}
        taken["end_episode"] = fields.boolean("end_episode")
        taken |= {name: fields.number(name) for name in self._NUMBERS}
        rewards = fields.take(
            "episode_rewards", "a row of numbers",
            lambda v: isinstance(v, np.ndarray) and v.dtype == np.float64 and v.ndim == 1,
        )  # fmt: skip
        tracer = None
        if fields.has("tracer"):
            inner = fields.inner("tracer")
            images = [inner.array(name, image) for name in ("last_input", "last_output")]
            blank = np.zeros((2, 2, 3), dtype=np.uint8)
            tracer = MotionTracer(blank, self._process, **self._trace)
            tracer.last_input, tracer.last_output = (values.copy() for values in images)
        optimization = None
        if fields.has("burst"):
            inner = fields.inner("burst")
            numbers = [inner.number(n) for n in ("learning_rate", "loss_limit", "max_epochs")]
            try:
                optimization = self._optimization(*numbers)
            except ReplayError as error:
                raise CheckpointError(f"agent.burst: {error}") from error
            most = optimization.max_iterations - 1
            if most < 0:
                raise inner.fault("max_epochs", "one with updates", numbers[2])
            optimization.iterations = inner.integer("iterations", low=0, high=min(most, MOST))
            history = inner.array("loss_history", optimization.loss_history)
            optimization.loss_history = history.copy()
        vars(self).update(taken)
        self.episode_rewards = rewards.tolist()
        self.tracer, self.optimization = tracer, optimization
        self._burst_began = time.monotonic(), optimization.iterations if optimization else 0
        self._frames = getattr(self.env, "frames", self.count_states)
        self.game_lost = getattr(self.env, "lost", False)
