"""The state of a whole training: collected for a checkpoint, and restored from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, Final

import numpy as np
import torch

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.systems.lua_dqn.evaluation import Episode, EvaluationState
from dqn_port.systems.lua_dqn.histories import Histories
from dqn_port.systems.lua_dqn.setup import Setup
from dqn_port.systems.lua_dqn.slots import Network
from dqn_port.systems.lua_dqn.train_agent import TrainState

_READ: Final[dict[str, Callable[[Fields, str], Any]]] = {
    "int": lambda saved, name: saved.integer(name, low=0),
    "float": Fields.number,
    "list[int]": lambda saved, name: saved.numbers(name, int),
    "list[float]": lambda saved, name: saved.numbers(name, float),
}
"""Type of a dataclass's field → how it is read."""


def gather(ready: Setup, state: TrainState, *, full: bool) -> dict[str, Any]:
    """Return the state of a training; its arrays may be the agent's own memory.

    ``full``: all that resuming exactly needs; else only networks, optimiser, counters and
    histories, without replay memory, environment and random numbers.
    """
    agent = ready.agent
    tree: dict[str, Any] = {
        "agent": agent.state_dict(),
        "train": {
            "step": state.step,
            "save_due": state.save_due,
            "interval_seconds": state.interval_seconds,
            "episode_reward": state.episode_reward,
            "histories": asdict(state.histories),
            "evaluation": None if state.evaluation is None else asdict(state.evaluation),
        },
        "best_network": None if state.best_network is None else _vectors(state.best_network),
    }
    if full:
        tree["replay"] = agent.transitions.state_dict()
        tree["generator"] = agent.generator.get_state()
        tree["environment"] = ready.env.state_dict()
    return tree


def _vectors(network: Network) -> dict[str, Any]:
    return {name: getattr(network, name).detach().cpu().numpy() for name in ("w", "dw")}


def put_back(tree: Mapping[str, Any], ready: Setup, *, full: bool) -> TrainState:
    """Restore a state in a training just set up with the same arguments; return the loop's state.

    The transitions are already in their ring. Without ``full`` the replay memory begins empty, and
    learning begins once it holds as much as at the start of the run.

    Raises:
        CheckpointError: the state does not belong to such a training.
    """
    root, agent = Fields(tree, "checkpoint"), ready.agent
    train = root.inner("train")
    histories = _histories(train.inner("histories"))
    evaluation = _evaluation(train.inner("evaluation")) if train.has("evaluation") else None
    step = train.integer("step", low=0, high=ready.opt.steps)
    save_due = train.boolean("save_due")
    interval_seconds = train.number("interval_seconds")
    episode_reward = train.number("episode_reward")
    best = None
    if root.has("best_network"):
        best = _network(root.inner("best_network"), agent.network)
    agent.load_state_dict(root.raw("agent"))
    if agent.num_steps != step:
        raise CheckpointError(
            f"checkpoint.agent.num_steps: expected {step}, the step of the run, got "
            f"{agent.num_steps}"
        )
    if full:
        agent.transitions.load_state_dict(root.raw("replay"))
        ready.env.load_state_dict(root.raw("environment"))
        _set_generator(agent.generator, root.inner("generator"))
    else:
        agent.learn_from = step + max(agent.learn_start, 1)
        evaluation = None if evaluation is None else EvaluationState()
    return TrainState(
        step=step,
        at=ready.env.get_state(),
        histories=histories,
        best_network=best,
        evaluation=evaluation,
        save_due=save_due,
        interval_seconds=interval_seconds,
        episode_reward=episode_reward,
    )


def _fields_of(kind: type[Any], saved: Fields) -> dict[str, Any]:
    """Return the saved fields of a dataclass that are numbers, or lists of them."""
    return {f.name: _READ[f.type](saved, f.name) for f in fields(kind) if f.type in _READ}


def _histories(saved: Fields) -> Histories:
    found = _fields_of(Histories, saved)
    n = len(found["steps"])
    for name, values in found.items():
        if len(values) != n + (name == "time_history"):
            raise CheckpointError(
                f"checkpoint.train.histories.{name}: expected an entry for each of {n} "
                f"evaluations, got {len(values)}"
            )
    return Histories(**found)


def _evaluation(saved: Fields) -> EvaluationState:
    where = "checkpoint.train.evaluation.episodes"
    episodes = [
        Episode(**_fields_of(Episode, Fields(entry, where))) for entry in saved.entries("episodes")
    ]
    return EvaluationState(**_fields_of(EvaluationState, saved), episodes=episodes)


def _network(saved: Fields, like: Network) -> Network:
    """Return a copy of ``like`` with the saved parameters and gradients."""
    network = like.clone()
    shape = np.empty(like.w.numel(), dtype=np.float32)
    with torch.no_grad():
        for name in ("w", "dw"):
            # A copy is aligned; a view of the file may not be.
            vector = torch.from_numpy(np.array(saved.array(name, shape)))
            getattr(network, name).copy_(vector)
    return network


def _set_generator(generator: Any, saved: Fields) -> None:
    state = generator.get_state()
    generator.set_state(
        {
            "key": np.array(saved.array("key", state["key"])),
            "pos": saved.integer("pos", low=0, high=624),
            "skip": saved.integer("skip", low=0, high=2**26),
            "second_normal": saved.number("second_normal") if saved.has("second_normal") else None,
            "n_draws": saved.integer("n_draws", low=0),
        }
    )
