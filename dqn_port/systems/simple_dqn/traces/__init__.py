"""The kinds of traces from simple_dqn, each with what replays it."""

from __future__ import annotations

from typing import Final

from dqn_port.systems.simple_dqn.traces import filters, loops, memories, screens, tables, updates
from dqn_port.verify.kinds import Kind, any_array, keys_of


def _entries_have(meta: object, *keys: str) -> bool:
    """Return whether the .json is an object of objects that have these keys."""
    entries = list(meta.values()) if isinstance(meta, dict) else []
    return bool(entries) and all(isinstance(e, dict) and set(keys) <= set(e) for e in entries)


KINDS: Final = (
    Kind("loop", loops.replay, lambda t: {"args", "csv"} <= keys_of(t) or "s_phase" in t.arrays),
    Kind("updates", updates.replay,
         lambda t: _entries_have(t.meta, "settings", "n_updates") or any_array(t, r".+_deltas")),
    Kind("replay", memories.replay_memory,
         lambda t: _entries_have(t.meta, "size", "checks") or any_array(t, r".+_candidates")),
    Kind("state_buffer", memories.state_buffer, lambda t: any_array(t, r"h\d+_reset"),
         needs_meta=False),
    Kind("screens", screens.replay, lambda t: any_array(t, r".+_gray_sha256")),
    Kind("filters", filters.replay, lambda t: any_array(t, r"l\d{4}_batch_img")),
    Kind("exploration", tables.exploration,
         lambda t: _entries_have(t.meta, "decay_steps", "rows")),
    Kind("curves", tables.curves, lambda t: _entries_have(t.meta, "best_test")),
)  # fmt: skip
"""In this order: the first kind that matches a trace replays it."""
