"""The notebook's main loop: a fill with random actions, then steps and updates in turn.

Practical_RL: homework_pytorch_main.ipynb and homework_pytorch_debug.ipynb
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from dqn_port.errors import DivergedError
from dqn_port.events import EpisodeEnded, Event, Row, Ticked
from dqn_port.games.gymnasium.making import Env
from dqn_port.interfaces import Array, Ring
from dqn_port.systems.practical_rl import training_state
from dqn_port.systems.practical_rl.adam import FlatAdam
from dqn_port.systems.practical_rl.dqn_agent import DQNAgent
from dqn_port.systems.practical_rl.evaluate import Evaluation
from dqn_port.systems.practical_rl.linear_decay import linear_decay
from dqn_port.systems.practical_rl.make_env import clips_rewards, make_env, record_of
from dqn_port.systems.practical_rl.play_and_record import play_and_record
from dqn_port.systems.practical_rl.replay_buffer import ReplayBuffer
from dqn_port.systems.practical_rl.td_loss import compute_td_loss


class Training:
    """A run of the homework. A tick is a step of the fill, of the loop, or of an evaluation."""

    def __init__(self, opt: Mapping[str, Any], agent: DQNAgent, target_network: DQNAgent) -> None:
        """``agent`` and ``target_network`` are filled with the same weights."""
        self.opt = opt
        seed: int = opt["seed"]
        self.python_random = random.Random(seed)
        self.numpy_random = np.random.RandomState(seed)
        self.env: Env = make_env(opt, clip_rewards=clips_rewards(opt))
        self.record = record_of(self.env)
        space = self.env.observation_space
        assert space.shape is not None
        assert space.dtype is not None
        self.exp_replay = ReplayBuffer(
            opt["buffer_size"],
            shape=space.shape,
            dtype=space.dtype,
            n_frames=opt["n_frames"],
            oldest_first=opt["oldest_first"],
        )
        self.state = self.exp_replay.begin(self.env.reset(seed=seed)[0])
        self.first_state = self.exp_replay.stale(self.state)
        self.agent, self.target_network = agent, target_network
        self.optimizer = FlatAdam(agent, lr=opt["learning_rate"], eps=opt["adam_eps"])
        self.filling = True
        self.fill_call = self.fill_step = 0
        self.next_step = 0
        self.td_loss = self.grad_norm = math.nan
        """Of the last update."""
        self.evaluation: Evaluation | None = None
        self.best: dict[str, Array] | None = None
        self.best_mean_reward = -math.inf
        self.seconds = 0.0
        self.game_lost = False
        """Whether a checkpoint did not hold the game, so that the next tick begins another."""
        self._earned_before = 0.0
        """What the game had earned before this episode."""
        self._events: list[Event] = []

    @property
    def step(self) -> int:
        """The loop's step; 0 in the fill."""
        return max(0, self.next_step - 1)

    @property
    def done(self) -> bool:
        """Whether the last step, and its evaluation, are done."""
        return self.next_step > self.opt["total_steps"] and self.evaluation is None

    def tick(self) -> list[Event]:
        """Play one step, with its update in the loop.

        Raises:
            DivergedError: the loss is no longer finite.
        """
        started = time.perf_counter()
        self._events = []
        frames = self.record.frames
        if self.game_lost:
            self.game_lost = False
            self.state = self.exp_replay.begin(self.env.reset(seed=self.opt["seed"])[0])
            self._earned_before = self.record.earned
        if self.filling:
            phase, text = "filling", self._fill_step()
        elif self.evaluation is not None:
            phase, text = "evaluating", self._evaluation_step(self.evaluation)
        else:
            phase, text = "training", self._loop_step()
        self.seconds += time.perf_counter() - started
        all_frames = self.record.frames
        return [
            *self._events,
            Ticked(
                self.step,
                phase=phase,
                text=text,
                frames=all_frames - frames,
                all_frames=all_frames,
                epsilon=self.agent.epsilon,
            ),
        ]

    def _fill_step(self) -> str:
        """Play one step of the fill.

        Quirk: every call of play_and_record starts from the run's first state, so that the first of
        its transitions has a wrong s (test_main_loop.py).
        """
        opt = self.opt
        if self.fill_step == 0 and opt["stale_first_state"]:
            self.state = self.first_state
        self.agent.epsilon = 1.0
        self._play(1)
        self.fill_step += 1
        if self.fill_step == opt["n_steps"]:
            self.fill_call, self.fill_step = self.fill_call + 1, 0
            if len(self.exp_replay) == opt["buffer_size"] or self.fill_call == opt["fill_calls"]:
                self.filling = False
                # Quirk: because of EpisodicLifeEnv this continues in the same life.
                self.state = self.exp_replay.begin(self.env.reset()[0])
                self._earned_before = self.record.earned
        return f"{len(self.exp_replay)}/{opt['buffer_size']} transitions"

    def _loop_step(self) -> str:
        """Play, learn, note the loss, copy the network, and begin an evaluation."""
        opt, step = self.opt, self.next_step
        self.agent.epsilon = linear_decay(
            opt["init_epsilon"], opt["final_epsilon"], step, opt["decay_steps"]
        )
        self._play(opt["timesteps_per_epoch"])
        self.update()
        self.next_step += 1
        if step % opt["loss_freq"] == 0:
            if not math.isfinite(self.td_loss):
                raise DivergedError(
                    f"step {step}: expected a finite loss, got {self.td_loss}; lower learning_rate"
                )
            cells = {"step": step, "td_loss": self.td_loss, "grad_norm": self.grad_norm}
            self._events.append(Row(step, cells=cells, table="loss"))
        if step % opt["refresh_target_network_freq"] == 0:
            self.target_network.load_state_dict(self.agent.state_dict())
        if step % opt["eval_freq"] == 0:
            self.evaluation = self.new_evaluation(step)
        return f"step {step}/{opt['total_steps']}"

    def update(self) -> None:
        """Learn from a batch, and note its loss and the gradients' norm."""
        opt = self.opt
        batch = self.exp_replay.sample(opt["batch_size"], self.python_random)
        loss = compute_td_loss(
            batch,
            self.agent,
            self.target_network,
            gamma=opt["gamma"],
            double=opt["double"],
            bootstrap_at=opt["bootstrap_at"],
        )
        loss.backward()
        grad_norm = self.optimizer.clip_grad_norm(opt["max_grad_norm"])
        self.optimizer.step()
        self.td_loss, self.grad_norm = loss.item(), grad_norm.item()

    def new_evaluation(self, step: int) -> Evaluation:
        """Return an evaluation at its beginning, in a new environment."""
        env = make_env(self.opt)
        n_games, t_max = 3 * self.opt["n_lives"], self.opt["t_max"]
        return Evaluation(env, self.agent, n_games=n_games, t_max=t_max, seed=step)

    def _evaluation_step(self, evaluation: Evaluation) -> str:
        """Play one step of the evaluation; at its end return the results and keep the best
        network."""
        evaluation.step()
        if evaluation.done:
            results = evaluation.results()
            is_best = results["mean_reward_per_life"] > self.best_mean_reward
            cells = {
                "step": self.step,
                **results,
                "best": int(is_best),
                "epsilon": self.agent.epsilon,
                "buffer_size": len(self.exp_replay),
                "frames": self.record.frames,
                "seconds": self.seconds,
            }
            self._events.append(Row(self.step, cells=cells))
            if is_best:
                self.best_mean_reward = results["mean_reward_per_life"]
                self.best = training_state.arrays_of(self.agent, copied=True)
            evaluation.env.close()
            self.evaluation = None
        return f"evaluation {len(evaluation.rewards)}/{evaluation.n_games}"

    def _play(self, n_steps: int) -> None:
        self.state = play_and_record(
            self.state,
            self.agent,
            self.env,
            self.exp_replay,
            self.numpy_random,
            n_steps=n_steps,
            at_end=self._episode_ended,
        )

    def _episode_ended(self) -> None:
        record = self.record
        ended = "life"
        if record.over:
            ended = "limit" if record.games[-1].cut else "game"
        # Games that ended unseen, in the steps of a reset, have no last episode.
        record.games.clear()
        reward = record.earned - self._earned_before
        self._earned_before = record.earned
        self._events.append(EpisodeEnded(self.step, reward=reward, ended=ended))

    def left(self) -> dict[str, int]:
        """Return how many ticks are left; those of evaluations are estimated."""
        opt = self.opt
        calls = min(opt["fill_calls"], -(-opt["buffer_size"] // opt["n_steps"]))
        fill = calls * opt["n_steps"] - self.fill_call * opt["n_steps"] - self.fill_step
        loop = opt["total_steps"] + 1 - self.next_step
        evaluations = opt["total_steps"] // opt["eval_freq"] - self.step // opt["eval_freq"]
        games = evaluations * 3 * opt["n_lives"]
        mean = 100
        if self.evaluation is not None:
            games += self.evaluation.n_games - len(self.evaluation.rewards)
            mean = max(mean, self.evaluation.steps // (1 + len(self.evaluation.rewards)))
        return {
            "filling": max(0, fill) if self.filling else 0,
            "training": loop,
            "evaluating": games * mean,
        }

    def state_dict(self, *, full: bool = True) -> dict[str, Any]:
        """Return everything needed to resume exactly, except the rings; see training_state."""
        return training_state.gather(self, full=full)

    def load_state_dict(self, state: Mapping[str, Any], *, full: bool = True) -> None:
        """Resume from a state; without ``full`` the replay is filled again.

        Raises:
            CheckpointError: it is not that of such a training.
        """
        training_state.put_back(self, state, full=full)

    def rings(self) -> dict[str, Ring]:
        """Return transitions and frames."""
        return self.exp_replay.rings()

    def networks(self) -> dict[str, dict[str, Array]]:
        """Return the last network, and that of the best evaluation."""
        best = {} if self.best is None else {"best": self.best}
        return {"last": training_state.arrays_of(self.agent), **best}

    def about(self) -> dict[str, Any]:
        """Return the entries for run.json."""
        return {"training_seconds": self.seconds}
