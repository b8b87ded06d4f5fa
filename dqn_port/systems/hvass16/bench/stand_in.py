"""The tutorial as its author might write it today: eager PyTorch, NumPy, Pillow and gymnasium.

It is measured beside ours, and uses only the workers' protocol of this program. As a worker its
settings are ``arguments`` (as args.json holds them), ``cores`` and ``what``: loop, update,
frame or sweep.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import ale_py
import gymnasium
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from dqn_port.bench.machine import pin
from dqn_port.bench.workers import serve

STATE = (105, 80)


def pre_process_image(image: Any) -> Any:
    """Return a frame as gray bytes, half the size, its range stretched as by SciPy's imresize."""
    gray = image @ np.array([0.2990, 0.5870, 0.1140])
    low, high = gray.min(), gray.max()
    stretched = ((gray - low) * (255.0 / ((high - low) or 1.0))).clip(0, 255) + 0.5
    resized = Image.fromarray(stretched.astype(np.uint8)).resize(
        (STATE[1], STATE[0]), Image.Resampling.BICUBIC
    )
    return np.array(resized)


class MotionTracer:
    """The latest image, and a trace of motion."""

    def __init__(self, image: Any, decay: float = 0.75) -> None:
        self.last_input = pre_process_image(image).astype(float)
        self.last_output = np.zeros_like(self.last_input)
        self.decay = decay

    def process(self, image: Any) -> None:
        """Take in a frame."""
        img = pre_process_image(image).astype(float)
        motion = np.where(np.abs(img - self.last_input) > 20, 255.0, 0.0)
        self.last_output = np.clip(motion + self.decay * self.last_output, 0.0, 255.0)
        self.last_input = img

    def get_state(self) -> Any:
        """Return both as bytes."""
        return np.dstack([self.last_input, self.last_output]).astype(np.uint8)


class ReplayMemory:
    """The states to sweep and sample."""

    def __init__(self, size: int, num_actions: int, discount_factor: float = 0.97) -> None:
        self.states = np.zeros((size, *STATE, 2), dtype=np.uint8)
        self.q_values, self.q_values_old = np.zeros((2, size, num_actions))
        self.actions = np.zeros(size, dtype=int)
        self.rewards, self.estimation_errors = np.zeros((2, size))
        self.end_life, self.end_episode = np.zeros((2, size), dtype=bool)
        self.size, self.num_used, self.discount_factor = size, 0, discount_factor

    def add(self, state: Any, q_values: Any, action: int, reward: float, *ends: bool) -> None:
        """Add a state; ``ends``: whether it ends the life, and the episode."""
        k = self.num_used
        self.num_used += 1
        self.states[k], self.q_values[k], self.actions[k] = state, q_values, action
        self.end_life[k], self.end_episode[k] = ends
        self.rewards[k] = np.clip(reward, -1.0, 1.0)

    def update_all_q_values(self) -> None:
        """Sweep backward over all states."""
        self.q_values_old[:] = self.q_values[:]
        for k in reversed(range(self.num_used - 1)):
            action = self.actions[k]
            value = self.rewards[k]
            if not (self.end_life[k] or self.end_episode[k]):
                value += self.discount_factor * np.max(self.q_values[k + 1])
            self.estimation_errors[k] = abs(value - self.q_values[k, action])
            self.q_values[k, action] = value

    def prepare_sampling_prob(self, batch_size: int) -> None:
        """Split the states by their errors."""
        low = self.estimation_errors[: self.num_used] < 0.1
        self.idx_err_lo, self.idx_err_hi = np.flatnonzero(low), np.flatnonzero(~low)
        prob = max(len(self.idx_err_hi) / self.num_used, 0.5)
        self.num_hi = min(int(prob * batch_size), len(self.idx_err_hi))
        self.num_lo = min(batch_size - self.num_hi, len(self.idx_err_lo))

    def random_batch(self) -> tuple[Any, Any]:
        """Draw states and Q-values."""
        drawn = [
            np.random.choice(indices, n, replace=False)  # noqa: NPY002
            for indices, n in ((self.idx_err_lo, self.num_lo), (self.idx_err_hi, self.num_hi))
            if n
        ]
        idx = np.concatenate(drawn)
        return self.states[idx], self.q_values[idx]


class Same(nn.Module):
    """TensorFlow's SAME padding for 3×3 kernels."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Pad, with an odd row or column at the end."""
        sides = []
        for size in (x.shape[3], x.shape[2]):
            total = max((-(-size // self.stride) - 1) * self.stride + 3 - size, 0)
            sides += [total // 2, total - total // 2]
        return F.pad(x, sides)


class Network(nn.Module):
    """Three convolutions, four dense layers, Q-values; RMSProp as in TensorFlow."""

    def __init__(self, num_actions: int, state: tuple[int, int] = STATE) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, (height, width) = 2, state
        for out, stride in ((16, 2), (32, 2), (64, 1)):
            layers += [Same(stride), nn.Conv2d(channels, out, 3, stride=stride), nn.ReLU()]
            channels, height, width = out, -(-height // stride), -(-width // stride)
        self.convolutions = nn.Sequential(*layers)
        sizes = [channels * height * width, 1024, 1024, 1024, 1024]
        dense: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise(sizes):
            dense += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.dense = nn.Sequential(*dense, nn.Linear(1024, num_actions))
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.trunc_normal_(parameter, std=0.02, a=-0.04, b=0.04)
            else:
                nn.init.zeros_(parameter)
        self.mean_square = [torch.ones_like(parameter) for parameter in self.parameters()]

    def forward(self, states: Tensor) -> Tensor:
        """Return Q-values of uint8 [B, height, width, 2]."""
        x = self.convolutions(states.permute(0, 3, 1, 2).float())
        values: Tensor = self.dense(x.permute(0, 2, 3, 1).flatten(1))
        return values

    def get_q_values(self, state: Any) -> Any:
        """Return a state's Q-values."""
        with torch.no_grad():
            values: Tensor = self(torch.from_numpy(state[None]))
        return values[0].numpy()

    def update(self, states: Any, targets: Any, learning_rate: float) -> float:
        """Make an update, and return the loss before it."""
        wanted = torch.tensor(targets, dtype=torch.float32)
        loss: Any = ((self(torch.from_numpy(states)) - wanted) ** 2).sum(dim=1).mean()
        self.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter, ms in zip(self.parameters(), self.mean_square, strict=True):
                gradient = parameter.grad
                assert gradient is not None
                ms.lerp_(gradient**2, 0.1)
                parameter.sub_(learning_rate * gradient / torch.sqrt(ms + 1e-10))
        return float(loss.item())


class Agent:
    """Play, and learn in bursts of ``max_epochs`` when the memory is full."""

    def __init__(self, opt: Any) -> None:
        gymnasium.register_envs(ale_py)
        name = opt["env"].partition("-")[0]
        self.env: Any = gymnasium.make(
            f"ALE/{name}-v5", frameskip=(2, 5), repeat_action_probability=0.25
        )
        actions: Any = self.env.action_space
        self.num_actions = int(actions.n)
        self.network = Network(self.num_actions)
        self.memory = ReplayMemory(opt["replay_size"], self.num_actions, opt["discount_factor"])
        self.opt, self.end_episode, self.count_states = opt, True, 0
        self.frame: Any = None

    def play_state(self) -> None:
        """Play one state and remember it."""
        if self.end_episode:
            self.frame, info = self.env.reset(seed=1)
            self.tracer, self.num_lives = MotionTracer(self.frame), info["lives"]
        state = self.tracer.get_state()
        q_values = self.network.get_q_values(state)
        epsilon = max(0.1, 1 - 0.9 * self.count_states / self.opt["epsilon_num_iterations"])
        action = int(np.argmax(q_values))
        if np.random.random() < epsilon:  # noqa: NPY002
            action = int(np.random.randint(self.num_actions))  # noqa: NPY002
        self.frame, reward, terminated, truncated, info = self.env.step(action)
        self.tracer.process(self.frame)
        self.end_episode = terminated or truncated
        end_life, self.num_lives = info["lives"] < self.num_lives, info["lives"]
        self.count_states += 1
        self.memory.add(state, q_values, action, float(reward), end_life, self.end_episode)

    def begin_burst(self) -> None:
        """Sweep, and prepare to draw."""
        self.memory.update_all_q_values()
        self.memory.prepare_sampling_prob(self.opt["batch_size"])

    def update(self) -> float:
        """Learn from a batch."""
        return self.network.update(
            *self.memory.random_batch(), self.opt["learning_rate_start_value"]
        )

    def one_state(self) -> None:
        """Play a state, and make the burst that is due after it."""
        self.play_state()
        memory = self.memory
        if memory.num_used == memory.size:
            self.begin_burst()
            epochs = self.opt["max_epochs_start_value"]
            for _ in range(int(memory.num_used / self.opt["batch_size"] * epochs)):
                self.update()
            memory.num_used = 0


def _prepare(settings: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    pin(settings["cores"])
    torch.set_num_threads(len(settings["cores"]))
    agent, what = Agent(settings["arguments"]), settings["what"]
    agent.one_state()
    if what == "update":
        while agent.memory.num_used < agent.memory.size:
            agent.play_state()
        agent.begin_burst()
    if what == "sweep":
        memory, n = agent.memory, agent.memory.size
        memory.num_used, generator = n, np.random.default_rng(1)
        memory.q_values[:] = generator.random(memory.q_values.shape)
        memory.actions[:] = generator.integers(agent.num_actions, size=n)

    def frame() -> None:
        agent.tracer.process(agent.frame)
        agent.tracer.get_state()

    work: dict[str, Callable[[], object]] = {
        "loop": agent.one_state, "update": agent.update, "frame": frame,
        "sweep": agent.memory.update_all_q_values,
    }  # fmt: skip
    chosen = work[what]

    def run(times: int) -> dict[str, Any]:
        started = time.perf_counter()
        for _ in range(times):
            chosen()
        return {"seconds": time.perf_counter() - started}

    return run


if __name__ == "__main__":
    serve(_prepare)
