"""The kinds of traces from labml's code, each with what replays it."""

from __future__ import annotations

from typing import Final

from dqn_port.systems.labml_dqn.traces import (
    games,
    loops,
    networks,
    parts,
    replays,
    updates,
)
from dqn_port.verify.kinds import Kind, any_array, keys_of

GOLDEN: Final = "labml"
"""The folder of its traces."""

KINDS: Final = (
    Kind("schedule", parts.replay_schedule, lambda t: "refused" in keys_of(t)),
    Kind("process_obs", parts.replay_process_obs, lambda t: "pic0_out" in t.arrays),
    Kind("sample_action", parts.replay_sample_action, lambda t: "calls" in keys_of(t)),
    Kind("loss", parts.replay_loss, lambda t: any_array(t, r".+_double_q")),
    Kind("model", networks.replay_model, lambda t: "parameters" in keys_of(t)),
    Kind("replay", replays.replay, lambda t: "odd" in keys_of(t)),
    Kind("loop", loops.replay, lambda t: "first_obs_sha256" in keys_of(t)),
    Kind("update", updates.replay, lambda t: "rscale" in keys_of(t)),
    Kind("game", games.replay, lambda t: "info_length" in t.arrays and "hseed" in keys_of(t)),
)
"""In this order: the first kind that matches a trace replays it."""
