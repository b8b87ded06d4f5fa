"""The kinds of traces from the homework, each with what replays it."""

from __future__ import annotations

from typing import Final

from dqn_port.systems.practical_rl.traces import buffers, closer_look, formulas, loops, wrappers
from dqn_port.verify.kinds import Kind, any_array, keys_of, rows_with

__all__ = ["KINDS"]

KINDS: Final = (
    Kind("loop", loops.replay, lambda t: "sample_index" in t.arrays or "fill_calls" in keys_of(t)),
    Kind("cartpole", loops.replay_cartpole, lambda t: any_array(t, r"seed\d+_state")),
    Kind("wrappers", wrappers.replay, lambda t: {"sha_skip", "raw_row"} <= set(t.arrays),
         needs_meta=False),
    Kind("wrapper facts", wrappers.replay_facts,
         lambda t: isinstance(t.meta, dict) and bool(t.meta)
         and all(isinstance(v, dict) and "rows_not_max_of_last_two" in v for v in t.meta.values())),
    Kind("lives", wrappers.replay_lives, lambda t: "start_lives" in keys_of(t)),
    Kind("frame buffer", buffers.replay_frames, lambda t: "bad_dim_order" in keys_of(t)),
    Kind("replay", buffers.replay_transitions, lambda t: any_array(t, r".+_b\d+_s2")),
    Kind("closer look", closer_look.replay, lambda t: rows_with(t, "case", "t_max")),
    Kind("pictures", closer_look.replay_pictures, lambda t: set(t.arrays) == {"out"},
         needs_meta=False),
    Kind("td loss", formulas.replay_td_loss, lambda t: any_array(t, r".+_double_loss")),
    Kind("epsilon-greedy", formulas.replay_actions,
         lambda t: rows_with(t, "case", "epsilon", "next_random_after")),
    Kind("linear decay", formulas.replay_decay, lambda t: rows_with(t, "init", "final", "total")),
    Kind("smoothing", formulas.replay_smoothing, lambda t: {"stream", "kernel"} <= set(t.arrays),
         needs_meta=False),
)  # fmt: skip
"""In this order: the first kind that matches a trace replays it."""
