"""The same training as one would plainly write it in eager PyTorch, to race against.

Trees as lists, a process and a pipe per game, whole stacks, channels first, torch.optim.Adam. It
shares only the ROMs with the system. ``python -m dqn_port.systems.labml_dqn.bench.stand_in``
is a worker; its settings: ``arguments``, ``cores`` and ``until``, as playing.py has them.
"""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

import ale_py
import numpy as np
import torch
from torch import nn

from dqn_port.bench.machine import pin
from dqn_port.bench.workers import Worker, serve
from dqn_port.games.ale.roms import check_rom


class Game:
    """A game that ends with its first life; a stack is its last four small gray pictures."""

    def __init__(self, game: str, game_path: str, n_actions: int) -> None:
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self.ale = ale_py.ALEInterface()
        self.ale.setFloat("repeat_action_probability", 0.0)
        self.ale.setInt("frame_skip", 1)
        self.ale.loadROM(check_rom(game, game_path)[0])
        self.actions = self.ale.getMinimalActionSet()[:n_actions]
        self.obs_4 = np.zeros((4, 84, 84))

    def step(self, action: int) -> tuple[np.ndarray, float, bool]:
        """Play four frames."""
        reward, done, last = 0.0, False, []
        for i in range(4):
            reward += self.ale.act(self.actions[action])
            if i >= 2:
                last.append(self.picture())
            done = self.ale.game_over() or self.ale.lives() < self.lives
            if done:
                return self.reset(), reward, done
        self.obs_4 = np.roll(self.obs_4, shift=-1, axis=0)
        self.obs_4[-1] = np.maximum(*last)
        return self.obs_4, reward, done

    def reset(self) -> np.ndarray:
        """Start another game."""
        self.ale.reset_game()
        self.lives = self.ale.lives()
        self.obs_4[:] = self.picture()
        return self.obs_4

    def picture(self) -> np.ndarray:
        """Return the small gray picture, uint8 [84, 84]."""
        import cv2

        gray = cv2.cvtColor(self.ale.getScreenRGB(), cv2.COLOR_RGB2GRAY)
        return cv2.resize(gray, (84, 84), interpolation=cv2.INTER_AREA)


def _play(remote: Connection, game: str, game_path: str, n_actions: int) -> None:
    played = Game(game, game_path, n_actions)
    while (action := remote.recv()) is not None:
        remote.send(played.reset() if action == "reset" else played.step(action))


class ReplayBuffer:
    """A prioritised replay whose trees are lists."""

    def __init__(self, capacity: int, alpha: float) -> None:
        self.capacity, self.alpha = capacity, alpha
        self.sum, self.min = [0.0] * (2 * capacity), [float("inf")] * (2 * capacity)
        self.max_priority, self.next_idx, self.size = 1.0, 0, 0
        self.data: dict[str, np.ndarray] = {
            "obs": np.zeros((capacity, 4, 84, 84), dtype=np.uint8),
            "action": np.zeros(capacity, dtype=np.int32),
            "reward": np.zeros(capacity, dtype=np.float32),
            "next_obs": np.zeros((capacity, 4, 84, 84), dtype=np.uint8),
            "done": np.zeros(capacity, dtype=np.bool_),
        }

    def add(self, **transition: Any) -> None:
        """Store a transition with the largest priority so far."""
        for key, value in transition.items():
            self.data[key][self.next_idx] = value
        self._set(self.next_idx, self.max_priority**self.alpha)
        self.next_idx = (self.next_idx + 1) % self.capacity
        self.size = min(self.capacity, self.size + 1)

    def _set(self, idx: int, priority: float) -> None:
        idx += self.capacity
        self.sum[idx] = self.min[idx] = priority
        while idx >= 2:
            idx //= 2
            self.sum[idx] = self.sum[2 * idx] + self.sum[2 * idx + 1]
            self.min[idx] = min(self.min[2 * idx], self.min[2 * idx + 1])

    def _find(self, prefix_sum: float) -> int:
        idx = 1
        while idx < self.capacity:
            if self.sum[2 * idx] > prefix_sum:
                idx = 2 * idx
            else:
                prefix_sum -= self.sum[2 * idx]
                idx = 2 * idx + 1
        return idx - self.capacity

    def sample(self, batch_size: int, beta: float) -> dict[str, np.ndarray]:
        """Draw a minibatch."""
        indexes = np.array(
            [self._find(random.random() * self.sum[1]) for _ in range(batch_size)], dtype=np.int32
        )
        max_weight = (self.min[1] / self.sum[1] * self.size) ** -beta
        weights = np.zeros(batch_size, dtype=np.float32)
        for i, idx in enumerate(indexes.tolist()):
            prob = self.sum[idx + self.capacity] / self.sum[1]
            weights[i] = (prob * self.size) ** -beta / max_weight
        samples = {"indexes": indexes, "weights": weights}
        return samples | {key: values[indexes] for key, values in self.data.items()}

    def update_priorities(self, indexes: np.ndarray, priorities: np.ndarray) -> None:
        """Write priorities back."""
        for idx, priority in zip(indexes.tolist(), priorities.tolist(), strict=True):
            self.max_priority = max(self.max_priority, priority)
            self._set(idx, priority**self.alpha)


class Model(nn.Module):
    """A dueling network."""

    def __init__(self, n_actions: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(4, 32, kernel_size=8, stride=4), nn.ReLU(),
            nn.Conv2d(32, 64, kernel_size=4, stride=2), nn.ReLU(),
            nn.Conv2d(64, 64, kernel_size=3, stride=1), nn.ReLU(),
        )  # fmt: skip
        self.lin = nn.Linear(7 * 7 * 64, 512)
        self.state_value = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 1))
        self.action_value = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, n_actions))

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """Return the values of all actions."""
        h = torch.relu(self.lin(self.conv(obs).reshape(-1, 7 * 7 * 64)))
        advantage: torch.Tensor = self.action_value(h)
        value: torch.Tensor = self.state_value(h)
        return value + (advantage - advantage.mean(dim=-1, keepdim=True))


def obs_to_torch(obs: np.ndarray) -> torch.Tensor:
    """Return stacks as floats of 0..1."""
    return torch.tensor(obs, dtype=torch.float32) / 255.0


class Trainer:
    """The training; ``start`` starts the ``games``."""

    def __init__(self, options: Mapping[str, Any], *, n_actions: int = 4) -> None:
        self.options, self.n_actions = options, n_actions
        self.replay_buffer = ReplayBuffer(options["capacity"], options["alpha"])
        self.model, self.target_model = Model(n_actions), Model(n_actions)
        self.target_model.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=options["learning_rate"])
        self.loss_func = nn.SmoothL1Loss(reduction="none")
        self.update = 0
        self.games: list[Connection] = []

    def start(self) -> None:
        """Start a process for every game."""
        context = multiprocessing.get_context("fork")
        for _ in range(self.options["n_workers"]):
            ours, theirs = context.Pipe()
            args = theirs, self.options["game"], self.options["game_path"], self.n_actions
            context.Process(target=_play, args=args, daemon=True).start()
            ours.send("reset")
            self.games.append(ours)
        self.obs = np.array([game.recv() for game in self.games], dtype=np.uint8)

    def run_update(self) -> None:
        """Play, and learn once the replay is full."""
        options = self.options
        exploration = max(1 - 0.9 * self.update / 25_000, 0.1)
        beta = 0.4 + 0.6 * self.update / options["updates"]
        for _ in range(options["worker_steps"]):
            self.sample(exploration)
        if self.replay_buffer.size == self.replay_buffer.capacity:
            for _ in range(options["train_epochs"]):
                self.train(beta)
            if self.update % options["update_target_model"] == 0:
                self.target_model.load_state_dict(self.model.state_dict())
        self.update += 1

    def sample(self, exploration: float) -> None:
        """Play one step of every game."""
        with torch.no_grad():
            greedy = torch.argmax(self.model(obs_to_torch(self.obs)), dim=-1)
            chosen = torch.randint(self.n_actions, greedy.shape)
            actions = torch.where(torch.rand(greedy.shape) < exploration, chosen, greedy).numpy()
        for game, action in zip(self.games, actions.tolist(), strict=True):
            game.send(action)
        for i, game in enumerate(self.games):
            next_obs, reward, done = game.recv()
            self.replay_buffer.add(
                obs=self.obs[i], action=actions[i], reward=reward, next_obs=next_obs, done=done
            )
            self.obs[i] = next_obs

    def train(self, beta: float) -> dict[str, Any]:
        """Learn from a minibatch."""
        options = self.options
        samples = self.replay_buffer.sample(options["mini_batch_size"], beta)
        q = self.model(obs_to_torch(samples["obs"]))
        action = torch.tensor(samples["action"], dtype=torch.long)
        with torch.no_grad():
            next_obs = obs_to_torch(samples["next_obs"])
            best = torch.argmax(self.model(next_obs), -1)
            next_q = self.target_model(next_obs).gather(-1, best[:, None])[:, 0]
            not_done = 1 - torch.tensor(samples["done"], dtype=torch.float32)
            q_update = torch.tensor(samples["reward"]) + options["gamma"] * next_q * not_done
        q_action = q.gather(-1, action[:, None])[:, 0]
        td_error = (q_action - q_update).detach()
        loss = torch.mean(torch.tensor(samples["weights"]) * self.loss_func(q_action, q_update))
        priorities = np.abs(td_error.numpy()) + np.float32(1e-6)
        self.replay_buffer.update_priorities(samples["indexes"], priorities)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=options["max_grad_norm"])
        self.optimizer.step()
        return samples | {"td_error": td_error.numpy(), "loss": loss.item()}


def start_stand_in(arguments: Mapping[str, Any], cores: list[int], *, until: int = 0) -> Worker:
    """Start it on ``cores``; ``run N`` makes N updates."""
    settings = {"arguments": dict(arguments), "cores": cores, "until": until}
    module = "dqn_port.systems.labml_dqn.bench.stand_in"
    return Worker("straightforward PyTorch", [sys.executable, "-m", module], settings)


def _prepare(settings: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    pin(settings["cores"])
    torch.set_num_threads(len(settings["cores"]))
    torch.manual_seed(1)
    random.seed(1)
    trainer = Trainer(settings["arguments"], n_actions=settings["arguments"]["n_actions"])
    trainer.start()

    def run(updates: int) -> dict[str, Any]:
        started = time.perf_counter()
        for _ in range(updates):
            trainer.run_update()
        return {"seconds": time.perf_counter() - started}

    run(settings["until"])
    return run


if __name__ == "__main__":
    serve(_prepare)
