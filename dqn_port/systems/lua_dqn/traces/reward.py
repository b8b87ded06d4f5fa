"""Rewards as perceive clips and stores them: one agent a combination of clipping and rescaling."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
import torch

from dqn_port.errors import TraceError
from dqn_port.systems.lua_dqn.traces.replaying import agent_of_parts
from dqn_port.verify.comparing import Comparer, counted, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_PART: Final = re.compile(r"(max|min)(-?\d+(?:\.\d+)?)")


def params_of(combo: str) -> dict[str, Any]:
    """Return the parameters of a combination by its name, such as rescale_min-1_max1.

    Raises:
        TraceError: a part of it is none of none, rescale, max<number>, min<number>.
    """
    params: dict[str, Any] = {}
    for part in combo.split("_"):
        matched = _PART.fullmatch(part)
        if matched:
            params[f"{matched[1]}_reward"] = float(matched[2])
        elif part == "rescale":
            params["rescale_r"] = True
        elif part != "none":
            raise TraceError(
                f"reward.json: combos: expected none, or rescale, min<number>, max<number> joined "
                f"by _, got {combo!r}"
            )
    return params


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Let an agent of every combination perceive the rewards of the trace."""
    del replaying
    combos, rewards = trace.key("combos", list), trace.key("rewards", list)
    screen = np.zeros((3, 210, 160), dtype=np.float32)
    for k, combo in enumerate(combos, start=1):
        agent = agent_of_parts(
            "net_small", 4, torch.device("cpu"), learn_start=100, valid_size=1, **params_of(combo)
        )
        r_max = []
        for reward in rewards:
            agent.perceive(reward, screen, False)
            r_max.append(agent.r_max)
        stored = np.array(agent.transitions.r[: agent.transitions.num_entries])  # type: ignore[attr-defined]
        compare.array(f"c{k}_r", stored, where=counted("transition"), family="c*_r")
        compare.array(f"c{k}_rmax", r_max, where=counted("call"), family="c*_rmax")
    compare.what = (
        f"{plural(len(rewards), 'reward')}, clipped and rescaled in {plural(len(combos), 'way')}"
    )
