"""Play whole games with a network that does not learn; the original could not do that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch

from dqn_port.convolutions import convolutions_in
from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.interfaces import Picture, Step
from dqn_port.randoms.states import load_torch_state, torch_state
from dqn_port.systems.labml_dqn.alike import look
from dqn_port.systems.labml_dqn.choice import sample_action
from dqn_port.systems.labml_dqn.game import FRAMES, Game, Stack
from dqn_port.systems.labml_dqn.model import Model, obs_to_torch
from dqn_port.systems.labml_dqn.no_frameskip import Environment


class Player:
    """Play game after game, each to its own end or to a limit; a lost life ends nothing."""

    frames_per_step = FRAMES
    random_starts, sticky = 0, 0.0

    def __init__(
        self,
        env: Environment,
        model: Model,
        *,
        game: str,
        n_actions: int,
        seed: int,
        epsilon: float,
        max_frames: int,
        which: str = "last",
        about_game: dict[str, str] | None = None,
        discount: float | None = None,
        actions: Sequence[str] = (),
    ) -> None:
        """Take a game and a network; the first game begins at once."""
        self.game, self.epsilon, self.max_frames = game, epsilon, max_frames
        self.which, self.about_game = which, about_game or {}
        self.discount, self.actions = discount, actions
        self._env, self._model, self._n_actions = env, model, n_actions
        self._device = next(model.parameters()).device
        self._generator = torch.Generator().manual_seed(seed)
        self._game = Game(env, seed, whole=True)
        self._obs = self._game.reset()
        self._number = 0

    def step(self, action: int | None = None, *, show: bool = False) -> Step:
        """Play one agent step: ``action`` (an index), or else what the agent chooses.

        What is shown: the picture that was met, then every frame but the last, which the next step
        meets; where the step ends the game, that one, too.
        """
        obs, number = self._obs, self._number
        shown: list[Picture] = []
        if show:
            shown.append(self._env.rgb())
            self._game.watch = lambda: shown.append(self._env.rgb())
        done = self._choose(obs) if action is None else action
        frames, lives = self._game.frames, self._env.lives()
        self._obs, earned, over, _ = self._game.step(done)
        self._game.watch = None
        # After a game is over, the next one has already begun.
        left = None if over else self._env.lives()
        frames = self._game.frames - frames
        self._number += 1
        ended: Literal["game", "limit"] | None = "game" if over else None
        if not over and self.max_frames and self._env.frames >= self.max_frames:
            ended, self._obs = "limit", self._game.reset()
        if ended:
            self._number = 0
        elif show:
            shown.pop()
        return Step(
            number=number,
            done=done,
            earned=earned,
            ended=ended,
            learnt=earned,
            terminal=left is None or left < lives,
            lives=left,
            frames=frames,
            shown=tuple(shown),
            look=lambda: {f"frame {i} of {len(obs)}": one for i, one in enumerate(obs, start=1)},
            value=lambda: self._q(obs).reshape(-1).tolist(),
            convolve=lambda: convolutions_in(
                self._model.conv, obs_to_torch(obs[np.newaxis], self._device)
            ),
        )

    def _q(self, obs: Stack) -> torch.Tensor:
        with torch.no_grad():
            q: torch.Tensor = self._model(look(obs[np.newaxis], self._device))
        return q

    def _choose(self, obs: Stack) -> int:
        actions = sample_action(
            lambda: self._q(obs), 1, self._n_actions, self.epsilon, self._generator
        )
        return int(actions[0])

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state, but the network's."""
        return {
            "game": self._game.state_dict(),
            "generator": torch_state(self._generator),
            "number": self._number,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Raises:
            CheckpointError: it is not of such a player.
        """
        fields = Fields(state, "player")
        number = fields.integer("number", low=0)
        load_torch_state(self._generator, fields, "generator")
        self._game.load_state_dict(fields.raw("game"))
        if number and self._env.frames == 0:
            raise CheckpointError(f"player.number: expected 0 in a game just begun, got {number}")
        self._obs, self._number = self._game.obs_4.copy(), number
