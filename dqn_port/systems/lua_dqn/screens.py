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
"""What keeps the parts that screens do not need small."""

_Colour = tuple[int, int, int]
_BACKGROUND: Final = (22, 24, 29)
_TITLE: Final = (235, 235, 235)
_TEXT: Final = (160, 165, 175)
_GAIN: Final = (120, 205, 120)
_LOSS: Final = (235, 150, 90)
_END: Final = (240, 100, 100)

# In pixels.
_MARGIN: Final = 16
_BETWEEN_CELLS: Final = 18
_BETWEEN_PICTURES: Final = 4
_LINE: Final = 24
_LEAST_HEIGHT: Final = 150

_TITLE_SIZE: Final = 0.6
_TEXT_SIZE: Final = 0.42
_SHAPE: Final = 1.6
"""Width of a sheet by its height, about."""


class _SeeingAgent(Protocol):
    """An agent that tells what it sees."""

    def preprocess(self, rawstate: Screen | NDArray[Any]) -> NDArray[np.uint8]:
        """Return the state that is stored: uint8 [D]."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A screen and how it came about."""

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

    @property
    def colour(self) -> _Colour:
        """Return the caption's colour."""
        if self.terminal:
            return _END
        if self.reward:
            return _GAIN if self.reward > 0 else _LOSS
        return _TEXT


def options_to_watch(
    *,
    args_file: Path | None = None,
    lua_words: Sequence[str] = (),
    assignments: Sequence[str] = (),
    draft: Draft | None = None,
) -> Options:
    """Read the options of a game to look at; what only learning needs is made small.

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
        # With ε = 1 the network is not asked; while testing nothing is stored.
        chosen = agent.perceive(reward, screen, terminal, True, 1.0)
        if chosen is not None:
            action = env.actions[chosen]
            at = env.step(action, training=True)
        else:
            action = None
            at = env.next_random_game() if ready.opt.random_starts > 0 else env.new_game()


def title(opt: Options, args_file: Path | None = None) -> str:
    """Return the sheet's first line: the game and what shapes its screens."""
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
    """Return the contact sheet: rows of cells under a heading.

    Raises:
        MissingLibraryError: see pictures.opencv.
    """
    height, width = _pair(cells[0]).shape[:2]
    row, column = height + _LINE + _BETWEEN_CELLS, width + _BETWEEN_CELLS
    n_columns = min(len(cells), max(1, round(math.sqrt(_SHAPE * len(cells) * row / column))))
    n_rows = -(-len(cells) // n_columns)
    state = cells[0].state.shape
    legend = (
        f"Left: the pooled screen. Right: what the agent sees of it, {state[1]} x {state[0]} bytes."
    )
    top = _MARGIN + 2 * _LINE + _BETWEEN_CELLS
    inner = max(
        n_columns * column - _BETWEEN_CELLS,
        _text_width(heading, _TITLE_SIZE),
        _text_width(legend, _TEXT_SIZE),
    )
    picture = np.empty(
        (top + n_rows * row - _BETWEEN_CELLS + _MARGIN, inner + 2 * _MARGIN, 3), dtype=np.uint8
    )
    picture[:] = _BACKGROUND
    _write(picture, heading, x=_MARGIN, y=_MARGIN, size=_TITLE_SIZE, colour=_TITLE)
    _write(picture, legend, x=_MARGIN, y=_MARGIN + _LINE, size=_TEXT_SIZE, colour=_TEXT)
    for i, cell in enumerate(cells):
        y, x = top + i // n_columns * row, _MARGIN + i % n_columns * column
        picture[y : y + height, x : x + width] = _pair(cell)
        _write(picture, cell.caption, x=x, y=y + height, size=_TEXT_SIZE, colour=cell.colour)
    return picture


def _pair(cell: Cell) -> Picture:
    """Return the screen and the state side by side, equally high."""
    rgb = enlarge(cell.rgb, _LEAST_HEIGHT)
    height = len(rgb)
    gray = resize(cell.state, height, height * cell.state.shape[1] // cell.state.shape[0])
    between = np.empty((height, _BETWEEN_PICTURES, 3), dtype=np.uint8)
    between[:] = _BACKGROUND
    return np.concatenate((rgb, between, np.repeat(gray[..., None], 3, axis=-1)), axis=1)


def _text_width(text: str, size: float) -> int:
    cv2 = opencv()
    width: int = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0]
    return width


def _write(picture: Picture, text: str, *, x: int, y: int, size: float, colour: _Colour) -> None:
    """Write a line of text into the _LINE rows from ``y`` on."""
    cv2 = opencv()
    foot = y + _LINE - 7
    cv2.putText(picture, text, (x, foot), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def write_sheet(opt: Options, path: Path, n: int, args_file: Path | None = None) -> None:
    """Play ``n`` screens and write their sheet; ``opt``: see options_to_watch.

    Raises:
        DqnPortError: see assemble.setup, pictures.write_png.
    """
    ready = setup(opt, device=torch.device("cpu"))
    write_png(path, sheet(list(watch(ready, n)), title(opt, args_file)))
