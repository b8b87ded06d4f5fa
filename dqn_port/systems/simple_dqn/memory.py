"""How much memory a run will need, and whether the machine has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dqn_port.memory import check_memory
from dqn_port.systems.simple_dqn.replay_memory import BYTES_BESIDE_SCREEN


def bytes_per_entry(options: Mapping[str, Any]) -> int:
    """Return what an entry of the replay memory takes."""
    pixels: int = options["screen_width"] * options["screen_height"]
    return pixels + BYTES_BESIDE_SCREEN


def memory_needed(options: Mapping[str, Any]) -> int:
    """Return the bytes of the replay memory, as far as the run fills it, and of its minibatch."""
    return (_entries(options) + _states(options)) * bytes_per_entry(options)


def check_size(options: Mapping[str, Any]) -> None:
    """Refuse a replay memory that the machine cannot hold.

    Raises:
        MemoryNeedError: it cannot, with the size that would fit.
    """
    each = bytes_per_entry(options)
    beside = _states(options) * each
    check_memory("replay_size", _entries(options), "screens", each=each, beside=beside)


def _entries(options: Mapping[str, Any]) -> int:
    """Return how many entries the run fills."""
    epochs = max(options["epochs"] - options["start_epoch"], 0)
    stored: int = options["random_steps"] + epochs * options["train_steps"]
    size: int = options["replay_size"]
    return size if options["play_games"] else min(size, stored)


def _states(options: Mapping[str, Any]) -> int:
    """Return the screens of a minibatch and its buffers."""
    return 3 * int(options["batch_size"]) * int(options["history_length"]) + 1
