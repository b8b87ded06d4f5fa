"""The agent: steps, random restarts and when to learn.

simple_dqn: agent.py. Its loops are in main.py here, so that they can be interrupted at every step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dqn_port.fields import Fields
from dqn_port.randoms.python2 import Python2Random
from dqn_port.systems.simple_dqn.deepqnetwork import DeepQNetwork
from dqn_port.systems.simple_dqn.environment import Environment
from dqn_port.systems.simple_dqn.replay_memory import ReplayMemory
from dqn_port.systems.simple_dqn.state_buffer import StateBuffer
from dqn_port.systems.simple_dqn.statistics import Statistics


class Stepped(NamedTuple):
    """What a step did and met."""

    action: int
    """Its index."""
    reward: float
    screen: NDArray[np.uint8]
    """uint8 [h, w], after the action."""
    ended: Literal["life", "game"] | None

    @property
    def terminal(self) -> bool:
        """Whether it ended a game, or what counts as one."""
        return self.ended is not None


def exploration_rate(t: int, start: float, end: float, decay_steps: float) -> float:
    """Return ε after t training steps: linear, then the end."""
    return start - t * (start - end) / decay_steps if t < decay_steps else end


class Agent:
    """Acts by ε-greedy choice and learns from the replay memory."""

    def __init__(
        self,
        environment: Environment,
        replay_memory: ReplayMemory,
        deep_q_network: DeepQNetwork,
        statistics: Statistics,
        options: Mapping[str, Any],
        random: Python2Random,
    ) -> None:
        self.env, self.mem, self.net = environment, replay_memory, deep_q_network
        self.stats, self._random = statistics, random
        self.buf = StateBuffer(
            history_length=options["history_length"],
            batch_size=options["batch_size"],
            screen_height=options["screen_height"],
            screen_width=options["screen_width"],
        )
        self.num_actions = environment.num_actions
        self._random_starts: int = options["random_starts"]
        self._history_length: int = options["history_length"]
        self._start: float = options["exploration_rate_start"]
        self._end: float = options["exploration_rate_end"]
        self._decay_steps: float = options["exploration_decay_steps"]
        self.exploration_rate_test: float = options["exploration_rate_test"]
        self._train_frequency: int = options["train_frequency"]
        self._train_repeat: int = options["train_repeat"]
        self._target_steps: int = options["target_steps"]
        self.total_train_steps: int = options["start_epoch"] * options["train_steps"]

    def restart_random(self) -> int:
        """Restart and do up to random_starts + 1 dummy actions; return how many.

        Quirk: ``randint(…) + 1``, so 5 to 31 by default; their rewards are dropped and their
        screens never stored. One that ends the game, or a life, restarts at once, and it is the
        screen after that which is seen (tests/systems/simple_dqn/test_quirks.py).
        """
        self.env.restart()
        dummies = self._random.randint(self._history_length, self._random_starts) + 1
        for _ in range(dummies):
            self.env.act(0)
            if self.env.is_terminal():
                self.env.restart()
            self.buf.add(self.env.get_screen())
        return dummies

    def exploration_rate(self) -> float:
        """Return ε of the training."""
        return exploration_rate(self.total_train_steps, self._start, self._end, self._decay_steps)

    def choose(self, exploration_rate: float) -> int:
        """Return a random action with probability ε, else the best, the first of several.

        Quirk: ε is compared with a draw also where it is 0 or 1.
        """
        if self._random.random() < exploration_rate:
            return self._random.randrange(self.num_actions)
        state = self.buf.get_state_minibatch()[:1]
        return int(np.argmax(self.net.predict(state)[0]))

    def act(self, action: int) -> Stepped:
        """Do an action and observe the result."""
        reward = self.env.act(action)
        screen = self.env.get_screen()
        self.buf.add(screen)
        return Stepped(action, reward, screen, self.env.ended())

    def step(self, exploration_rate: float) -> Stepped:
        """Choose, act and, at an end, restart."""
        stepped = self.act(self.choose(exploration_rate))
        if stepped.terminal:
            self.restart_random()
        self.stats.on_step(stepped.reward, stepped.terminal, exploration_rate)
        return stepped

    def _store(self, stepped: Stepped) -> None:
        self.mem.add(stepped.action, stepped.reward, stepped.screen, stepped.terminal)

    def play_random_step(self) -> Stepped:
        """Step at random and store it. simple_dqn: play_random."""
        stepped = self.step(1)
        self._store(stepped)
        return stepped

    def train_step(self, i: int, epoch: int) -> Stepped:
        """Do training step ``i`` of the epoch: step, store, copy to the target, learn.

        Quirk: ``i`` restarts in every epoch, so each begins with a copy and an update
        (tests/systems/simple_dqn/test_quirks.py). simple_dqn: train.
        """
        stepped = self.step(self.exploration_rate())
        self._store(stepped)
        if self._target_steps and i % self._target_steps == 0:
            self.net.update_target_network()
        if self.mem.count > self.mem.batch_size and i % self._train_frequency == 0:
            for _ in range(self._train_repeat):
                minibatch = self.mem.get_minibatch()
                cost = self.net.train(minibatch, epoch)
                self.stats.on_train(cost)
        self.total_train_steps += 1
        return stepped

    def test_step(self) -> Stepped:
        """Step by exploration_rate_test; nothing is stored or learnt. simple_dqn: test."""
        return self.step(self.exploration_rate_test)

    def play_step(self) -> Stepped:
        """Step by exploration_rate_test and store it. simple_dqn: play."""
        stepped = self.step(self.exploration_rate_test)
        self._store(stepped)
        return stepped

    def state_dict(self) -> dict[str, Any]:
        """Return what is the agent's own."""
        return {"total_train_steps": self.total_train_steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` gave.

        Raises:
            CheckpointError: it does not fit.
        """
        self.total_train_steps = Fields(state, "agent").integer("total_train_steps", low=0)
