"""What a good student would hand in: the homework in eager PyTorch, to be measured beside ours.

The course's own wrappers, a list as replay, PyTorch's modules and its Adam, gymnasium's games and
Pillow's resizing. It uses only the workers' protocol of this program. As a worker its
settings are ``arguments`` (as args.json holds them), ``cores`` and ``what``: loop, update or env.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import ale_py
import gymnasium
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from dqn_port.bench.machine import pin
from dqn_port.bench.workers import serve


class MaxAndSkipEnv(gymnasium.Wrapper):
    """Four frames a step, the maximum of the last two."""

    def __init__(self, env: Any, skip: int = 4) -> None:
        super().__init__(env)
        self.obs_buffer = np.zeros((2, *env.observation_space.shape), dtype=np.uint8)
        self.skip = skip

    def step(self, action: Any) -> Any:
        """Play an action for all frames."""
        total_reward = 0.0
        for i in range(self.skip):
            obs, reward, terminated, truncated, info = self.env.step(action)
            if i == self.skip - 2:
                self.obs_buffer[0] = obs
            if i == self.skip - 1:
                self.obs_buffer[1] = obs
            total_reward += float(reward)
            if terminated or truncated:
                break
        return self.obs_buffer.max(axis=0), total_reward, terminated, truncated, info


class EpisodicLifeEnv(gymnasium.Wrapper):
    """A lost life ends an episode; the game is reset only when it is over."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.lives, self.was_real_done = 0, True

    def step(self, action: Any) -> Any:
        """Play."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        self.was_real_done = terminated or truncated
        lives = self.unwrapped.ale.lives()  # type: ignore[attr-defined]
        if 0 < lives < self.lives:
            terminated = True
        self.lives = lives
        return obs, reward, terminated, truncated, info

    def reset(self, **kwargs: Any) -> Any:
        """Reset the game, or continue with the next life."""
        if self.was_real_done:
            obs, info = self.env.reset(**kwargs)
        else:
            obs, _, _, _, info = self.env.step(0)
        self.lives = self.unwrapped.ale.lives()  # type: ignore[attr-defined]
        return obs, info


class FireResetEnv(gymnasium.Wrapper):
    """FIRE and RIGHT start an episode."""

    def reset(self, **kwargs: Any) -> Any:
        """Start an episode."""
        self.env.reset(**kwargs)
        for action in (1, 2):
            obs, _, terminated, truncated, info = self.env.step(action)
            if terminated or truncated:
                self.env.reset(**kwargs)
        return obs, info


class ClipRewardEnv(gymnasium.RewardWrapper):
    """The sign of a reward."""

    def reward(self, reward: Any) -> Any:
        """Return a reward's sign."""
        return np.sign(reward)


class PreprocessAtariObs(gymnasium.ObservationWrapper):
    """Crop, shrink to 64×64, and turn to gray with much red: float32 [1, 64, 64], 0..1."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (1, 64, 64))

    def observation(self, observation: Any) -> Any:
        """Return what the network takes."""
        image = Image.fromarray(observation[32:192, 8:152])
        small = np.asarray(image.resize((64, 64), Image.Resampling.BOX), dtype=np.float32)
        return (small @ np.array([0.8, 0.1, 0.1], dtype=np.float32) / 255)[None]


class FrameBuffer(gymnasium.Wrapper):
    """The last four frames, the newest first."""

    def __init__(self, env: Any, n_frames: int = 4) -> None:
        super().__init__(env)
        shape = (n_frames, *env.observation_space.shape[1:])
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, shape)
        self.framebuffer = np.zeros(shape, np.float32)

    def reset(self, **kwargs: Any) -> Any:
        """Start with zeros and a frame."""
        frame, info = self.env.reset(**kwargs)
        self.framebuffer = np.zeros_like(self.framebuffer)
        self._update(frame)
        return self.framebuffer, info

    def step(self, action: Any) -> Any:
        """Play."""
        frame, reward, terminated, truncated, info = self.env.step(action)
        self._update(frame)
        return self.framebuffer, reward, terminated, truncated, info

    def _update(self, frame: Any) -> None:
        self.framebuffer = np.concatenate([frame, self.framebuffer[:-1]], axis=0)


def make_env(environment: str, *, clip_rewards: bool = True) -> Any:
    """Return CartPole, or an Atari game with the course's wrappers."""
    if environment == "CartPole-v1":
        return gymnasium.make(environment).unwrapped
    gymnasium.register_envs(ale_py)
    env: Any = gymnasium.make(environment)
    env = FireResetEnv(EpisodicLifeEnv(MaxAndSkipEnv(env)))
    if clip_rewards:
        env = ClipRewardEnv(env)
    return FrameBuffer(PreprocessAtariObs(env))


def body(state_shape: tuple[int, ...], n_actions: int) -> nn.Sequential:
    """Return the layers: two of 128 for a vector, those of the notebook's figure for pictures."""
    if len(state_shape) == 1:
        return nn.Sequential(
            nn.Linear(*state_shape, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(),
            nn.Linear(128, n_actions),
        )  # fmt: skip
    return nn.Sequential(
        nn.Conv2d(4, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2), nn.ReLU(), nn.Flatten(),
        nn.Linear(64 * 7 * 7, 256), nn.ReLU(), nn.Linear(256, n_actions),
    )  # fmt: skip


class DQNAgent(nn.Module):
    """A network, and ε."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.epsilon, self.layers = 0.0, layers

    def forward(self, states: Tensor) -> Tensor:
        """Return the values of all actions."""
        values: Tensor = self.layers(states)
        return values

    def get_qvalues(self, states: Any) -> Any:
        """Return values as an array."""
        return self(torch.tensor(np.array(states), dtype=torch.float32)).detach().numpy()

    def sample_actions(self, qvalues: Any) -> Any:
        """Return ε-greedy actions."""
        epsilon, (batch_size, n_actions) = self.epsilon, qvalues.shape
        random_actions = np.random.choice(n_actions, size=batch_size)  # noqa: NPY002
        best_actions = qvalues.argmax(axis=-1)
        should_explore = np.random.choice([0, 1], batch_size, p=[1 - epsilon, epsilon])  # noqa: NPY002
        return np.where(should_explore, random_actions, best_actions)


class ReplayBuffer:
    """A list of transitions."""

    def __init__(self, size: int) -> None:
        self.storage: list[Any] = []
        self.maxsize, self.next_idx = size, 0

    def __len__(self) -> int:
        return len(self.storage)

    def add(self, *transition: Any) -> None:
        """Add one, in place of the oldest when full."""
        if self.next_idx >= len(self.storage):
            self.storage.append(transition)
        else:
            self.storage[self.next_idx] = transition
        self.next_idx = (self.next_idx + 1) % self.maxsize

    def sample(self, batch_size: int) -> tuple[Any, ...]:
        """Return a batch drawn with replacement, as arrays: s, a, r, s', done."""
        last = len(self.storage) - 1
        chosen = [self.storage[random.randint(0, last)] for _ in range(batch_size)]
        return tuple(np.array(column) for column in zip(*chosen, strict=True))


def compute_td_loss(
    batch: tuple[Any, ...], agent: nn.Module, target_network: nn.Module, *, gamma: float,
    double: bool = False,
) -> Tensor:  # fmt: skip
    """Return the mean squared error of the taken actions' values."""
    s, r, s2, done = (torch.tensor(batch[i], dtype=torch.float32) for i in (0, 2, 3, 4))
    a = torch.tensor(batch[1], dtype=torch.int64)
    taken = agent(s)[range(len(a)), a]
    with torch.no_grad():
        next_values = target_network(s2)
        if double:
            v_next = next_values[range(len(a)), agent(s2).argmax(dim=-1)]
        else:
            v_next = next_values.max(dim=-1).values
        target = r + gamma * v_next * (1 - done)
    return torch.mean((taken - target) ** 2)


def linear_decay(init: float, final: float, step: int, total: int) -> float:
    """Return the value at a step."""
    return final if step >= total else (init * (total - step) + final * step) / total


class Homework:
    """The notebook's main loop."""

    def __init__(self, opt: Any, env: Any, agent: DQNAgent, target_network: DQNAgent) -> None:
        self.opt, self.env = opt, env
        self.agent, self.target_network = agent, target_network
        self.exp_replay = ReplayBuffer(opt["buffer_size"])
        self.optimizer = torch.optim.Adam(agent.parameters(), lr=opt["learning_rate"])
        self.state = env.reset(seed=opt["seed"])[0]
        self.step = 0
        self.td_loss_history: list[float] = []
        self.grad_norm_history: list[Any] = []

    def play_and_record(self, state: Any, n_steps: int) -> Any:
        """Play, and return the state after it."""
        for _ in range(n_steps):
            action = self.agent.sample_actions(self.agent.get_qvalues([state]))[0]
            after, reward, terminated, truncated, _ = self.env.step(action)
            done = terminated or truncated
            self.exp_replay.add(state, action, reward, after, done)
            state = self.env.reset()[0] if done else after
        return state

    def fill(self) -> None:
        """Fill the replay; every call starts from the first state, as in the notebook."""
        self.agent.epsilon = 1.0
        for _ in range(self.opt["fill_calls"]):
            self.play_and_record(self.state, self.opt["n_steps"])
            if len(self.exp_replay) == self.opt["buffer_size"]:
                break
        self.state = self.env.reset()[0]

    def update(self) -> tuple[float, Any]:
        """Learn from a batch; return the loss and the gradients' norm."""
        opt = self.opt
        batch = self.exp_replay.sample(opt["batch_size"])
        loss = compute_td_loss(
            batch, self.agent, self.target_network, gamma=opt["gamma"], double=opt["double"]
        )
        loss.backward()  # type: ignore[no-untyped-call]
        grad_norm = nn.utils.clip_grad_norm_(self.agent.parameters(), opt["max_grad_norm"])
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item(), grad_norm

    def one_step(self) -> tuple[float, Any]:
        """Make a step of the loop."""
        opt, step = self.opt, self.step
        self.agent.epsilon = linear_decay(
            opt["init_epsilon"], opt["final_epsilon"], step, opt["decay_steps"]
        )
        self.state = self.play_and_record(self.state, opt["timesteps_per_epoch"])
        loss, grad_norm = self.update()
        if step % opt["loss_freq"] == 0:
            self.td_loss_history.append(loss)
            self.grad_norm_history.append(grad_norm)
        if step % opt["refresh_target_network_freq"] == 0:
            self.target_network.load_state_dict(self.agent.state_dict())
        self.step += 1
        return loss, grad_norm


def _actions(env: Any) -> Iterator[int]:
    generator = np.random.default_rng(1)
    while True:
        yield from generator.integers(env.action_space.n, size=1000).tolist()


def _prepare(settings: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    pin(settings["cores"])
    torch.set_num_threads(len(settings["cores"]))
    opt = settings["arguments"]
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(opt["seed"])
    env = make_env(opt["environment"])
    shape, n_actions = env.observation_space.shape, env.action_space.n
    agents = [DQNAgent(body(shape, n_actions)) for _ in range(2)]
    agents[1].load_state_dict(agents[0].state_dict())
    homework, actions = Homework(opt, env, *agents), _actions(env)
    if settings["what"] != "env":
        homework.fill()

    def step_env() -> None:
        _, _, terminated, truncated, _ = env.step(next(actions))
        if terminated or truncated:
            env.reset()

    work = {"loop": homework.one_step, "update": homework.update, "env": step_env}
    chosen: Callable[[], object] = work[settings["what"]]

    def run(steps: int) -> dict[str, Any]:
        started = time.perf_counter()
        for _ in range(steps):
            chosen()
        return {"seconds": time.perf_counter() - started}

    return run


if __name__ == "__main__":
    serve(_prepare)
