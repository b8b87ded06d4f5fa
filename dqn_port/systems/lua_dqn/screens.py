"""A contact sheet of a game's first screens, each beside what the agent sees of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.interfaces import Picture
from dqn_port.systems.lua_dqn.drafts import Draft
from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.player import as_image, picture_of
from dqn_port.systems.lua_dqn.setup import Setup, load_options, setup
from dqn_port.systems.lua_dqn.slots import Screen
from dqn_port.tools.pictures import enlarge, opencv, resize, write_png

_NO_LEARNING: Final = ("steps=1", "agent_params.learn_start=1", "agent_params.replay_memory=1")
"""Keeps the parts that screens do not need small."""

_BACKGROUND: Final = 24
_TEXT: Final = 200
"""Gray levels."""
_BETWEEN: Final = 4
_MARGIN: Final = 16
_LINE: Final = 24
_LEAST_HEIGHT: Final = 150
"""In pixels; of a screen."""
_LETTER: Final = 9
"""Pixels that a letter takes at most."""
_SHAPE: Final = 1.6
"""Width of a sheet by its height, about."""


class _SeeingAgent(Protocol):
    """An agent that shows what it sees."""

    def preprocess(self, rawstate: Screen | NDArray[Any]) -> NDArray[np.uint8]:
        """Return the state that is stored: uint8 [D]."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A screen and what led to it."""

    step: int
    """Agent steps played before it."""
    action: int | None
    """The emulator's number of the action that led here; None: a game began."""
    reward: float
    terminal: bool
    rgb: Picture
    """The pooled screen: uint8 [height, width, 3]."""
    state: NDArray[np.uint8]
    """What the agent stores of it: uint8 [height, width], gray."""

    @property
    def caption(self) -> str:
        """Return one line about the cell."""
        how = "start" if self.action is None else f"action {self.action}"
        reward = f"  reward {self.reward:+g}" if self.reward else ""
        return f"{self.step}  {how}{reward}{'  terminal' if self.terminal else ''}"


def options_to_watch(
    *,
    args_file: Path | None = None,
    lua_words: Sequence[str] = (),
    assignments: Sequence[str] = (),
    draft: Draft | None = None,
) -> Options:
    """Read the options of a game to look at; parts that only learning needs are made small.

    Raises:
        DqnPortError: see assemble.load_options.
    """
    return load_options(
        args_file=args_file,
        lua_words=lua_words,
        assignments=[*assignments, *_NO_LEARNING],
        draft=draft,
    )


def watch(ready: Setup, n: int) -> Iterator[Cell]:
    """Yield the first ``n`` screens of a training in which every action is random."""
    env, agent = ready.env, ready.agent
    seeing = cast(_SeeingAgent, agent)
    at, action = env.get_state(), None
    for step in range(n):
        screen, reward, terminal = at
        yield Cell(
            step=step,
            action=action,
            reward=reward,
            terminal=terminal,
            rgb=picture_of(screen),
            state=as_image(seeing.preprocess(screen)),
        )
        # With ε = 1 the network is not used; while testing nothing is stored.
        chosen = agent.perceive(reward, screen, terminal, True, 1.0)
        if chosen is not None:
            action = env.actions[chosen]
            at = env.step(action, training=True)
        else:
            action = None
            at = env.next_random_game() if ready.opt.random_starts > 0 else env.new_game()


def title(opt: Options, args_file: Path | None = None) -> str:
    """Return the sheet's first line: the game and the options that shape its screens."""
    parts = [
        opt.env,
        *([] if args_file is None else [args_file.name]),
        f"actrep {opt.actrep}",
        f"pool_frms {opt.pool_frms['type']} of {opt.pool_frms['size']}",
        f"random_starts {opt.random_starts}",
        f"seed {opt.seed}",
    ]
    return "   ".join(parts)


def sheet(cells: Sequence[Cell], heading: str) -> Picture:
    """Return the contact sheet: rows of cells under a heading, uint8 [height, width, 3].

    Raises:
        MissingLibraryError: see pictures.opencv.
    """
    tiles = [_tile(cell) for cell in cells]
    height, width = tiles[0].shape[:2]
    n_columns = min(len(tiles), max(1, round(math.sqrt(_SHAPE * len(tiles) * height / width))))
    tiles += [_blank(height, width)] * (-len(tiles) % n_columns)
    rows = [
        np.concatenate(tiles[i : i + n_columns], axis=1) for i in range(0, len(tiles), n_columns)
    ]
    top = _blank(2 * _LINE, max(rows[0].shape[1], _LETTER * len(heading)))
    _write(top, heading, y=0)
    h, w = cells[0].state.shape
    _write(
        top, f"Left: the pooled screen. Right: what the agent sees of it, {w} x {h} bytes.", _LINE
    )
    picture = _blank(len(top) + len(rows) * height + 2 * _MARGIN, top.shape[1] + 2 * _MARGIN)
    inner = picture[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    inner[: len(top)] = top
    inner[len(top) :, : rows[0].shape[1]] = np.concatenate(rows)
    return picture


def _tile(cell: Cell) -> Picture:
    """Return the screen and the state side by side, equally high, and the caption below."""
    rgb = enlarge(cell.rgb, _LEAST_HEIGHT)
    height, width = rgb.shape[:2]
    gray = resize(cell.state, height, height * cell.state.shape[1] // cell.state.shape[0])
    tile = _blank(height + 2 * _LINE, width + _BETWEEN + gray.shape[1] + _LINE)
    tile[:height, :width] = rgb
    tile[:height, width + _BETWEEN : -_LINE] = gray[..., None]
    _write(tile, cell.caption, y=height)
    return tile


def _blank(height: int, width: int) -> Picture:
    return np.full((height, width, 3), _BACKGROUND, dtype=np.uint8)


def _write(picture: Picture, text: str, y: int) -> None:
    """Write a line of text into the _LINE rows from ``y`` on."""
    cv2, colour = opencv(), (_TEXT,) * 3
    foot = (0, y + _LINE - 7)
    cv2.putText(picture, text, foot, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)


def write_sheet(opt: Options, path: Path, n: int, args_file: Path | None = None) -> None:
    """Play ``n`` screens and write their sheet; ``opt``: see options_to_watch.

    Raises:
        DqnPortError: see assemble.setup, pictures.write_png.
    """
    ready = setup(opt, device=torch.device("cpu"))
    write_png(path, sheet(list(watch(ready, n)), title(opt, args_file)))
