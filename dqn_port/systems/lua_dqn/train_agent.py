"""The loop of train_agent.lua, as a stream of events.

All of its state is in TrainState, also that of a running evaluation: ``Training.tick`` plays one
agent step and returns, so that a run can stop and resume anywhere.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dqn_port.errors import DivergedError
from dqn_port.events import EpisodeEnded, Event, Row, Saved, Ticked
from dqn_port.systems.lua_dqn.evaluation import Evaluation, EvaluationState
from dqn_port.systems.lua_dqn.histories import HISTORY, Histories
from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.player import EVALUATION_EPSILON
from dqn_port.systems.lua_dqn.slots import Agent, GameEnvironment, LayerReport, Network, State

PLAYING, LEARNING, EVALUATING = "playing", "learning", "evaluating"
"""The phases of a training: before learn_start, after it, and evaluations."""


@dataclass(frozen=True)
class Reported(Event):
    """prog_freq steps were played: the norms of the network's layers."""

    layers: tuple[LayerReport, ...]


_DIGITS: Final = {
    "training_seconds": 3, "training_rate": 1, "testing_seconds": 3, "testing_rate": 1,
}  # fmt: skip
"""Of the measured columns in history.csv."""


@dataclass(frozen=True, kw_only=True)
class Evaluated(Event):
    """An evaluation is done; the fields are the columns of history.csv."""

    frames: int
    """Emulator frames of training: steps · actrep."""
    reward: float
    """Mean return of the finished episodes."""
    episodes: int
    rewards: int
    epsilon: float
    lr: float
    v: float
    td: float
    qmax: float
    training_seconds: float
    """Of the interval since the last evaluation."""
    training_rate: float
    """Frames per second of that interval."""
    testing_seconds: float
    testing_rate: float
    """Frames per second of the evaluation."""
    best: int

    def row(self) -> dict[str, Any]:
        """Return the row of history.csv."""
        row = {column.name: getattr(self, column.name) for column in HISTORY.columns}
        return row | {name: round(row[name], digits) for name, digits in _DIGITS.items()}


@dataclass(kw_only=True)
class TrainState:
    """The state of a training."""

    step: int = 0
    """Agent steps played."""
    at: State
    """(screen, reward, terminal) that the agent perceives next."""
    histories: Histories = field(default_factory=Histories)
    best_network: Network | None = None
    evaluation: EvaluationState | None = None
    """The state of the running evaluation."""
    save_due: bool = False
    """Whether a snapshot is to be saved before the next step."""
    interval_seconds: float = 0.0
    """Training time since the last evaluation."""
    episode_reward: float = 0.0

    def in_evaluation(self) -> bool:
        """Tell whether an evaluation is running."""
        return self.evaluation is not None


class Training:
    """Train ``agent`` in ``env`` as the options say."""

    def __init__(
        self,
        env: GameEnvironment,
        agent: Agent,
        opt: Options,
        *,
        save: Callable[[TrainState], Path],
        state: TrainState | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """``save`` writes a snapshot and returns its path; ``state``: to resume from."""
        self.env, self.agent, self.opt = env, agent, opt
        self._save, self._clock = save, clock
        self._evaluation = Evaluation(env, agent, epsilon=EVALUATION_EPSILON, clock=clock)
        self.state = state or TrainState(at=env.get_state())

    @property
    def step(self) -> int:
        """Agent steps played."""
        return self.state.step

    @property
    def done(self) -> bool:
        """Whether every step is played, evaluated and saved."""
        state = self.state
        return state.step >= self.opt.steps and not state.in_evaluation() and not state.save_due

    def tick(self) -> list[Event]:
        """Play one agent step, or save, and return what happened.

        Between two ticks a training can stop and resume.

        Raises:
            DivergedError: a number of the network is not finite.
        """
        try:
            return self._tick()
        except DivergedError as error:
            where = self.not_finite()
            if where is None or where in str(error):
                raise
            raise DivergedError(f"{error}; NaN or infinity in {where}") from error

    def _tick(self) -> list[Event]:
        state, opt = self.state, self.opt
        if state.in_evaluation():
            return self._evaluation_tick()
        if state.save_due:
            return [self._save_tick()]
        events = self._training_tick()
        state.save_due = state.step % opt.save_freq == 0 or state.step == opt.steps
        return events

    def _save_tick(self) -> Event:
        """Save after the step, and after the evaluation that followed it."""
        self._check_finite()
        path = self._save(self.state)
        self.state.save_due = False
        return Saved(self.state.step, path)

    def _training_tick(self) -> list[Event]:
        state, opt, agent = self.state, self.opt, self.agent
        started = self._clock()
        state.step += 1
        screen, reward, terminal = state.at
        action = agent.perceive(reward, screen, terminal)
        if action is not None:
            state.at = self.env.step(self.env.actions[action], training=True)
            state.episode_reward += state.at[1]
        elif opt.random_starts > 0:
            state.at = self.env.next_random_game()
        else:
            state.at = self.env.new_game()
        state.interval_seconds += self._clock() - started

        phase = PLAYING if state.step <= agent.learn_start else LEARNING
        events: list[Event] = [self._ticked(phase, f"step {state.step:,}/{opt.steps:,}")]
        if state.at[2]:
            events.append(EpisodeEnded(state.step, state.episode_reward))
            state.episode_reward = 0.0
        if state.step % opt.prog_freq == 0:
            assert agent.num_steps == state.step, "the agent learns at its own step"
            self._check_finite()
            events.append(Reported(state.step, tuple(agent.report())))
        if state.step % opt.eval_freq == 0 and state.step > agent.learn_start:
            state.evaluation = EvaluationState()
            state.at = self.env.new_game()
            state.episode_reward = 0.0
        return events

    def _ticked(self, phase: str, text: str) -> Ticked:
        step, actrep = self.state.step, self.opt.actrep
        return Ticked(
            step,
            phase=phase,
            text=text,
            frames=actrep,
            all_frames=step * actrep,
            epsilon=self.agent.ep,
        )

    def left(self) -> dict[str, int]:
        """Return how many agent steps of every phase are left."""
        opt, state, learn_start = self.opt, self.state, self.agent.learn_start
        since = max(learn_start, state.step)
        due = range(opt.eval_freq, opt.steps + 1, opt.eval_freq)
        evaluations: float = sum(step > since for step in due)
        if state.evaluation is not None:
            evaluations += 1 - state.evaluation.steps / opt.eval_steps
        return {
            PLAYING: max(min(learn_start, opt.steps) - state.step, 0),
            LEARNING: max(opt.steps - since, 0),
            EVALUATING: round(evaluations * opt.eval_steps),
        }

    def _evaluation_tick(self) -> list[Event]:
        state = self.state
        assert state.evaluation is not None
        state.at = self._evaluation.tick(state.at, state.evaluation)
        how_far = f"evaluation {state.evaluation.steps:,}/{self.opt.eval_steps:,}"
        events: list[Event] = [self._ticked(EVALUATING, how_far)]
        if state.evaluation.steps >= self.opt.eval_steps:
            evaluated = self._end_evaluation(state.evaluation)
            events += [evaluated, Row(state.step, evaluated.row())]
            state.evaluation = None
        return events

    def _end_evaluation(self, evaluation: EvaluationState) -> Evaluated:
        state, opt, agent, histories = self.state, self.opt, self.agent, self.state.histories
        self._check_finite()
        agent.compute_validation_statistics()
        assert agent.v_avg is not None
        assert agent.tderr_avg is not None
        reward = evaluation.mean_reward
        is_best = histories.is_best(reward)
        if is_best:
            state.best_network = agent.network.clone()
        seconds = state.interval_seconds
        steps = state.step - (histories.steps[-1] if histories.steps else 0)
        state.interval_seconds = 0.0
        histories.steps.append(state.step)
        histories.v_history.append(agent.v_avg)
        histories.td_history.append(agent.tderr_avg)
        histories.qmax_history.append(agent.q_max)
        histories.reward_history.append(reward)
        histories.reward_counts.append(evaluation.n_rewards)
        histories.episode_counts.append(len(evaluation.episodes))
        histories.time_history.append(histories.time_history[-1] + seconds)
        return Evaluated(
            state.step,
            frames=state.step * opt.actrep,
            reward=reward,
            episodes=len(evaluation.episodes),
            rewards=evaluation.n_rewards,
            epsilon=agent.ep,
            lr=agent.lr,
            v=agent.v_avg,
            td=agent.tderr_avg,
            qmax=agent.q_max,
            training_seconds=seconds,
            training_rate=opt.actrep * steps / max(seconds, 1e-9),
            testing_seconds=evaluation.seconds,
            testing_rate=opt.actrep * opt.eval_steps / max(evaluation.seconds, 1e-9),
            best=int(is_best),
        )

    def _check_finite(self) -> None:
        where = self.not_finite()
        if where is not None:
            raise DivergedError(
                f"network: expected finite weights, got NaN or infinity at step {self.state.step} "
                f"in {where}; lower lr"
            )

    def not_finite(self) -> str | None:
        """Name the first layer with NaN or infinity; None without one."""
        if self.agent.network.is_finite():
            return None
        for number, row in enumerate(self.agent.report(), start=1):
            if not math.isfinite(row.weight_norm):
                return f"layer {number} ({row.layer})"
        return "a bias"
