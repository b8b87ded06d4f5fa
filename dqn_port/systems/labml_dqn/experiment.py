"""The training: eight games, a replay, minibatches. labml: rl/dqn/experiment.py, Trainer.

``tick`` does what the original's run_training_loop does, in small pieces.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.errors import DivergedError, SnapshotError
from dqn_port.events import EpisodeEnded, Event, Row, Ticked
from dqn_port.interfaces import Array, Ring
from dqn_port.saved_networks import SavedNetwork
from dqn_port.systems.labml_dqn.alike import look
from dqn_port.systems.labml_dqn.choice import sample_action
from dqn_port.systems.labml_dqn.evaluation import Evaluation
from dqn_port.systems.labml_dqn.game import Game, Step
from dqn_port.systems.labml_dqn.histories import UPDATES
from dqn_port.systems.labml_dqn.model import empty_model, obs_to_torch
from dqn_port.systems.labml_dqn.no_frameskip import Environment
from dqn_port.systems.labml_dqn.options import schedule_of
from dqn_port.systems.labml_dqn.picture import SIZE
from dqn_port.systems.labml_dqn.player import Player
from dqn_port.systems.labml_dqn.q_func_loss import Loss, as_float, q_func_loss
from dqn_port.systems.labml_dqn.replay_buffer import TREE_DTYPES, ReplayBuffer, Samples
from dqn_port.systems.labml_dqn.storage import Frames, Storage
from dqn_port.systems.labml_dqn.tracker import Tracker
from dqn_port.systems.labml_dqn.training_state import load_training, training_state


@dataclass(frozen=True, kw_only=True)
class Tracked(Row):
    """An update's row, and its line on the screen."""

    printed: str


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A minibatch that was learnt from."""

    samples: Samples
    q: torch.Tensor
    double_q: torch.Tensor
    target_q: torch.Tensor
    """float32 [B, A]"""
    loss: Loss
    new_priorities: NDArray[np.float32]
    grad_norm: float
    """Before it was clipped."""


class Trainer:
    """Play, store, learn; and evaluate from time to time, which the original did not."""

    def __init__(
        self,
        options: dict[str, Any],
        *,
        open_environment: Callable[[], Environment],
        n_actions: int,
        device: torch.device,
        start: SavedNetwork | None = None,
        storage: Storage | None = None,
        plain: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """``storage``: in place of Frames. ``start``: the network's first weights.

        ``plain``: add in PyTorch's own order, see alike.py; slower.

        Quirk: the target network's weights are drawn, too, though they are overwritten at once
        (golden model, loops).

        Raises:
            SnapshotError: the network to start from is not of this form.
        """
        self.options, self.n_actions, self.device, self._clock = options, n_actions, device, clock
        self._look = obs_to_torch if plain else look
        self.n_workers, self.updates = options["n_workers"], options["updates"]
        self.worker_steps, self.train_epochs = options["worker_steps"], options["train_epochs"]
        self.exploration = schedule_of(options, "exploration")
        self.beta = schedule_of(options, "beta")
        self.generator = torch.Generator().manual_seed(options["seed"])
        self.python_random = random.Random(options["seed"])
        self.replay_buffer = ReplayBuffer(
            options["capacity"],
            # With α = 0 all leaves are 1, and so are all weights.
            options["alpha"] if options["prioritised"] else 0.0,
            storage or Frames(options["capacity"], self.n_workers, SIZE, SIZE),
            self.python_random,
            dtype=TREE_DTYPES[options["tree_dtype"]],
            norm=options["norm"],
            gamma=options["gamma"],
            n_step=options["n_step"],
            n_games=self.n_workers,
        )
        self.model = empty_model(n_actions, dueling=options["dueling"])
        self.target_model = empty_model(n_actions, dueling=options["dueling"])
        for model in (self.model, self.target_model):
            model.draw(self.generator)
            model.to(device)
        if start is not None:
            self.model.put_weights(start.weights, str(start.path), SnapshotError)
        self.games = [
            Game(open_environment(), options["worker_seed"] + i) for i in range(self.n_workers)
        ]
        self.obs: Array = np.stack([game.reset() for game in self.games])
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            lr=options["learning_rate"],
            betas=(float(options["adam_beta1"]), float(options["adam_beta2"])),
            eps=options["adam_epsilon"],
            fused=device.type == "cpu" and not plain,
        )
        self.target_model.load_state_dict(self.model.state_dict())
        self.tracker = Tracker()
        self.evaluation = Evaluation(
            Player(
                open_environment(),
                self.model,
                game=options["game"],
                n_actions=n_actions,
                seed=options["seed"],
                epsilon=options["eval_epsilon"],
                max_frames=options["eval_frames"],
            ),
            options["eval_games"],
        )
        self.update = self.worker_step = self.epoch = 0
        self.trained = 0
        """Minibatches that were ever learnt from."""
        self.interval_seconds = self.training_seconds = 0.0
        """Of training: since the last evaluation, and all."""
        self.best_score: float | None = None
        self.best: dict[str, Array] = {}

    @property
    def step(self) -> int:
        """Updates that are done."""
        return self.update

    @property
    def done(self) -> bool:
        """Whether all updates and their evaluations are done."""
        return self.update >= self.updates and not self.evaluation.running

    def tick(self) -> list[Event]:
        """Play one step of every game, or learn from one minibatch, or evaluate for one step.

        labml: Trainer.run_training_loop

        Raises:
            DivergedError: a TD error is not finite.
        """
        started = self._clock()
        if self.evaluation.running:
            return self._evaluation_tick(started)
        update = self.update
        exploration, beta = self.exploration(update) or 0.0, self.beta(update) or 0.0
        events: list[Event] = []
        if self.worker_step < self.worker_steps:
            if self.worker_step == 0:
                self.tracker.add("exploration", exploration)
                self.tracker.add("beta", beta)
            frames = self.frames
            events += self.sample(exploration)
            self.worker_step += 1
            text = f"step {self.worker_step}/{self.worker_steps}"
            events.append(self._ticked("playing", text, self.frames - frames))
        else:
            self.train(beta)
            self.epoch += 1
            events.append(self._ticked("learning", f"minibatch {self.epoch}/{self.train_epochs}"))
        # Quirk: not before every slot is filled; ε and β change meanwhile.
        if self.worker_step == self.worker_steps and (
            self.epoch == self.train_epochs or not self.replay_buffer.is_full()
        ):
            events.append(self._end_update())
        seconds = self._clock() - started
        self.interval_seconds += seconds
        self.training_seconds += seconds
        return events

    def _ticked(self, phase: str, text: str, frames: int = 0) -> Ticked:
        epsilon = self.exploration(min(self.update, self.updates - 1))
        return Ticked(
            self.update,
            phase=phase,
            text=text,
            frames=frames,
            all_frames=self.frames,
            epsilon=self.evaluation.player.epsilon if phase == "evaluating" else epsilon,
        )

    @property
    def frames(self) -> int:
        """Emulator frames of training."""
        return sum(game.frames for game in self.games)

    def sample(self, exploration: float) -> list[Event]:
        """Play one step of every game: all are chosen for at once, then all play, in order.

        labml: Trainer.sample
        """
        actions = sample_action(
            self.q, self.n_workers, self.n_actions, exploration, self.generator
        ).tolist()
        events: list[Event] = []
        for worker, (game, action) in enumerate(zip(self.games, actions, strict=True)):
            step: Step = game.step(action)
            self.replay_buffer.add(self.obs[worker], action, step.reward, step.obs, step.done)
            if step.info is not None:
                self.tracker.add("reward", step.info.reward)
                self.tracker.add("length", step.info.length)
                ended = "game" if game.ended_whole else "life"
                events.append(EpisodeEnded(self.update, step.info.reward, ended=ended, game=worker))
            self.obs[worker] = step.obs
        return events

    def q(self) -> torch.Tensor:
        """Return the values of what all games show: float32 [n_workers, A]."""
        with torch.no_grad():
            q: torch.Tensor = self.model(self._look(self.obs, self.device))
        return q

    def train(self, beta: float) -> Trained:
        """Learn from one minibatch. labml: Trainer.train, one of its epochs.

        Quirk: priorities are written back before the step that their errors cause, so the next
        minibatch is drawn by them (golden update, update_clip).

        Raises:
            DivergedError: a TD error is not finite; its priority is not written.
        """
        options, device = self.options, self.device
        samples = self.replay_buffer.sample(options["mini_batch_size"], beta)
        q = self.model(self._look(samples.obs, device))
        with torch.no_grad():
            next_obs = self._look(samples.next_obs, device)
            target_q = self.target_model(next_obs)
            double_q = self.model(next_obs) if options["double"] else target_q
        loss = q_func_loss(
            q,
            torch.from_numpy(samples.action).to(device, torch.int64),
            double_q,
            target_q,
            as_float(samples.done, device),
            as_float(samples.reward, device),
            as_float(samples.weights, device),
            discount=as_float(samples.discount, device),
            square=options["loss"] == "square",
        )
        epsilon = np.float32(options["priority_epsilon"])
        new_priorities = np.abs(loss.td_error.cpu().numpy()) + epsilon
        self._check(
            new_priorities, "priorities", "lower learning_rate, or set priority_epsilon above 0"
        )
        self._check(
            self.replay_buffer.leaves(new_priorities),
            "priorities to the power alpha",
            "lower alpha",
        )
        self.replay_buffer.update_priorities(samples.indexes, new_priorities)
        self.optimizer.zero_grad()
        loss.loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), options["max_grad_norm"])
        self.optimizer.step()
        self.trained += 1
        for name in ("q_sampled_action", "q_update", "td_error", "loss"):
            self.tracker.add(name, getattr(loss, name).detach().cpu().numpy())
        return Trained(
            samples=samples,
            q=q,
            double_q=double_q,
            target_q=target_q,
            loss=loss,
            new_priorities=new_priorities,
            grad_norm=norm.item(),
        )

    def _check(self, numbers: Array, what: str, advice: str) -> None:
        if not (np.isfinite(numbers) & (numbers > 0)).all():
            raise DivergedError(
                f"update {self.update}, minibatch {self.epoch}: expected finite {what} above 0, "
                f"got {numbers.min()} to {numbers.max()}; {advice}"
            )

    def _end_update(self) -> Event:
        """Copy the target network if it is time, and save the row.

        Quirk: updates are counted from 0, also while the buffer fills, and copies are made only
        after training, so the first one may come late (golden loops).
        """
        update = self.update
        if self.replay_buffer.is_full() and update % self.options["update_target_model"] == 0:
            self.target_model.load_state_dict(self.model.state_dict())
        row = self.tracker.save()
        self.update, self.worker_step, self.epoch = update + 1, 0, 0
        if self.update % self.options["eval_updates"] == 0:
            self.evaluation.start()
        cells = {"update": update, "frames": self.frames} | row.cells()
        return Tracked(self.update, cells=cells, table=UPDATES, printed=row.printed)

    def _evaluation_tick(self, started: float) -> list[Event]:
        evaluation = self.evaluation
        step = evaluation.tick()
        evaluation.seconds += self._clock() - started
        events: list[Event] = [self._ticked("evaluating", evaluation.text, step.frames)]
        if evaluation.running:
            return events
        is_best = self.best_score is None or evaluation.mean > self.best_score
        if is_best:
            self.best_score, self.best = evaluation.mean, self.model.weights()
        cells = {
            "update": self.update,
            "frames": self.frames,
            **evaluation.cells(),
            "epsilon": self.exploration(self.update - 1),
            "best": int(is_best),
            "training_seconds": round(self.interval_seconds, 3),
            "evaluation_seconds": round(evaluation.seconds, 3),
        }
        self.interval_seconds = 0.0
        return [*events, Row(self.update, cells=cells)]

    def left(self) -> dict[str, int]:
        """Return how many ticks of every phase are left.

        Future evaluations count one tick per game, because their length is not known.
        """
        options, replay = self.options, self.replay_buffer
        left = self.updates - self.update
        each = self.n_workers * self.worker_steps
        here = self.n_workers * (self.worker_steps - self.worker_step)
        missing = replay.capacity - replay.size
        # The update that fills the last slot trains already.
        filling = 0 if missing <= here else -(-(missing - here) // each)
        return {
            "playing": left * self.worker_steps - self.worker_step,
            "learning": max(0, left - filling) * self.train_epochs - self.epoch,
            "evaluating": self.evaluation.left()
            + options["eval_games"]
            * (self.updates // options["eval_updates"] - self.update // options["eval_updates"]),
        }

    def state_dict(self, *, full: bool = True) -> dict[str, Any]:
        """Return everything needed to resume, except the rings."""
        return training_state(self, full=full)

    def load_state_dict(self, state: Mapping[str, Any], *, full: bool = True) -> None:
        """Resume from a ``state_dict``; without ``full`` the replay is filled again.

        Raises:
            CheckpointError: it is not the state of such a training.
        """
        load_training(self, state, full=full)

    def rings(self) -> dict[str, Ring]:
        """Return the rows that checkpoints keep apart."""
        return self.replay_buffer.rings()

    def networks(self) -> dict[str, dict[str, Array]]:
        """Return the last network, and the one of the best evaluation."""
        return {"last": self.model.weights()} | ({"best": self.best} if self.best else {})

    def about(self) -> dict[str, Any]:
        """Return the entries for a run's record."""
        return {
            "frames": self.frames,
            "minibatches": self.trained,
            "training_seconds": round(self.training_seconds, 3),
        }
