"""The state of a NeuralQLearner as plain values and arrays, and its checked restoring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.systems.lua_dqn.slots import Minibatch

if TYPE_CHECKING:
    from dqn_port.systems.lua_dqn.neural_q_learner import NeuralQLearner

_WHOLE: Final = ("num_steps", "learn_from")
_FLAGS: Final = ("last_terminal", "greedy")
_NUMBERS: Final = ("ep", "lr", "r_max", "q_max")
_ABSENT_AT_FIRST: Final = ("bestq", "v_avg", "tderr_avg")


def _vectors(agent: NeuralQLearner) -> dict[str, torch.Tensor]:
    """Return the float32 [n_params] vectors that change in learning, the agent's own memory."""
    vectors = {"w": agent.network.w, "dw": agent.network.dw}
    if agent.target_network is not None:
        vectors |= {"target_w": agent.target_network.w, "target_dw": agent.target_network.dw}
    return vectors | {"g": agent.optimiser.g, "g2": agent.optimiser.g2}


def state_of(agent: NeuralQLearner) -> dict[str, Any]:
    """Return the state without transitions and generator; arrays may be the agent's memory."""
    names = (*_WHOLE, *_FLAGS, *_NUMBERS, *_ABSENT_AT_FIRST, "last_action", "last_state")
    state: dict[str, Any] = {name: getattr(agent, name) for name in names}
    state["vectors"] = {name: v.detach().cpu().numpy() for name, v in _vectors(agent).items()}
    if agent.valid is not None:
        state["valid"] = {name: t.cpu().numpy() for name, t in vars(agent.valid).items()}
    return state


def take_state(agent: NeuralQLearner, fields: Fields) -> None:
    """Restore what ``state_of`` returned; nothing is changed unless all of it fits.

    Raises:
        CheckpointError: a field is missing or does not fit the agent.
    """
    found: dict[str, Any] = {n: fields.integer(n, low=0) for n in _WHOLE}
    found |= {name: fields.boolean(name) for name in _FLAGS}
    found |= {name: fields.number(name) for name in _NUMBERS}
    for name in _ABSENT_AT_FIRST:
        found[name] = fields.number(name) if fields.has(name) else None
    found |= {"last_action": None, "last_state": None, "valid": None}
    if fields.has("last_action"):
        found["last_action"] = fields.integer("last_action", low=0, high=agent.n_actions - 1)
    if fields.has("last_state"):
        like = np.empty(agent.params["state_dim"], dtype=np.uint8)
        found["last_state"] = np.array(fields.array("last_state", like))
    if fields.has("valid"):
        found["valid"] = _valid(agent, fields.inner("valid"))
    own, saved = _vectors(agent), fields.inner("vectors")
    like = np.empty(agent.network.w.numel(), dtype=np.float32)
    # A copy is aligned; a view of the file may not be.
    vectors = {name: torch.from_numpy(np.array(saved.array(name, like))) for name in own}
    with torch.no_grad():
        for name, vector in own.items():
            vector.copy_(vectors[name])
    for name, value in found.items():
        setattr(agent, name, value)


def _valid(agent: NeuralQLearner, fields: Fields) -> Minibatch:
    n, width = agent.valid_size, agent.params["hist_len"] * agent.params["state_dim"]
    like = {
        "s": np.empty((n, width), dtype=np.uint8),
        "a": np.empty(n, dtype=np.int64),
        "r": np.empty(n, dtype=np.float32),
        "s2": np.empty((n, width), dtype=np.uint8),
        "term": np.empty(n, dtype=np.uint8),
    }
    found = {name: torch.from_numpy(np.array(fields.array(name, like[name]))) for name in like}
    if not bool(((found["a"] >= 0) & (found["a"] < agent.n_actions)).all()):
        raise CheckpointError(f"agent.valid.a: expected actions of 0 to {agent.n_actions - 1}")
    return Minibatch(**found)
