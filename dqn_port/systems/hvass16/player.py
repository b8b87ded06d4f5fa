"""Play games with a trained network; nothing is learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from dqn_port.errors import SnapshotError
from dqn_port.events import Event, Ticked
from dqn_port.fields import Fields
from dqn_port.interfaces import Array, Convolution, Step
from dqn_port.saved_networks import SavedNetwork
from dqn_port.systems.hvass16.agent import Agent, Network
from dqn_port.systems.hvass16.environment import AtariEnvironment, Frame, game_of
from dqn_port.systems.hvass16.generators import load_random_state, random_state_dict
from dqn_port.systems.hvass16.neural_network import NeuralNetwork
from dqn_port.systems.hvass16.replay_memory import clipped
from dqn_port.systems.hvass16.setup import (
    GAME,
    TEST,
    Options,
    make_agent,
    make_environment,
    make_network,
)

EVALUATING: Final = "evaluating"


class Player:
    """Play game after game, as the original's agent without training; see interfaces.Player."""

    random_starts = 0

    def __init__(
        self,
        options: Options,
        network: Network | SavedNetwork,
        *,
        seed: list[int],
        epsilon: float | None = None,
        max_frames: int | None = None,
    ) -> None:
        """``seed``: of the player's own numbers and of its game.

        Raises:
            SnapshotError: the network is of another game.
        """
        game = game_of(options["env"])
        self.game = game.name
        skips: list[int] = options["frame_skip"]
        self.frames_per_step = round(sum(skips) / len(skips))
        self.which = network.which if isinstance(network, SavedNetwork) else "last"
        self.about_game: dict[str, str] = {}
        self.discount: float = options["discount_factor"]
        self.env = make_environment(options, [*seed, GAME])
        if isinstance(network, SavedNetwork):
            made = make_network(options, len(self.env.action_names))
            made.load_arrays(network.weights, f"{network.path}", SnapshotError)
            network = made
        self.actions = self.env.action_names
        self.agent: Agent = make_agent(
            options,
            self.env,
            network,
            np.random.RandomState([*seed, TEST]),
            append=None,
            epsilon_testing=epsilon,
        )
        self.epsilon = self.agent.epsilon_greedy.epsilon_testing
        limit = options["max_steps"] or game.max_steps or 0
        self.max_frames = limit * max(skips) if max_frames is None else max_frames
        self._cap = max_frames or 0
        self._number = self._frames = 0
        self.told: list[Event] = []
        """The original's line of a test for the last step, if it printed one."""

    def step(self, action: int | None = None, *, show: bool = False) -> Step:
        """Play one step: ``action`` (an index), or else what the agent chooses."""
        agent = self.agent
        if agent.end_episode:
            self._number = self._frames = 0
        before = getattr(self.env, "frames", 0)
        shown: list[Frame] | None = None
        if show and isinstance(self.env, AtariEnvironment):
            shown = [] if agent.end_episode else [self.env.picture()]
        agent.play_state(action, shown)
        frames = getattr(self.env, "frames", before + 1) - before
        self._frames += frames
        ended = "game" if agent.end_episode else None
        lives_left = agent.end_episode and self._by_limit()
        if lives_left or (self._cap and self._frames >= self._cap and ended is None):
            ended, agent.end_episode = "limit", True
        self.told = [event for event in agent._end_state() if not isinstance(event, Ticked)]
        if shown and ended is None:
            # The next step shows it as what it met.
            shown.pop()
        state, q_values, network = agent.state, agent.q_values, agent.model
        step = Step(
            number=self._number,
            done=agent.action,
            earned=agent.reward,
            ended=ended,  # type: ignore[arg-type]
            learnt=clipped(agent.reward),
            terminal=agent.end_life or ended == "game",
            lives=agent.num_lives,
            frames=frames,
            shown=tuple(shown or ()),
            look=lambda: _planes(state),
            value=q_values.tolist,
            convolve=lambda: _convolutions(network, state),
        )
        self._number += 1
        return step

    def _by_limit(self) -> bool:
        """Return whether the step limit, and not the game, ended it."""
        emulator = getattr(self.env, "emulator", None)
        return emulator is not None and not emulator.game_over()

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state, without the network."""
        return {
            "agent": self.agent.state_dict(),
            "environment": self.env.state_dict(),
            "generator": random_state_dict(self.agent.epsilon_greedy.generator),
            "number": self._number,
            "frames": self._frames,
        }

    def load_state_dict(self, state: Mapping[str, Any], image: Array) -> None:
        """Take over a state; ``image``: like a small one.

        Raises:
            CheckpointError: a field is missing or damaged.
        """
        fields = Fields(state, "evaluation.player")
        number, frames = (fields.integer(name, low=0) for name in ("number", "frames"))
        generator = load_random_state(fields.inner("generator"))
        self.env.load_state_dict(fields.raw("environment"))
        self.agent.load_state_dict(fields.raw("agent"), image)
        self.agent.epsilon_greedy.generator = generator
        self._number, self._frames = number, frames


def _planes(state: Array) -> dict[str, Array]:
    """Return a state's channels by name: uint8 [height, width]."""
    return {"image": state[:, :, 0], "motion trace": state[:, :, 1]}


def _convolutions(network: Network, state: Array) -> list[Convolution]:
    return network.convolutions_of(state) if isinstance(network, NeuralNetwork) else []


class Evaluation:
    """Play some whole games between two states of a training, in a separate game."""

    def __init__(self, options: Options, network: Network, *, states: int, episodes: int) -> None:
        """``states``, ``episodes``: of the training so far."""
        self.player = Player(options, network, seed=[options["seed"], states])
        self._games: int = options["eval_episodes"]
        self.states, self.episodes = states, episodes
        self._steps = 0

    @property
    def done(self) -> bool:
        """Whether all games are played."""
        return len(self.player.agent.episode_rewards) >= self._games

    def tick(self, all_frames: int) -> Ticked:
        """Play a step; ``all_frames``: of the training so far."""
        step = self.player.step()
        self._steps += 1
        played = len(self.player.agent.episode_rewards)
        return Ticked(
            self.states,
            phase=EVALUATING,
            text=f"evaluation {min(played + 1, self._games)}/{self._games}",
            frames=step.frames,
            all_frames=all_frames,
        )

    def row(self) -> dict[str, Any]:
        """Return the row of the table of evaluations."""
        rewards = self.player.agent.episode_rewards
        return {
            "states": self.states,
            "episodes": self.episodes,
            "games": len(rewards),
            "reward_mean": float(np.mean(rewards)),
            "reward_min": float(np.min(rewards)),
            "reward_max": float(np.max(rewards)),
            "reward_std": float(np.std(rewards)),
            "steps_mean": self._steps / len(rewards),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state, without the network."""
        return {
            "player": self.player.state_dict(),
            "states": self.states,
            "episodes": self.episodes,
            "steps": self._steps,
        }

    @classmethod
    def from_state_dict(
        cls, options: Options, network: Network, state: Mapping[str, Any], image: Array
    ) -> Evaluation:
        """Return an evaluation as it was saved.

        Raises:
            CheckpointError: a field is missing or damaged.
        """
        fields = Fields(state, "evaluation")
        states, episodes = (fields.integer(name, low=0) for name in ("states", "episodes"))
        steps = fields.integer("steps", low=0)
        evaluation = cls(options, network, states=states, episodes=episodes)
        evaluation.player.load_state_dict(fields.raw("player"), image)
        evaluation._steps = steps
        return evaluation
