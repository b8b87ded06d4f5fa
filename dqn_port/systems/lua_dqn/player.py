"""Play with a network that does not learn, one agent step at a time.

Lua: test_agent.lua and the evaluation inside train_agent.lua; the draws come in their order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.systems.lua_dqn.evaluation import Episode
from dqn_port.systems.lua_dqn.setup import Setup
from dqn_port.systems.lua_dqn.slots import Network, Screen, State

Picture = NDArray[np.uint8]
"""uint8 [height, width, 3], RGB 0..255; of gray ones uint8 [height, width]."""


def picture_of(screen: Screen) -> Picture:
    """Return a screen's pixels as bytes, rounded: uint8 [height, width, 3]."""
    return np.rint(screen.rgb().transpose(1, 2, 0) * 255).astype(np.uint8)


def as_image(frame: NDArray[np.uint8]) -> Picture:
    """Return a frame, uint8 [D], as a square image; where D is no square, zeros fill it up."""
    side = math.isqrt(len(frame) - 1) + 1
    image = np.zeros(side * side, dtype=np.uint8)
    image[: len(frame)] = frame
    return image.reshape(side, side)


Ended = Literal["game", "limit"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One agent step: what was seen, shown, done, valued and earned, and what it ended."""

    number: int
    """Agent steps of the game before it."""
    state: NDArray[np.uint8]
    """What the agent chose by: uint8 [H, D], the oldest frame first."""
    shown: tuple[Picture, ...]
    """Where asked for: the screen that was met and, if the step ends the game, the last one."""
    done: int | None
    """The action's index; None where the random start has ended the game."""
    earned: float
    """The game's own reward."""
    ended: Ended | None
    """Whether the game has ended, or the limit of its length ends it."""
    network: Network

    @property
    def seen(self) -> dict[str, Picture]:
        """The planes that the agent saw, by label: uint8 [height, width]."""
        return {
            f"frame {i} of {len(self.state)}": as_image(frame)
            for i, frame in enumerate(self.state, start=1)
        }

    @property
    def valued(self) -> list[float]:
        """The value of every action in what was seen. It is computed here, whenever asked for."""
        s = torch.from_numpy(self.state.reshape(1, -1)).to(self.network.w.device)
        values: list[float] = self.network.forward(s).reshape(-1).tolist()
        return values


class Player:
    """Play game after game; nothing is stored or learnt.

    Lua quirk: lost lives end nothing, the agent never sees the last screen of a game, and rewards
    of null frames count nowhere (tests/systems/lua_dqn/test_player.py).
    """

    def __init__(
        self, ready: Setup, *, epsilon: float, max_frames: int = 0, random_start: bool = True
    ) -> None:
        """Take what setup_to_play has set up; the game begins with the first step.

        ``epsilon``: probability of a random action. ``max_frames`` (emulator frames) ends a game;
        0: only the game does. ``random_start``: whether the first game has one, as all others do.
        """
        self.env, self.agent, self.actrep = ready.env, ready.agent, ready.opt.actrep
        self._epsilon = epsilon
        self._most_steps = max(1, max_frames // self.actrep) if max_frames else None
        self._begin = self.env.next_random_game if random_start else self.env.new_game
        self._at: State | None = None
        self._number = 0

    def step(self, action: int | None = None, *, show: bool = False) -> Step:
        """Play one agent step: ``action`` (an index), or else what the agent chooses.

        ``show``: keep the screens, too.
        """
        if self._at is None:
            self._at, self._number = self._begin(), 0
            self._begin = self.env.next_random_game
        screen, reward, terminal = self._at
        # Before the step, which may paint over the screen.
        shown = [picture_of(screen)] if show else []
        done = self.agent.perceive(reward, screen, terminal, True, self._epsilon)
        state = self.agent.transitions.get_recent()
        number, earned = self._number, 0.0
        ended: Ended | None = None
        if done is None:
            # The last null frame of a random start has ended the game: Lua fails here.
            self._at = None
        else:
            done = done if action is None else action
            self._at = screen, earned, terminal = self.env.step(self.env.actions[done])
            self._number += 1
            ended = "game" if terminal else "limit" if self._number == self._most_steps else None
        if ended:
            shown += [picture_of(screen)] if show else []
            self._at = None
        return Step(
            number=number,
            state=state,
            shown=tuple(shown),
            done=done,
            earned=earned,
            ended=ended,
            network=self.agent.network,
        )

    def episodes(
        self, *, steps: int | None = None, watch: Callable[[Step], None] | None = None
    ) -> Iterator[Episode]:
        """Yield the episodes that end within so many steps; None: one after the other, for ever.

        ``watch`` is given every step, with what it showed.
        """
        reward = 0.0
        for _ in itertools.count() if steps is None else range(steps):
            step = self.step(show=watch is not None)
            if watch is not None:
                watch(step)
            reward += step.earned
            if step.ended:
                yield Episode(reward=reward, steps=step.number + 1, cut=step.ended == "limit")
                reward = 0.0
