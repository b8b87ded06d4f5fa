"""Linear anneals, as NeuralQLearner computes them, in double."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dqn_port.fields import number
from dqn_port.systems.lua_dqn.options import Options


def anneal_epsilon(t: float, *, start: float, end: float, endt: float) -> float:
    """Return ε after ``t`` learning steps: ``start`` at 0, ``end`` from ``endt`` on.

    Lua: NeuralQLearner.lua, eGreedy.
    """
    return end + max(0.0, (start - end) * (endt - t) / endt)


def anneal_lr(t: float, *, start: float, end: float, endt: float) -> float:
    """Return the learning rate after ``t`` learning steps, never below ``end``.

    Lua: NeuralQLearner.lua, qLearnMinibatch.
    """
    return max((start - end) * (endt - t) / endt + end, end)


def epsilon_curve(arguments: Mapping[str, Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return (frames, ε in training) from a run's arguments; None if they are incomplete."""
    params = arguments.get("agent_params")
    params = params if isinstance(params, dict) else {}
    values = [arguments.get("steps"), arguments.get("actrep")]
    values += [params.get(key) for key in ("ep", "ep_end", "ep_endt", "learn_start")]
    told = [value for value in map(number, values) if value is not None and value >= 0]
    if len(told) < len(values) or not told[0] or not told[1]:
        return None
    steps, actrep, start, end, endt, learn_start = told
    at = np.unique(np.clip([0, learn_start, learn_start + endt, steps], 0, steps))
    learnt = [max(0.0, step - learn_start) for step in at]
    ep = [anneal_epsilon(t, start=start, end=end, endt=max(endt, 1)) for t in learnt]
    return at * actrep, np.array(ep)


def soon(opt: Options) -> tuple[str, ...]:
    """Return the assignments of Facts.soon: short phases, with the sampling buffer filled often."""
    params = opt.agent_params
    learn_start = min(params["learn_start"], max(500, params.get("bufferSize", 0)))
    steps = min(opt.steps, learn_start + 384)
    return (
        f"agent_params.learn_start={learn_start}",
        "agent_params.ep_endt=1",
        f"steps={steps}",
        f"eval_freq={steps}",
        f"eval_steps={min(opt.eval_steps, 300)}",
        f"save_freq={learn_start or steps}",
    )
