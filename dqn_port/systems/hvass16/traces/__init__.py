"""The kinds of traces from the original, each with what replays it."""

from __future__ import annotations

from typing import Final

from dqn_port.systems.hvass16.traces import net, parts, preproc, replay, runs
from dqn_port.verify.kinds import Kind, any_array, keys_of

__all__ = ["KINDS"]

GOLDEN: Final = "hvass"
"""The folder of its traces."""

KINDS: Final = (
    Kind("run", runs.replay, lambda t: "plan" in keys_of(t)),
    Kind("preproc", preproc.replay, lambda t: any_array(t, r".+_frame_sha256")),
    Kind("signals", parts.replay_signals, lambda t: "signals" in keys_of(t)),
    Kind("epsilon", parts.replay_epsilon, lambda t: any_array(t, r".+_train_epsilon")),
    Kind("logs", parts.replay_logs, lambda t: "log_reward.txt" in keys_of(t)),
    Kind("optimize", parts.replay_optimize, lambda t: {"memory", "cases"} <= keys_of(t)),
    Kind("replay", replay.replay, lambda t: "scenarios" in keys_of(t)),
    Kind("net", net.replay, lambda t: any_array(t, r".+_grad_probes")),
)
"""In this order: the first kind that matches a trace replays it."""
