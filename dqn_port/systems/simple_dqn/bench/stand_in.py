"""A stand-in for the original: the same program as one would write it in eager PyTorch today.

It meets the original's traces (tests/systems/simple_dqn/test_bench.py). From this system's code it
takes only the order of phases and the emulator, which do no work in the loop. As a worker:
``python -m dqn_port.systems.simple_dqn.bench.stand_in``; its settings: ``arguments`` (as args.json
holds them), ``cores``, one per thread, and ``until``, the step it plays to before it is ready.
Optimiser: rmsprop, the default; environment: ale.
"""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dqn_port.bench.machine import pin
from dqn_port.bench.workers import serve
from dqn_port.games.picture_games import Emulator
from dqn_port.systems.simple_dqn.emulator import ArcadeEmulator
from dqn_port.systems.simple_dqn.main import phases_of

Options = Mapping[str, Any]
Screen = NDArray[np.uint8]


class Environment:
    """The emulator with frame skip; gray screens, resized."""

    def __init__(self, emulator: Emulator, options: Options) -> None:
        import cv2

        self.ale, self.mode, self.life_lost = emulator, "train", False
        self.num_actions = len(emulator.actions)
        self._skip = options["frame_skip"]
        self._size = options["screen_width"], options["screen_height"]
        self._gray = cv2.cvtColor(emulator.palette[None], cv2.COLOR_RGB2GRAY)[0]
        self._screen = np.empty((emulator.height, emulator.width), np.uint8)
        self._resize = cv2.resize

    def restart(self) -> None:
        """Reset, unless only a life was lost in training."""
        if self.mode == "test" or not self.life_lost or self.ale.game_over():
            self.ale.reset_game()
        self.life_lost = False

    def act(self, action: int) -> int:
        """Play some frames and return their reward."""
        lives, reward = self.ale.lives(), 0
        for _ in range(self._skip):
            if not self.ale.game_over():
                reward += int(self.ale.act(self.ale.actions[action]))
        self.life_lost = lives != self.ale.lives()
        return reward

    def get_screen(self) -> Screen:
        """Return uint8 [h, w]."""
        self.ale.get_screen(self._screen)
        return np.asarray(self._resize(self._gray[self._screen], self._size), np.uint8)

    def is_terminal(self) -> bool:
        """Tell whether the game, or in training a life, is over."""
        return self.ale.game_over() or (self.mode == "train" and self.life_lost)


class ReplayMemory:
    """Plain NumPy rings."""

    def __init__(self, options: Options, draw: random.Random) -> None:
        self.size, self.length = options["replay_size"], options["history_length"]
        self.batch_size, self._draw = options["batch_size"], draw
        shape = options["screen_height"], options["screen_width"]
        self.actions = np.zeros(self.size, np.uint8)
        self.rewards = np.zeros(self.size, np.int64)
        self.screens = np.zeros((self.size, *shape), np.uint8)
        self.terminals = np.zeros(self.size, bool)
        self.count = self.current = 0
        self.pre = np.zeros((self.batch_size, self.length, *shape), np.uint8)
        self.post = np.zeros_like(self.pre)

    def add(self, action: int, reward: int, screen: Screen, terminal: bool) -> None:
        """Store what a step returned."""
        at = self.current
        self.actions[at], self.rewards[at], self.screens[at] = action, reward, screen
        self.terminals[at] = terminal
        self.count = max(self.count, at + 1)
        self.current = (at + 1) % self.size

    def get_minibatch(self) -> tuple[NDArray[Any], ...]:
        """Draw until enough transitions cross neither the next place to write nor a game's end."""
        indexes: list[int] = []
        length = self.length
        while len(indexes) < self.batch_size:
            index = length + int(self._draw.random() * (self.count - length))
            crosses = index - length < self.current <= index
            if crosses or self.terminals[index - length : index].any():
                continue
            self.pre[len(indexes)] = self.screens[index - length : index]
            self.post[len(indexes)] = self.screens[index - length + 1 : index + 1]
            indexes.append(index)
        rows = (values[indexes] for values in (self.actions, self.rewards, self.terminals))
        return (self.pre, self.post, *rows)


class DeepQNetwork:
    """nn.Conv2d and nn.Linear without biases, autograd, Neon's RMSProp written out."""

    def __init__(self, options: Options, n_actions: int) -> None:
        self.options = options
        height, width = options["screen_height"], options["screen_width"]
        for side, stride in ((8, 4), (4, 2), (3, 1)):
            height, width = (height - side) // stride + 1, (width - side) // stride + 1
        self.model = nn.Sequential(
            nn.Conv2d(options["history_length"], 32, 8, 4, bias=False), nn.ReLU(),
            nn.Conv2d(32, 64, 4, 2, bias=False), nn.ReLU(),
            nn.Conv2d(64, 64, 3, 1, bias=False), nn.ReLU(), nn.Flatten(),
            nn.Linear(64 * height * width, 512, bias=False), nn.ReLU(),
            nn.Linear(512, n_actions, bias=False),
        )  # fmt: skip
        draw = np.random.RandomState(options["random_seed"])
        self._fill(self.model, draw)
        self.target = copy.deepcopy(self.model)
        self._fill(self.target, draw)
        self.squares = [torch.zeros_like(w) for w in self.model.parameters()]

    @staticmethod
    def _fill(model: nn.Module, draw: np.random.RandomState) -> None:
        """Draw the output layer's weights first, those of convolutions as [inputs, filters]."""
        *inner, output = model.parameters()
        with torch.no_grad():
            for w in (output, *inner):
                n = w[0].numel()
                k = math.sqrt(3 / n)
                shape = (n, len(w)) if w.ndim == 4 else tuple(w.shape)
                values = torch.from_numpy(draw.uniform(-k, k, shape))
                w.copy_((values.T if w.ndim == 4 else values).reshape(w.shape))

    def predict(self, states: Screen, model: nn.Module | None = None) -> torch.Tensor:
        """Return Q, [n, A]."""
        with torch.no_grad():
            q: torch.Tensor = (model or self.model)(torch.from_numpy(states).float() / 255)
        return q

    def update_target_network(self) -> None:
        """Copy the network to the target network."""
        self.target.load_state_dict(self.model.state_dict())

    def train(self, minibatch: tuple[NDArray[Any], ...]) -> float:
        """Learn and return the cost."""
        pre, post, actions, rewards, terminals = minibatch
        options = self.options
        model = self.target if options["target_steps"] else self.model
        best = self.predict(post, model).amax(1).double()
        q = self.model(torch.from_numpy(pre).float() / 255)
        clipped = np.clip(rewards, options["min_reward"], options["max_reward"])
        future = options["discount_rate"] * best * torch.from_numpy(~terminals)
        target = (torch.from_numpy(clipped) + future).float()
        rows, chosen = torch.arange(len(q)), torch.from_numpy(actions).long()
        deltas = torch.zeros_like(q)
        deltas[rows, chosen] = (q.detach()[rows, chosen]) - target
        cost = float((deltas.square().sum(1) / 2).mean())
        if options["clip_error"]:
            deltas.clamp_(-options["clip_error"], options["clip_error"])
        self.model.zero_grad()
        q.backward(deltas)
        lr, decay, epsilon = options["learning_rate"], options["decay_rate"], 1e-6
        with torch.no_grad():
            for w, s in zip(self.model.parameters(), self.squares, strict=True):
                assert w.grad is not None
                g = w.grad / len(q)
                s.mul_(decay).addcmul_(g, g, value=1 - decay)
                w.sub_(g * lr / ((s + epsilon).sqrt() + epsilon))
        return cost


class Run:
    """main.py: phases of steps, one after another."""

    def __init__(self, options: Options, emulator: Emulator) -> None:
        self.options, self.draw = options, random.Random(options["random_seed"])
        self.env, self.mem = Environment(emulator, options), ReplayMemory(options, self.draw)
        self.net = DeepQNetwork(options, self.env.num_actions)
        self.buffer = np.zeros_like(self.mem.pre)
        self.total_train_steps = self.step = self.i = 0
        self.phases = list(phases_of(options))
        self.actions: list[int] = []
        self.costs: list[float] = []

    def restart_random(self) -> None:
        """Restart and play some dummy actions."""
        self.env.restart()
        low, high = self.options["history_length"], self.options["random_starts"]
        for _ in range(low + int(self.draw.random() * (high - low + 1)) + 1):
            self.env.act(0)
            if self.env.is_terminal():
                self.env.restart()
            self._see(self.env.get_screen())

    def _see(self, screen: Screen) -> None:
        self.buffer[0, :-1] = self.buffer[0, 1:]
        self.buffer[0, -1] = screen

    def _step(self, epsilon: float) -> tuple[int, int, Screen, bool]:
        if self.draw.random() < epsilon:
            action = int(self.draw.random() * self.env.num_actions)
        else:
            action = int(self.net.predict(self.buffer[:1])[0].argmax())
        reward, screen = self.env.act(action), self.env.get_screen()
        terminal = self.env.is_terminal()
        self._see(screen)
        if terminal:
            self.restart_random()
        self.actions.append(action)
        return action, reward, screen, terminal

    def _epsilon(self) -> float:
        o, t = self.options, self.total_train_steps
        start, end = o["exploration_rate_start"], o["exploration_rate_end"]
        steps = o["exploration_decay_steps"]
        return float(start - t * (start - end) / steps if t < steps else end)

    def tick(self) -> None:
        """Play one step."""
        o, phase = self.options, self.phases[0]
        if self.i == 0:
            self.env.mode = "test" if phase.name == "test" else "train"
            if phase.name == "random":
                self.env.restart()
            if phase.name == "test":
                self.restart_random()
        if phase.name == "test":
            self._step(o["exploration_rate_test"])
        else:
            self.mem.add(*self._step(1 if phase.name == "random" else self._epsilon()))
        if phase.name == "train":
            if o["target_steps"] and self.i % o["target_steps"] == 0:
                self.net.update_target_network()
            if self.mem.count > self.mem.batch_size and self.i % o["train_frequency"] == 0:
                self.costs += [self.net.train(self.mem.get_minibatch())
                               for _ in range(o["train_repeat"])]  # fmt: skip
            self.total_train_steps += 1
        self.i, self.step = self.i + 1, self.step + 1
        if self.i == phase.steps:
            if self.step == self.i and self.mem.count > self.mem.batch_size:
                # The first row of statistics draws its validation states.
                self.mem.get_minibatch()
            self.phases.pop(0)
            self.i = 0

    def play(self, steps: int) -> float:
        """Play a number of steps and return the seconds."""
        started = time.perf_counter()
        for _ in range(steps):
            self.tick()
        return time.perf_counter() - started


def _prepare(settings: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    pin(settings["cores"])
    torch.set_num_threads(len(settings["cores"]))
    options = settings["arguments"]
    emulator = ArcadeEmulator(
        options["game"],
        options["game_path"],
        seed=options["random_seed"],
        color_averaging=options["color_averaging"],
        minimal_action_set=options["minimal_action_set"],
    )
    run = Run(options, emulator)
    run.play(settings["until"])
    return lambda steps: {"seconds": run.play(steps)}


if __name__ == "__main__":
    serve(_prepare)
