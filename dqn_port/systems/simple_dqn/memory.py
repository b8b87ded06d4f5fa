"""How much memory a run comes to need, and whether the machine has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dqn_port.errors import MemoryNeedError
from dqn_port.memory import machine_memory
from dqn_port.systems.simple_dqn.replay_memory import BYTES_BESIDE_SCREEN

_SPARED: Final = 0.7
"""Of the memory, what a replay memory that is proposed may take."""


def bytes_per_entry(options: Mapping[str, Any]) -> int:
    """Return what an entry of the replay memory takes."""
    pixels: int = options["screen_width"] * options["screen_height"]
    return pixels + BYTES_BESIDE_SCREEN


def memory_needed(options: Mapping[str, Any]) -> int:
    """Return the bytes of the replay memory, as far as the run fills it, and of its minibatch."""
    phases = options["epochs"] - options["start_epoch"]
    stored = options["random_steps"] + max(phases, 0) * options["train_steps"]
    entries = options["replay_size"]
    if not options["play_games"]:
        entries = min(entries, stored)
    states = 3 * options["batch_size"] * options["history_length"] + 1
    return (entries + states) * bytes_per_entry(options)


def check_memory(options: Mapping[str, Any]) -> None:
    """Refuse a replay memory that the machine cannot hold.

    Raises:
        MemoryNeedError: it cannot, with the size that would fit.
    """
    need, have = memory_needed(options), machine_memory()
    if need > have:
        fits = int(have * _SPARED / bytes_per_entry(options))
        raise MemoryNeedError(
            f"replay_size: {options['replay_size']} screens take {need / 1e9:.2f} GB, this machine "
            f"has {have / 1e9:.2f} GB; set a smaller one, --set replay_size={fits}"
        )
