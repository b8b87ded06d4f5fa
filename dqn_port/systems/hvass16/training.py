"""A training, tick by tick: the agent's loop, and evaluations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from dqn_port.devices import use_threads
from dqn_port.errors import ArgsError, CheckpointError, SnapshotError
from dqn_port.events import Event, Row
from dqn_port.fields import Fields
from dqn_port.interfaces import Array, Files, Ring
from dqn_port.saved_networks import SavedNetwork
from dqn_port.systems.hvass16.agent import Agent
from dqn_port.systems.hvass16.generators import load_random_state, random_state_dict
from dqn_port.systems.hvass16.logs import LogQValues, LogReward, log_beside
from dqn_port.systems.hvass16.neural_network import NeuralNetwork
from dqn_port.systems.hvass16.player import Evaluation
from dqn_port.systems.hvass16.replay_memory import ReplayMemory
from dqn_port.systems.hvass16.setup import (
    GAME,
    WEIGHTS,
    Options,
    count_in,
    make_agent,
    make_environment,
    make_network,
)

_MEMORY: Final = (
    "q_values", "q_values_old", "actions", "rewards", "end_life", "end_episode",
    "estimation_errors",
)  # fmt: skip
"""Arrays of the memory that are saved in full, because rows left from earlier fillings are read,
too."""
COUNTERS: Final = ("count_states", "count_episodes")


class Training:
    """See interfaces.Training; ``step`` counts states."""

    def __init__(
        self,
        options: Options,
        files: Files,
        *,
        device: str = "cpu",
        start: SavedNetwork | None = None,
        parts: Mapping[str, Any] | None = None,
    ) -> None:
        """``parts``: environment, network.

        Raises:
            SnapshotError: the network to start from is of another game.
            ArgsError: it has had more episodes than the run is to have.
        """
        parts, seed = parts or {}, options["seed"]
        self._options = options
        env = parts.get("environment") or make_environment(options, [seed, GAME])
        self.network: NeuralNetwork = parts.get("network") or make_network(
            options, len(env.action_names), device
        )
        if start is not None:
            self.network.load_arrays(start.weights, f"{start.path}", SnapshotError)
        elif "network" not in parts:
            self.network.initialise(np.random.RandomState([seed, WEIGHTS]))
        use_threads(options["threads"])
        for log in (LogReward, LogQValues):
            files.append(log.NAME, "" if start is None else log_beside(start.path, log.NAME))
        self._has_ring = device == "cpu" and "network" not in parts
        self._network_added = int(self._has_ring)
        """How often its values, as they then were, became a row of their ring; 0: they are part of
        the state."""
        self._updates = 0
        """Of the network, when that was noted."""
        generator = np.random.RandomState(seed)
        self.agent: Agent = make_agent(options, env, self.network, generator, append=files.append)
        if start is not None:
            # The original's restore: its counters continue, its memory is empty.
            for name in COUNTERS:
                setattr(self.agent, name, count_in(start, name))
        self._take_limit()
        if start is not None and self.agent.done:
            raise ArgsError(
                f"episodes: expected a total of at least {self.agent.count_episodes}, which "
                f"{start.path} has had, got {options['episodes']}"
            )
        self._evaluated_at = self.agent.count_states
        self.evaluation: Evaluation | None = None

    def _take_limit(self) -> None:
        episodes = self._options["episodes"]
        self.agent.limit = math.inf if episodes is None else episodes

    @property
    def memory(self) -> ReplayMemory:
        """The replay memory."""
        assert self.agent.learning is not None
        return self.agent.learning.replay_memory

    @property
    def step(self) -> int:
        """States processed."""
        return self.agent.count_states

    @property
    def done(self) -> bool:
        """Whether the last episode, its extra state and an evaluation due there are played."""
        return self.agent.done and self.evaluation is None and not self._evaluation_due()

    def tick(self) -> list[Event]:
        """Play a state, make an update of a burst, or play a step of an evaluation.

        Raises:
            DivergedError, ReplayError: see Agent.tick.
        """
        if self.evaluation is None and self._evaluation_due():
            self._evaluated_at = self.step
            self.evaluation = Evaluation(
                self._options, self.network, states=self.step, episodes=self.agent.count_episodes
            )
        if self.evaluation is not None:
            return self._evaluate(self.evaluation)
        return self.agent.tick()

    def _evaluation_due(self) -> bool:
        freq = self._options["eval_freq"]
        if not freq or self.agent.optimization is not None or self._evaluated_at == self.step:
            return False
        return self.step % freq == 0

    def _evaluate(self, evaluation: Evaluation) -> list[Event]:
        events: list[Event] = [evaluation.tick(getattr(self.agent.env, "frames", self.step))]
        if evaluation.done:
            events.append(Row(self.step, cells=evaluation.row()))
            self.evaluation = None
        return events

    def left(self) -> dict[str, int] | None:
        """Return None: the length of an episode is not known."""
        return None

    def networks(self) -> dict[str, dict[str, Array]]:
        """Return what the original's checkpoints held: weights, mean squares, counters."""
        counters = {name: np.array(getattr(self.agent, name)) for name in COUNTERS}
        return {"last": {**self.network.arrays(), **counters}}

    def about(self) -> dict[str, Any]:
        """Return counters and the rewards' statistics."""
        rewards = self.agent.episode_rewards
        told: dict[str, Any] = {name: getattr(self.agent, name) for name in COUNTERS}
        told["episodes"] = len(rewards)
        if rewards:
            told["rewards"] = {
                "episodes": len(rewards),
                "min": float(np.min(rewards)),
                "mean": float(np.mean(rewards)),
                "max": float(np.max(rewards)),
                "stdev": float(np.std(rewards)),
            }
        return told

    def rings(self) -> dict[str, Ring]:
        """Return the memory's states, and the network, whose every change is a new row.

        Each filling of the memory begins at a whole number of its size.
        """
        memory = self.memory
        network = {}
        if added := self._note_updates():
            network["network"] = Ring(
                arrays={"values": self.network.values.numpy().reshape(1, -1)},
                added=added,
                held=1,
                slots=np.zeros_like,
            )
        return network | {
            "states": Ring(
                arrays={"states": memory.states},
                added=memory.fillings * memory.size + memory.num_used,
                held=memory.num_used,
            )
        }

    def _note_updates(self) -> int:
        """Count a change of the network since the last time; return how many rows there were."""
        if self._has_ring and self._updates != self.network.updates:
            self._network_added += 1
        self._updates = self.network.updates
        return self._network_added

    @property
    def networks_version(self) -> int:
        """A number that changes with the networks."""
        return self.network.updates

    def state_dict(self, *, full: bool = True) -> dict[str, Any]:
        """Return the exact state; see interfaces.Training.state_dict."""
        state: dict[str, Any] = {
            "counters": {name: getattr(self.agent, name) for name in COUNTERS},
            "network_added": self._note_updates(),
        }
        if not full or not self._network_added:
            state["network"] = self.network.arrays()
        if not full:
            return state
        memory = self.memory
        return state | {
            "agent": self.agent.state_dict(),
            "environment": self.agent.env.state_dict(),
            "generator": random_state_dict(self.agent.epsilon_greedy.generator),
            "memory": {name: getattr(memory, name) for name in _MEMORY}
            | {"num_used": memory.num_used, "fillings": memory.fillings},
            "evaluated_at": self._evaluated_at,
            "evaluation": None if self.evaluation is None else self.evaluation.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], *, full: bool = True) -> None:
        """Take over a state.

        Raises:
            CheckpointError: a field is missing, damaged or of another training.
            ArgsError: it has had more episodes than the run is to have.
        """
        fields = Fields(state, "state", "")
        counters = fields.inner("counters")
        counts = {name: counters.integer(name, low=0) for name in COUNTERS}
        # The last one is that of the extra state.
        if (played := counts["count_episodes"] - 1) > self.agent.limit:
            raise ArgsError(
                f"episodes: expected at least {played}, already trained, got "
                f"{self._options['episodes']}"
            )
        # Older checkpoints have the network in the state.
        self._network_added = 0
        if full and fields.has("network_added"):
            self._network_added = fields.integer("network_added", low=0)
        if not self._network_added:
            network = fields.take("network", "arrays by name", lambda v: isinstance(v, Mapping))
            self.network.load_arrays(network, "network")
        if not full:
            vars(self.agent).update(counts)
            self._evaluated_at = self.agent.count_states
            return
        self._load_memory(fields.inner("memory"))
        generator = load_random_state(fields.inner("generator"))
        self.agent.epsilon_greedy.generator = self.memory.generator = generator
        height, width, _ = self.memory.states.shape[1:]
        image = np.zeros((height, width))
        self.agent.env.load_state_dict(fields.raw("environment"))
        self.agent.load_state_dict(fields.raw("agent"), image)
        self._evaluated_at = fields.integer("evaluated_at", low=0)
        self.evaluation = None
        if fields.has("evaluation"):
            self.evaluation = Evaluation.from_state_dict(
                self._options, self.network, fields.raw("evaluation"), image
            )

    def _load_memory(self, fields: Fields) -> None:
        memory = self.memory
        arrays = {name: fields.array(name, getattr(memory, name)) for name in _MEMORY}
        memory.num_used = fields.integer("num_used", low=0, high=memory.size)
        memory.fillings = fields.integer("fillings", low=0)
        actions, n = arrays["actions"], memory.q_values.shape[1]
        if actions.min() < 0 or actions.max() >= n:
            raise CheckpointError(
                f"memory.actions: expected numbers of 0 to {n - 1}, got {actions.min()} to "
                f"{actions.max()}"
            )
        for name, array in arrays.items():
            getattr(memory, name)[:] = array
