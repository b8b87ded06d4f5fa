"""Play with a network that does not learn.

simple_dqn: agent.py, test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dqn_port.interfaces import Picture, Step
from dqn_port.randoms.python2 import Python2Random
from dqn_port.systems.simple_dqn.agent import Agent
from dqn_port.systems.simple_dqn.deepqnetwork import DeepQNetwork
from dqn_port.systems.simple_dqn.environment import ALEEnvironment, Environment
from dqn_port.systems.simple_dqn.replay_memory import ReplayMemory
from dqn_port.systems.simple_dqn.statistics import Statistics


class Player:
    """Plays as the original's test phases do: a real reset, dummy actions, games to their end."""

    def __init__(
        self,
        options: Mapping[str, Any],
        environment: Environment,
        network: DeepQNetwork,
        *,
        epsilon: float,
        max_frames: int,
        seed: int,
        which: str,
        about_game: dict[str, str],
    ) -> None:
        self.options, self.game = options, str(options["game"])
        self.which, self.about_game = which, about_game
        self.random_starts: int = options["random_starts"] + 1
        self.sticky: float = options["repeat_action_probability"]
        self.epsilon, self.max_frames = epsilon, max_frames
        self.frames_per_step = 1 if options["environment"] == "gym" else options["frame_skip"]
        self.discount: float = options["discount_rate"]
        self.actions = environment.action_names
        self.network = network.model
        """For filters."""
        self._env, self._net = environment, network
        random = Python2Random(seed)
        memory = ReplayMemory(
            1, screen_height=1, screen_width=1, history_length=1, batch_size=1, random=random
        )
        self._agent = Agent(
            environment, memory, network, Statistics(network, memory), options, random
        )
        environment.set_mode("test")
        self._number = self._frames = 0
        self._begins = True

    def step(self, action: int | None = None, *, show: bool = False) -> Step:
        """Play one agent step: ``action`` (an index), or else what the agent chooses.

        ``show``: keep every frame's picture. After a game's end the next step begins another.
        """
        if self._begins:
            self._agent.restart_random()
            self._number = self._frames = 0
            self._begins = False
        state = self._agent.buf.get_state().copy()
        chosen = self._agent.choose(self.epsilon)
        chosen = chosen if action is None else action
        shown: list[Picture] = []
        if show and isinstance(self._env, ALEEnvironment):
            self._env.on_frame = lambda: shown.append(self._env.picture())
        elif show:
            shown.append(self._env.picture())
        before = self._env.frames
        stepped = self._agent.act(chosen)
        life_lost, lives = False, None
        if isinstance(self._env, ALEEnvironment):
            self._env.on_frame = lambda: None
            life_lost, lives = self._env.life_lost, self._env.ale.lives()
        number, frames = self._number, self._env.frames - before
        self._number += 1
        self._frames += frames
        cut = self.max_frames and self._frames >= self.max_frames
        ended = self._env.ended() or ("limit" if cut else None)
        if ended:
            self._begins = True
            shown += [self._env.picture()] if show else []
        return Step(
            number=number,
            done=chosen,
            earned=float(stepped.reward),
            ended=ended,
            learnt=float(self._net.clipped(stepped.reward)),
            terminal=ended in ("life", "game") or life_lost,
            lives=lives,
            frames=frames,
            shown=shown,
            look=lambda: {f"screen {i} of {len(state)}": s for i, s in enumerate(state, start=1)},
            value=lambda: self._net.predict(state[None])[0].tolist(),
            convolve=lambda: self._net.convolutions_of(state),
        )
