"""The state of a whole training: collect it, and restore it to resume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.interfaces import Array
from dqn_port.systems.practical_rl.make_env import put_back as put_back_env
from dqn_port.systems.practical_rl.make_env import state_of

if TYPE_CHECKING:
    from dqn_port.systems.practical_rl.main_loop import Training


def arrays_of(network: nn.Module, *, copied: bool = False) -> dict[str, Array]:
    """Return a network's parameters by name, float32; ``copied``: not its own memory."""
    found = {name: value.detach().cpu().numpy() for name, value in network.named_parameters()}
    return {name: array.copy() for name, array in found.items()} if copied else found


def load_arrays(network: nn.Module, arrays: Fields) -> None:
    """Fill a network from arrays by name, all of them or none.

    Raises:
        CheckpointError: one is missing or of another shape.
    """
    found = {name: arrays.array(name, like) for name, like in arrays_of(network).items()}
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            # A copy is aligned, which a view of a file need not be.
            parameter.copy_(torch.from_numpy(found[name].copy()))


def gather(training: Training, *, full: bool) -> dict[str, Any]:
    """Return the tree of a training's state; its arrays may be the training's own memory."""
    numpy_random = training.numpy_random.get_state(legacy=False)["state"]
    _, words, _ = training.python_random.getstate()
    tree: dict[str, Any] = {
        "next_step": training.next_step,
        "seconds": training.seconds,
        "agent": arrays_of(training.agent),
        "target_network": arrays_of(training.target_network),
        "adam": training.optimizer.state_dict(),
        "best": training.best,
        "best_mean_reward": None if training.best is None else training.best_mean_reward,
        "numpy_random": {"key": numpy_random["key"], "pos": numpy_random["pos"]},
        "python_random": {"key": np.array(words[:-1], dtype=np.uint32), "pos": words[-1]},
        "evaluation": None,
    }
    if full:
        tree |= {
            "filling": training.filling,
            "fill_call": training.fill_call,
            "fill_step": training.fill_step,
            "epsilon": training.agent.epsilon,
            "replay": training.exp_replay.state_dict(),
            "state": list(training.state.frames),
            "first_state": list(training.first_state.frames),
            "environment": state_of(training.env),
            "earned_before": training._earned_before,
        }
        if training.evaluation is not None:
            tree["evaluation"] = training.evaluation.state_dict()
    return tree


def put_back(training: Training, state: Mapping[str, Any], *, full: bool) -> None:
    """Put a state into a training that was just set up with the same options.

    Raises:
        CheckpointError: it is not the state of such a training.
    """
    root, opt = Fields(state, "checkpoint"), training.opt
    next_step = root.integer("next_step", low=0, high=opt["total_steps"] + 1)
    seconds = root.number("seconds")
    load_arrays(training.agent, root.inner("agent"))
    load_arrays(training.target_network, root.inner("target_network"))
    if root.has("adam"):
        training.optimizer.load_state_dict(root.raw("adam"))
    if root.has("best"):
        best = root.inner("best")
        training.best_mean_reward = root.number("best_mean_reward")
        training.best = {
            name: best.array(name, like).copy() for name, like in arrays_of(training.agent).items()
        }
    for name in ("numpy_random", "python_random"):
        saved = root.inner(name)
        key = saved.array("key", np.empty(624, dtype=np.uint32))
        pos = saved.integer("pos", low=0, high=624)
        if name == "numpy_random":
            training.numpy_random.set_state(("MT19937", key, pos, 0, 0.0))
        else:
            training.python_random.setstate((3, (*key.tolist(), pos), None))
    training.next_step, training.seconds = next_step, seconds
    if not full:
        return
    training.filling = root.boolean("filling")
    training.fill_call = root.integer("fill_call", low=0, high=opt["fill_calls"])
    training.fill_step = root.integer("fill_step", low=0, high=opt["n_steps"] - 1)
    epsilon = root.number("epsilon")
    if not 0 <= epsilon <= 1:
        raise CheckpointError(f"checkpoint.epsilon: expected 0 to 1, got {epsilon}")
    training.agent.epsilon = epsilon
    replay = training.exp_replay
    replay.load_state_dict(root.raw("replay"), training.agent.n_actions)
    training.state = replay.state_of(_frames(root, "state", replay))
    training.first_state = replay.state_of(_frames(root, "first_state", replay))
    training._earned_before = root.number("earned_before")
    training.game_lost = not put_back_env(training.env, root.raw("environment"))
    if root.has("evaluation"):
        training.evaluation = training.new_evaluation(training.step)
        training.evaluation.load_state_dict(root.raw("evaluation"))


def _frames(root: Fields, name: str, replay: Any) -> tuple[int, ...]:
    frames = tuple(root.numbers(name, int))
    if not replay.knows(frames):
        raise CheckpointError(f"checkpoint.{name}: expected frames of the replay, got others")
    return frames
