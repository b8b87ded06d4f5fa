"""The state of a whole training: collect and restore it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.interfaces import Array
from dqn_port.randoms.states import (
    load_python_state,
    load_torch_state,
    python_state,
    torch_state,
)

if TYPE_CHECKING:
    from dqn_port.systems.labml_dqn.experiment import Trainer

_MOMENTS = ("exp_avg", "exp_avg_sq")


def training_state(trainer: Trainer, *, full: bool) -> dict[str, Any]:
    """Return everything needed to resume, except the rings.

    ``full``: to resume exactly; otherwise only networks, optimiser, counters and rows, without the
    replay buffer, the games and the generators.
    """
    state: dict[str, Any] = {
        "update": trainer.update,
        "worker_step": trainer.worker_step,
        "epoch": trainer.epoch,
        "trained": trainer.trained,
        "frames": trainer.frames,
        "evaluating": trainer.evaluation.running,
        "interval_seconds": trainer.interval_seconds,
        "training_seconds": trainer.training_seconds,
        "model": trainer.model.weights(),
        "target_model": trainer.target_model.weights(),
        "optimizer": _moments(trainer),
        "best_score": trainer.best_score,
        "best": trainer.best or None,
        "tracker": trainer.tracker.state_dict(),
    }
    if full:
        state |= {
            "replay": trainer.replay_buffer.state_dict(),
            "games": [game.state_dict() for game in trainer.games],
            "evaluation": trainer.evaluation.state_dict(),
            "torch": torch_state(trainer.generator),
            "random": python_state(trainer.python_random),
        }
    return state


def _moments(trainer: Trainer) -> dict[str, Any]:
    """Return Adam's moments by parameter: empty before its first step."""
    found: dict[str, Any] = {}
    for name, parameter in trainer.model.named_parameters():
        if own := trainer.optimizer.state.get(parameter):
            found[name] = {key: own[key].detach().cpu().numpy().copy() for key in _MOMENTS}
    return found


def load_training(trainer: Trainer, state: Mapping[str, Any], *, full: bool) -> None:
    """Put a state into a training that was just set up with the same options.

    Without ``full`` the games start over, and the replay buffer is filled again before the training
    continues, as at the start of a run.

    Raises:
        CheckpointError: it is not the state of such a training.
    """
    fields = Fields(state, "training")
    update = fields.integer("update", low=0, high=trainer.updates)
    worker_step = fields.integer("worker_step", low=0, high=trainer.worker_steps)
    epoch = fields.integer("epoch", low=0, high=trainer.train_epochs - 1)
    trained = fields.integer("trained", low=0)
    frames = fields.integer("frames", low=0)
    evaluating = fields.boolean("evaluating")
    seconds = [fields.number(name) for name in ("interval_seconds", "training_seconds")]
    best_score = fields.number("best_score") if fields.has("best_score") else None
    best = fields.take("best", "a network or None", lambda x: x is None or isinstance(x, dict))
    if (best is None) != (best_score is None):
        raise CheckpointError("training.best: expected a network where there is a best_score")
    if best is not None:
        # The target network is overwritten below.
        trainer.target_model.put_weights(best, "training.best", CheckpointError)
        trainer.best = trainer.target_model.weights()
    for name in ("model", "target_model"):
        model = trainer.model if name == "model" else trainer.target_model
        weights = fields.take(name, "a network", lambda x: isinstance(x, dict))
        model.put_weights(weights, f"training.{name}", CheckpointError)
    _load_moments(trainer, fields.inner("optimizer"), trained)
    trainer.tracker.load_state_dict(fields.raw("tracker"))
    if full:
        trainer.replay_buffer.load_state_dict(fields.raw("replay"))
        _check_counts(trainer, update, worker_step, epoch)
        games = fields.entries("games")
        if len(games) != trainer.n_workers:
            raise CheckpointError(f"training.games: expected {trainer.n_workers}, got {len(games)}")
        for i, (game, saved) in enumerate(zip(trainer.games, games, strict=True)):
            game.load_state_dict(saved)
            trainer.obs[i] = game.obs_4
        trainer.evaluation.load_state_dict(fields.raw("evaluation"))
        load_torch_state(trainer.generator, fields, "torch")
        load_python_state(trainer.python_random, fields, "random")
    else:
        # The unfinished update is repeated, with an empty buffer.
        worker_step = epoch = 0
        trainer.tracker.forget()
        trainer.games[0].frames = frames
        if evaluating:
            trainer.evaluation.start()
    trainer.update, trainer.worker_step, trainer.epoch = update, worker_step, epoch
    trainer.trained, trainer.best_score = trained, best_score
    trainer.interval_seconds, trainer.training_seconds = seconds


def _load_moments(trainer: Trainer, fields: Fields, trained: int) -> None:
    """Put Adam's moments back."""
    moments: dict[str, tuple[Array, Array]] = {}
    if trained:
        for name, parameter in trainer.model.named_parameters():
            like = np.empty(parameter.shape, dtype=np.float32)
            own = fields.inner(name)
            first, second = (own.array(key, like) for key in _MOMENTS)
            if not np.isfinite(first).all() or not (np.isfinite(second) & (second >= 0)).all():
                raise CheckpointError(
                    f"training.optimizer.{name}: expected finite moments, the second at least 0"
                )
            moments[name] = (first, second)
    trainer.optimizer.state.clear()
    for name, parameter in trainer.model.named_parameters():
        if name in moments:
            trainer.optimizer.state[parameter] = {
                "step": torch.tensor(float(trained)),
                **{
                    key: torch.from_numpy(np.array(moment)).to(parameter.device)
                    for key, moment in zip(_MOMENTS, moments[name], strict=True)
                },
            }


def _check_counts(trainer: Trainer, update: int, worker_step: int, epoch: int) -> None:
    """Check that the replay buffer holds the transitions of these steps, and that the steps
    fit."""
    replay = trainer.replay_buffer
    steps = update * trainer.worker_steps + worker_step
    if replay.added > steps * trainer.n_workers or replay.added % trainer.n_workers:
        raise CheckpointError(
            f"replay.added: expected at most {steps * trainer.n_workers} transitions, of "
            f"{trainer.n_workers} games each, got {replay.added}"
        )
    whole = worker_step == trainer.worker_steps
    if (whole and not replay.is_full()) or (epoch and not whole):
        raise CheckpointError(
            f"training.epoch: expected minibatches of a full replay after {trainer.worker_steps} "
            f"steps, got {epoch} after {worker_step}"
        )
    actions = replay.action[: replay.size]
    if replay.size and not set(actions.tolist()) <= set(range(trainer.n_actions)):
        raise CheckpointError(
            f"transitions.action: expected 0 to {trainer.n_actions - 1}, got "
            f"{int(actions.min())} to {int(actions.max())}"
        )
    if not np.isfinite(replay.reward).all():
        raise CheckpointError("transitions.reward: expected finite rewards, got others")
