"""A small DQN on CartPole: a system of one's own, whole in one file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import torch

from dqn_port.arguments.declared import Declared
from dqn_port.errors import CheckpointError
from dqn_port.events import EpisodeEnded, Event, Row, Ticked
from dqn_port.fields import Fields
from dqn_port.interfaces import Facts, Files, Param, Ring, Step
from dqn_port.records import Column, Table
from dqn_port.saved_networks import SavedNetwork

LENGTH, BATCH = 1000, 32


class Game:
    """CartPole, which has no state to save: it is seed and actions since the reset, played again."""

    def __init__(self, seed: int) -> None:
        self.env, self.seed = gymnasium.make("CartPole-v1"), seed
        self.reset()

    def reset(self) -> None:
        self.seed, self.actions = self.seed + 1, bytearray()
        self.seen = self.env.reset(seed=self.seed)[0]

    def step(self, action: int) -> tuple[float, bool, bool]:
        self.actions.append(action)
        self.seen, reward, done, cut, _ = self.env.step(action)
        return float(reward), bool(done), bool(cut)

    def state_dict(self) -> dict[str, Any]:
        digest = hashlib.sha256(self.seen.tobytes()).hexdigest()
        return {"seed": self.seed, "actions": bytes(self.actions).hex(), "sha256": digest}

    def load_state_dict(self, fields: Fields) -> None:
        self.seed = fields.integer("seed", 0) - 1
        self.reset()
        try:
            for action in bytes.fromhex(fields.text("actions")):
                self.step(action % 2)
        except ValueError as error:
            raise CheckpointError(f"game.actions: expected bytes, got {error}") from error
        if hashlib.sha256(self.seen.tobytes()).hexdigest() != fields.text("sha256"):
            raise CheckpointError(
                "game: expected its actions to lead where it stood, got elsewhere"
            )


def network_of(generator: torch.Generator) -> torch.nn.Sequential:
    """Return an MLP, drawn from a generator of its own."""
    network = torch.nn.Sequential(
        torch.nn.utils.skip_init(torch.nn.Linear, 4, 32),
        torch.nn.ReLU(),
        torch.nn.utils.skip_init(torch.nn.Linear, 32, 2),
    )
    for weights in network.parameters():
        torch.nn.init.uniform_(weights, -0.3, 0.3, generator=generator)
    return network


class Training:
    """One step of the game a tick, and one update."""

    def __init__(self, options: Mapping[str, Any], start: SavedNetwork | None) -> None:
        self.options, self.step, self.points = options, 0, 0.0
        self.random = np.random.RandomState(options["seed"])
        self.game = Game(options["seed"])
        self.network = network_of(torch.Generator().manual_seed(options["seed"]))
        if start is not None:
            put(self.network, start.weights)
        self.adam = torch.optim.Adam(self.network.parameters(), options["lr"])
        shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
            "s": (np.float32, (4,)), "s2": (np.float32, (4,)), "a": (np.int64, ()),
            "r": (np.float32, ()), "done": (np.float32, ()),
        }  # fmt: skip
        self.memory = {n: np.zeros((LENGTH, *shape), kind) for n, (kind, shape) in shapes.items()}
        self.best: dict[str, Any] = {}
        self.best_score = -1.0

    @property
    def done(self) -> bool:
        return self.step >= self.options["steps"]

    def left(self) -> dict[str, int]:
        return {"learning": self.options["steps"] - self.step}

    def tick(self) -> list[Event]:
        epsilon = max(0.05, 1 - self.step / 500)
        s = self.game.seen
        greedy = int(values_of(self.network, s).argmax())
        action = self.random.randint(2) if self.random.rand() < epsilon else greedy
        reward, done, cut = self.game.step(action)
        row = {"s": s, "s2": self.game.seen, "a": action, "r": reward, "done": done}
        for name, value in row.items():
            self.memory[name][self.step % LENGTH] = value
        self.step += 1
        self.points += reward
        if self.step >= BATCH:
            self.update()
        text = f"step {self.step:,}/{self.options['steps']:,}"
        events: list[Event] = [Ticked(self.step, phase="learning", text=text, epsilon=epsilon)]
        if done or cut:
            events.append(EpisodeEnded(self.step, self.points, "game" if done else "limit"))
            self.points = 0.0
            self.game.reset()
        if self.step % self.options["eval_every"] == 0:
            player = Player(self.options, self.network, "last", seed=self.step, epsilon=0.0)
            score = float(np.mean([play(player) for _ in range(3)]))
            if score > self.best_score:
                self.best, self.best_score = arrays(self.network), score
            events.append(Row(self.step, {"step": self.step, "score": score, "episodes": 3}))
        return events

    def update(self) -> None:
        i = self.random.randint(min(self.step, LENGTH), size=BATCH)
        s, s2, a, r, done = (
            torch.from_numpy(self.memory[n][i]) for n in ("s", "s2", "a", "r", "done")
        )
        with torch.no_grad():
            target = r + 0.99 * self.network(s2).amax(1) * (1 - done)
        loss = torch.nn.functional.mse_loss(self.network(s).gather(1, a[:, None])[:, 0], target)
        self.adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()

    def rings(self) -> dict[str, Ring]:
        return {"memory": Ring(arrays=self.memory, added=self.step, held=min(self.step, LENGTH))}

    def networks(self) -> dict[str, dict[str, Any]]:
        return {"last": arrays(self.network), **({"best": self.best} if self.best else {})}

    def about(self) -> dict[str, Any]:
        return {}

    def state_dict(self, *, full: bool = True) -> dict[str, Any]:
        adam = {
            f"{name}{i}": values.numpy()
            for i, state in self.adam.state_dict()["state"].items()
            for name, values in state.items()
        }
        _, key, at, _, _ = self.random.get_state()
        return {
            "step": self.step, "points": self.points, "network": arrays(self.network), "adam": adam,
            "best": self.best, "best_score": self.best_score, "key": key, "at": int(at),
            "game": self.game.state_dict(),
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any], *, full: bool = True) -> None:
        fields = Fields(state, "checkpoint")
        self.step, self.points = fields.integer("step", 0), fields.number("points")
        put(self.network, checked(fields.inner("network"), self.network))
        saved = fields.inner("adam")
        like = {"step": np.float32(0), "exp_avg": None, "exp_avg_sq": None}
        found = {
            i: {n: torch.from_numpy(np.array(saved.array(f"{n}{i}", np.asarray(
                p.detach().numpy() if zero is None else zero)))) for n, zero in like.items()}
            for i, p in enumerate(self.network.parameters()) if saved.has(f"step{i}")
        }  # fmt: skip
        self.adam.load_state_dict(self.adam.state_dict() | {"state": found})
        best = fields.inner("best")
        self.best = checked(best, self.network) if best.has("0.weight") else {}
        self.best_score = fields.number("best_score")
        key = fields.array("key", np.zeros(624, np.uint32))
        self.random.set_state(("MT19937", key, fields.integer("at", 0, 624), 0, 0.0))
        self.game.load_state_dict(fields.inner("game"))


class Player:
    """Plays greedily, or with ε."""

    random_starts, frames_per_step, max_frames = 0, 1, 500

    def __init__(
        self, options: Any, network: Any, which: str, *, seed: int, epsilon: float
    ) -> None:
        self.game, self.which, self.about_game = "CartPole-v1", which, dict[str, str]()
        self.network, self.epsilon, self.number = network, epsilon, 0
        self.random, self.world = np.random.RandomState(seed), Game(seed)

    def step(self, action: int | None = None, *, show: bool = False) -> Step:
        s, number = self.world.seen, self.number
        values = values_of(self.network, s).tolist()
        if action is None:
            explores = self.random.rand() < self.epsilon
            action = int(self.random.randint(2)) if explores else int(np.argmax(values))
        reward, done, cut = self.world.step(action)
        self.number += 1
        if done or cut:
            self.number = 0
            self.world.reset()
        return Step(
            number=number, done=action, earned=reward, look=lambda: {"state": s},
            value=lambda: values, ended="game" if done else "limit" if cut else None,
        )  # fmt: skip


def values_of(network: Any, s: Any) -> Any:
    with torch.no_grad():
        return network(torch.from_numpy(s)).numpy()


def play(player: Player) -> float:
    points, step = 0.0, None
    while step is None or not step.ended:
        step = player.step()
        points += step.earned
    return points


def arrays(network: torch.nn.Module) -> dict[str, Any]:
    return {name: values.numpy().copy() for name, values in network.state_dict().items()}


def put(network: torch.nn.Module, weights: Mapping[str, Any]) -> None:
    network.load_state_dict({n: torch.from_numpy(np.array(v)) for n, v in weights.items()})


def checked(fields: Fields, like: torch.nn.Module) -> dict[str, Any]:
    return {name: np.array(fields.array(name, v)) for name, v in arrays(like).items()}


class System(Declared):
    """What the workshop asks for."""

    NAME = "small_dqn"
    OPTIONS = (
        Param(name="game", kind="string", default="CartPole-v1", choices=("CartPole-v1",),
              meaning="what is played", role="game"),
        Param(name="steps", kind="integer", default=2000, low=1, meaning="to train",
              changes="length", role="length"),
        Param(name="lr", kind="number", default=0.001, meaning="learning rate of Adam"),
        Param(name="eval_every", kind="integer", default=500, low=1, meaning="steps"),
    )  # fmt: skip
    HISTORY = (
        Table(
            columns=(
                Column(name="step", dtype="int64", meaning="steps of training"),
                Column(name="score", meaning="mean return of whole games"),
                Column(name="episodes", dtype="int64", meaning="those games"),
            ),
            clock="step",
            score="score",
            episodes="episodes",
            score_means=("greedily", "in games of their own"),
        ),
    )

    def facts(self, options: Mapping[str, Any]) -> Facts:
        return Facts(
            arguments=dict(options), name=options["name"], game=options["game"],
            seed=options["seed"], length=options["steps"], unit="steps",
        )  # fmt: skip

    def training(
        self, options: Mapping[str, Any], files: Files, *, device: str = "cpu",
        start: SavedNetwork | None = None, parts: Mapping[str, Any] | None = None,
    ) -> Training:  # fmt: skip
        return Training(options, start)

    def player(
        self, options: Mapping[str, Any], network: SavedNetwork, *, seed: int,
        epsilon: float | None = None, max_frames: int | None = None,
    ) -> Player:  # fmt: skip
        module = network_of(torch.Generator())
        put(module, network.weights)
        return Player(options, module, network.which, seed=seed, epsilon=epsilon or 0.0)
