"""The kinds of traces of the Lua original, each with its replay."""

from __future__ import annotations

from typing import Final

from dqn_port.systems.lua_dqn.traces import (
    ale,
    command_line,
    init,
    loops,
    preproc,
    resets,
    reward,
    rng,
    transitions,
    updates,
)
from dqn_port.systems.lua_dqn.traces.tolerances import tolerances_of
from dqn_port.verify.kinds import Kind, any_array, keys_of, rows_with

__all__ = ["KINDS", "tolerances_of"]

_DRAWS: Final = r"s\d+_(random|uniform|normal|bernoulli|interleaved|float|double).*"

KINDS: Final = (
    Kind("loop", loops.replay, lambda t: "p_ret" in t.arrays or "argv" in keys_of(t)),
    Kind("ale", ale.replay,
         lambda t: {"kind", "sha256"} <= set(t.arrays) or {"game", "actions"} <= keys_of(t)),
    Kind("resets", resets.replay, lambda t: "ram" in t.arrays or "per_game" in keys_of(t)),
    Kind("updates", updates.replay, lambda t: any_array(t, r".+_targets"), needs_meta=False),
    Kind("transitions", transitions.replay,
         lambda t: "configs" in keys_of(t) or any_array(t, r".+_at\d+_b\d+_s2?")),
    Kind("init", init.replay, lambda t: "nets" in keys_of(t) or any_array(t, r".+_forward2")),
    Kind("reward", reward.replay,
         lambda t: "combos" in keys_of(t) or any_array(t, r"c\d+_rmax")),
    Kind("preproc", preproc.replay,
         lambda t: any_array(t, r".+_rgb|scale_\d+x\d+x\d+_to_.*"), needs_meta=False),
    Kind("rng", rng.replay, lambda t: any_array(t, _DRAWS), needs_meta=False),
    Kind("words", command_line.replay_words, lambda t: rows_with(t, "argv", "exit")),
    Kind("tables", command_line.replay_tables, lambda t: rows_with(t, "input", "ok")),
)  # fmt: skip
"""In this order: the first kind that matches a trace replays it."""
