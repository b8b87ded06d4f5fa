"""A small DQN on CartPole: a system of one's own, whole in one file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from dqn_port.arguments.declared import Declared
from dqn_port.events import EpisodeEnded, Event, Row, Ticked
from dqn_port.fields import Fields
from dqn_port.games.gymnasium.making import make
from dqn_port.games.gymnasium.replayed import ReplayedEnv
from dqn_port.interfaces import Facts, Ring, Step
from dqn_port.options import Param
from dqn_port.records import Column, Table
from dqn_port.saved_networks import SavedNetwork

LENGTH, BATCH = 1000, 32


def network_of(seed: int) -> torch.nn.Sequential:
    """Return an MLP, drawn from a generator of its own."""
    linear, skip = torch.nn.Linear, torch.nn.utils.skip_init
    network = torch.nn.Sequential(skip(linear, 4, 32), torch.nn.ReLU(), skip(linear, 32, 2))
    generator = torch.Generator().manual_seed(seed)
    for weights in network.parameters():
        torch.nn.init.uniform_(weights, -0.3, 0.3, generator=generator)
    return network


def arrays(network: torch.nn.Module) -> dict[str, Any]:
    return {name: values.numpy().copy() for name, values in network.state_dict().items()}


def put(network: torch.nn.Module, weights: Mapping[str, Any]) -> None:
    network.load_state_dict({n: torch.from_numpy(np.array(v)) for n, v in weights.items()})


def checked(fields: Fields, like: torch.nn.Module) -> dict[str, Any]:
    return {name: np.array(fields.array(name, v)) for name, v in arrays(like).items()}


def values_of(network: torch.nn.Module, s: Any) -> Any:
    with torch.no_grad():
        return network(torch.from_numpy(s)).numpy()


class SmallTraining:
    """One step of the game a tick, and one update."""

    def __init__(self, options: Mapping[str, Any], start: SavedNetwork | None) -> None:
        self.options, self.step, self.points = options, 0, 0.0
        self.random = np.random.RandomState(options["seed"])
        # CartPole has no state to save: its seed and the actions since the reset are kept.
        self.env = ReplayedEnv(make("CartPole-v1"))
        self.seen = self.env.reset(seed=options["seed"])[0]
        self.network = network_of(options["seed"])
        if start is not None:
            put(self.network, start.weights)
        self.optimizer = torch.optim.SGD(self.network.parameters(), options["lr"])
        self.memory: dict[str, Any] = {
            "s": np.zeros((LENGTH, 4), np.float32),
            "s2": np.zeros((LENGTH, 4), np.float32),
            "a": np.zeros(LENGTH, np.int64),
            "r": np.zeros(LENGTH, np.float32),
            "done": np.zeros(LENGTH, np.float32),
        }
        self.best: dict[str, Any] = {}
        self.best_score = -1.0

    @property
    def done(self) -> bool:
        return bool(self.step >= self.options["steps"])

    def left(self) -> dict[str, int]:
        return {"learning": self.options["steps"] - self.step}

    def tick(self) -> list[Event]:
        epsilon, s = max(0.05, 1 - self.step / 500), self.seen
        explores = self.random.rand() < epsilon
        a = self.random.randint(2) if explores else int(values_of(self.network, s).argmax())
        self.seen, reward, done, cut, _ = self.env.step(a)
        for rows, value in zip(self.memory.values(), (s, self.seen, a, reward, done), strict=True):
            rows[self.step % LENGTH] = value
        self.step += 1
        self.points += float(reward)
        if self.step >= BATCH:
            self.update()
        events: list[Event] = [Ticked(self.step, phase="learning", text=f"step {self.step:,}")]
        if done or cut:
            events.append(EpisodeEnded(self.step, self.points, "game" if done else "limit"))
            self.points, self.seen = 0.0, self.env.reset()[0]
        if self.step % self.options["eval_every"] == 0:
            score = float(np.mean([self.play(self.step + i) for i in range(3)]))
            if score > self.best_score:
                self.best, self.best_score = arrays(self.network), score
            events.append(Row(self.step, {"step": self.step, "score": score, "episodes": 3}))
        return events

    def update(self) -> None:
        i = self.random.randint(min(self.step, LENGTH), size=BATCH)
        s, s2, a, r, done = (torch.from_numpy(rows[i]) for rows in self.memory.values())
        with torch.no_grad():
            target = r + 0.99 * self.network(s2).amax(1) * (1 - done)
        q = self.network(s).gather(1, a[:, None])[:, 0]
        self.optimizer.zero_grad()
        torch.nn.functional.smooth_l1_loss(q, target).backward()
        self.optimizer.step()

    def play(self, seed: int) -> float:
        player, points, ended = SmallPlayer(self.network, "last", seed, 0.0), 0.0, None
        while not ended:
            step = player.step()
            points, ended = points + step.earned, step.ended
        return points

    def rings(self) -> dict[str, Ring]:
        return {"memory": Ring(arrays=self.memory, added=self.step, held=min(self.step, LENGTH))}

    def networks(self) -> dict[str, dict[str, Any]]:
        return {"last": arrays(self.network), **({"best": self.best} if self.best else {})}

    def about(self) -> dict[str, Any]:
        return {}

    def state_dict(self, *, full: bool = True) -> dict[str, Any]:
        _, key, at, _, _ = self.random.get_state()
        names = ("step", "points", "best", "best_score")
        state = {name: getattr(self, name) for name in names} | {"key": key, "at": int(at)}
        return state | {"network": arrays(self.network), "env": self.env.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any], *, full: bool = True) -> None:
        fields = Fields(state, "checkpoint")
        self.step, self.points = fields.integer("step", 0), fields.number("points")
        best, self.best_score = fields.inner("best"), fields.number("best_score")
        self.best = checked(best, self.network) if best.has("0.weight") else {}
        put(self.network, checked(fields.inner("network"), self.network))
        key, at = fields.array("key", np.zeros(624, np.uint32)), fields.integer("at", 0, 624)
        self.random.set_state(("MT19937", key, at, 0, 0.0))
        self.env.load_state_dict(fields.raw("env"))
        self.seen = self.env.seen


class SmallPlayer:
    """Plays greedily, or with ε."""

    game, random_starts, frames_per_step = "CartPole-v1", 0, 1

    def __init__(self, network: Any, which: str, seed: int, epsilon: float, most: int = 0) -> None:
        self.about_game, self.max_frames = dict[str, str](), most
        self.network, self.which, self.epsilon, self.number = network, which, epsilon, 0
        self.random, self.env = np.random.RandomState(seed), ReplayedEnv(make("CartPole-v1"))
        self.seen = self.env.reset(seed=seed)[0]

    def step(self, action: int | None = None, *, show: bool = False) -> Step:
        s, number = self.seen, self.number
        values = values_of(self.network, s).tolist()
        if action is None:
            explores = self.random.rand() < self.epsilon
            action = int(self.random.randint(2)) if explores else int(np.argmax(values))
        self.seen, reward, done, cut, _ = self.env.step(action)
        self.number += 1
        cut = cut or self.number == self.max_frames
        if done or cut:
            self.number, self.seen = 0, self.env.reset()[0]
        return Step(
            number=number,
            done=action,
            earned=float(reward),
            ended="game" if done else "limit" if cut else None,
            look=lambda: {"state": s},
            value=lambda: values,
        )


class System(Declared):
    """What the workshop asks for."""

    NAME = "small_dqn"
    OPTIONS = (
        Param(name="game", kind="string", default="CartPole-v1", meaning="played", role="game"),
        Param(name="steps", kind="integer", default=2000, low=1, meaning="to train", role="length",
              changes="length"),
        Param(name="lr", kind="number", default=0.01, meaning="learning rate"),
        Param(name="eval_every", kind="integer", default=500, low=1, meaning="steps"),
    )  # fmt: skip
    COLUMNS = (
        Column(name="step", dtype="int64", meaning="steps of training"),
        Column(name="score", meaning="mean return of whole games"),
        Column(name="episodes", dtype="int64", meaning="those games"),
    )
    HISTORY = (
        Table(columns=COLUMNS, clock="step", score="score", episodes="episodes",
              score_means=("greedily, in games of their own",)),
    )  # fmt: skip

    def facts(self, options: Mapping[str, Any]) -> Facts:
        return self.facts_of(
            options, game=options["game"], length=options["steps"], has_pictures=False
        )

    def training(self, options: Any, files: Any, *, start: Any = None, **_: Any) -> SmallTraining:
        return SmallTraining(options, start)

    def player(self, options: Any, network: SavedNetwork, *, seed: int, **how: Any) -> SmallPlayer:
        module = network_of(0)
        put(module, network.weights)
        epsilon, most = how["epsilon"] or 0.0, how["max_frames"] or 0
        return SmallPlayer(module, network.which, seed, epsilon, most)
