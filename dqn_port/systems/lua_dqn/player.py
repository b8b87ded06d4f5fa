"""Play with a network that does not learn, one agent step at a time.

Lua: test_agent.lua and the evaluation inside train_agent.lua; the draws come in their order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.games.picture_games import action_names
from dqn_port.interfaces import Convolution, Picture, Step
from dqn_port.systems.lua_dqn.networks.sequential import Sequential
from dqn_port.systems.lua_dqn.neural_q_learner import NeuralQLearner
from dqn_port.systems.lua_dqn.setup import Setup, game_record
from dqn_port.systems.lua_dqn.slots import Screen, State

EVALUATION_EPSILON: Final = 0.05
"""ε of evaluations (train_agent.lua)."""
MAX_FRAMES: Final = 18_000
"""Emulator frames of a game at most: 5 minutes, as in the paper's evaluations."""


def picture_of(screen: Screen) -> Picture:
    """Return a screen's pixels as bytes, rounded: uint8 [height, width, 3]."""
    return np.rint(screen.rgb().transpose(1, 2, 0) * 255).astype(np.uint8)


def as_image(frame: NDArray[np.uint8]) -> Picture:
    """Return a frame, uint8 [D], as a square image, padded with zeros if D is not a square."""
    side = math.isqrt(len(frame) - 1) + 1
    image = np.zeros(side * side, dtype=np.uint8)
    image[: len(frame)] = frame
    return image.reshape(side, side)


def planes_of(state: NDArray[np.uint8]) -> dict[str, Picture]:
    """Return the frames of a state, uint8 [H, D], by label: uint8 [height, width]."""
    return {f"frame {i} of {len(state)}": as_image(frame) for i, frame in enumerate(state, start=1)}


class Player:
    """Play game after game; nothing is stored or learnt.

    Lua quirk: lost lives end nothing, the agent never sees the last screen of a game, and rewards
    of null frames count nowhere (tests/systems/lua_dqn/test_player.py).
    """

    def __init__(
        self,
        ready: Setup,
        *,
        which: str = "last",
        epsilon: float = EVALUATION_EPSILON,
        max_frames: int = 0,
        random_start: bool = True,
    ) -> None:
        """``ready``: from setup_to_play; the game begins with the first step.

        ``epsilon``: probability of a random action. ``max_frames`` (emulator frames) ends a game;
        0: no limit. ``random_start``: whether the first game has one, like all others.
        """
        self.env, self.agent, opt = ready.env, ready.agent, ready.opt
        self.sticky = 0.0
        self.discount: float | None = opt.agent_params.get("discount")
        self.actions = action_names(self.env.actions)
        self.game, self.which, self.about_game = opt.env, which, game_record(opt)
        self.frames_per_step, self.random_starts = opt.actrep, opt.random_starts
        self.epsilon, self.max_frames = epsilon, max_frames
        self._most_steps = max(1, max_frames // opt.actrep) if max_frames else None
        self._begin = self.env.next_random_game if random_start else self.env.new_game
        self._at: State | None = None
        self._number = 0

    def step(self, action: int | None = None, *, show: bool = False) -> Step:
        """Play one agent step: ``action`` (an index), or the agent's choice.

        ``show``: also keep the screens.
        """
        if self._at is None:
            self._at, self._number = self._begin(), 0
            self._begin = self.env.next_random_game
        screen, reward, terminal = self._at
        # Before the step, which may overwrite the screen.
        shown = [picture_of(screen)] if show else []
        done = self.agent.perceive(reward, screen, terminal, True, self.epsilon)
        state = self.agent.transitions.get_recent()
        number, earned, lives = self._number, 0.0, getattr(self.env, "lives", None)
        ended: Literal["game", "limit"] | None = None
        if done is None:
            # The last null frame of a random start has ended the game: Lua fails here.
            self._at = None
        else:
            done = done if action is None else action
            self._at = screen, earned, terminal = self.env.step(self.env.actions[done])
            self._number += 1
            ended = "game" if terminal else "limit" if self._number == self._most_steps else None
        left = getattr(self.env, "lives", None)
        lost = lives is not None and left is not None and left < lives
        if ended:
            shown += [picture_of(screen)] if show else []
            self._at = None
        return Step(
            number=number,
            done=done,
            earned=earned,
            ended=ended,
            learnt=self._learnt(earned),
            # In training a lost life is terminal.
            terminal=ended == "game" or lost,
            lives=left,
            frames=0 if done is None else self.frames_per_step,
            shown=tuple(shown),
            look=lambda: planes_of(state),
            value=lambda: self._values(state),
            convolve=lambda: self._convolutions(state),
        )

    def _learnt(self, reward: float) -> float | None:
        """Return a reward as it is learnt, where that is told."""
        agent = self.agent
        if not isinstance(agent, NeuralQLearner):
            return None
        if agent.rescale_r and (agent.max_reward is None or agent.max_reward > 1):
            # It was divided by the largest that training met.
            return None
        return agent.clip_reward(reward)

    def _convolutions(self, state: NDArray[np.uint8]) -> Sequence[Convolution]:
        network = self.agent.network
        return (
            network.convolutions_of(self._batch(state)) if isinstance(network, Sequential) else ()
        )

    def _values(self, state: NDArray[np.uint8]) -> list[float]:
        values: list[float] = self.agent.network.forward(self._batch(state)).reshape(-1).tolist()
        return values

    def _batch(self, state: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(state.reshape(1, -1)).to(self.agent.network.w.device)
