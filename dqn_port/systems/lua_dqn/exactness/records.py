"""What golden xitari_reset.json says of each game: a comparison of xitari with ale-py."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import TraceError
from dqn_port.exports.nature_scores import nature_scores

GROUP: Final = "xitari_reset"

SEEN: Final = {
    "screen": "screen",
    "rgb": "colours",
    "reward": "reward",
    "lives": "lives",
    "over": "game over",
    "ram": "RAM",
}
"""Every column that was compared, and what a reader calls it."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The same random actions in both emulators, frame by frame."""

    frames: int
    resets: int
    mismatches: Mapping[str, int]
    """Column of SEEN → in how many frames it differed."""
    first: Mapping[str, int]
    """Column → the first frame, from 0, in which it differed."""
    reset_ram_varied: bool
    """Whether xitari's RAM was not the same after every reset."""

    def differing(self) -> list[str]:
        """Return the columns that differed, in the order of SEEN."""
        return [column for column in SEEN if self.mismatches[column]]

    def first_difference(self) -> int | None:
        """Return the first frame in which anything but the RAM differed."""
        return min(
            (self.first[column] for column in self.differing() if column != "ram"), default=None
        )


@dataclass(frozen=True, kw_only=True)
class Record:
    """One game as xitari had it."""

    game: str
    in_paper: bool
    """Whether it is one of the 49 of Mnih et al. 2015."""
    actions: tuple[int, ...]
    ale_actions: tuple[int, ...]
    lives: int
    """Right after a reset."""
    ale_lives: int
    ram_differs_at: tuple[int, ...]
    """Addresses at which ale-py's own reset leaves another byte."""
    screen_differs_in: int
    """Pixels of the reset screen."""
    restored: Compared
    """With xitari's RAM written into ale-py after every reset."""
    plain: Compared
    """With ale-py left as it is."""

    @property
    def exact(self) -> bool:
        """Tell whether no column differed in any frame once the reset was restored."""
        return not self.restored.differing()


@dataclass(frozen=True)
class Reset:
    """What xitari showed right after a reset."""

    ram: NDArray[np.uint8]
    """uint8 [128]."""
    screen: NDArray[np.uint8]
    """uint8 [210, 160], palette indices."""
    lives: int


@functools.cache
def read_records(golden: Path) -> dict[str, Record]:
    """Return game → its record, in order of name.

    Raises:
        TraceError: ``golden`` has no xitari_reset.json, or something else under that name.
    """
    path = golden / f"{GROUP}.json"
    papers = nature_scores()
    try:
        table = json.loads(path.read_text("utf-8"))
        return {
            game: _record(game, table["per_game"][game], in_paper=game in papers)
            for game in table["games"]
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(path, error) from error


def _record(game: str, entry: Mapping[str, Any], *, in_paper: bool) -> Record:
    return Record(
        game=game,
        in_paper=in_paper,
        actions=tuple(entry["xitari_actions"]),
        ale_actions=tuple(entry["ale_actions"]),
        lives=entry["lives0"][0],
        ale_lives=entry["lives0"][1],
        ram_differs_at=tuple(entry["ram_diff_bytes"]),
        screen_differs_in=entry["reset_screen_diff_px"],
        restored=_compared(entry["inject"]),
        plain=_compared(entry["plain"]),
    )


def _compared(entry: Mapping[str, Any]) -> Compared:
    return Compared(
        frames=entry["frames"],
        resets=entry["resets"],
        mismatches={column: entry["mismatches"][column] for column in SEEN},
        first=entry["first"],
        reset_ram_varied=bool(entry["reset_ram_varied"]),
    )


@functools.cache
def read_resets(golden: Path) -> dict[str, Reset]:
    """Return game → the state that xitari's reset left.

    Raises:
        TraceError: ``golden`` has no xitari_reset.npz, or something else under that name.
    """
    path, records = golden / f"{GROUP}.npz", read_records(golden)
    try:
        with np.load(path) as arrays:
            rows = zip(records.values(), arrays["ram"], arrays["screen"], strict=True)
            return {record.game: Reset(ram, screen, record.lives) for record, ram, screen in rows}
    except (OSError, ValueError, KeyError) as error:
        raise _unusable(path, error) from error


def read_trace(game: str, golden: Path) -> tuple[dict[str, NDArray[Any]], list[int] | None] | None:
    """Return the columns and, if it is told, the action set of what the original played.

    None: there is no such trace.

    Raises:
        TraceError: the trace cannot be read.
    """
    path = golden / f"ale_{game}.npz"
    if not path.exists():
        return None
    try:
        with np.load(path) as file:
            columns = {name: file[name] for name in file.files if not name.startswith("screen_")}
        meta = json.loads(path.with_suffix(".json").read_text("utf-8"))
        actions: list[int] | None = meta.get("actions")
    except (OSError, ValueError, AttributeError) as error:
        raise _unusable(path, error) from error
    return columns, actions


def _unusable(path: Path, error: Exception) -> TraceError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return TraceError(
        f"{path}: expected a record of the original's games, got {reason}; "
        "name its folder with --golden"
    )
