"""Small runs of the homework's fill and loop, and CartPole alone."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from dqn_port.events import Row
from dqn_port.games.cartpole import CartPole
from dqn_port.systems.practical_rl.dqn_agent import DQNAgent
from dqn_port.systems.practical_rl.main_loop import Training
from dqn_port.systems.practical_rl.system import SYSTEM
from dqn_port.systems.practical_rl.traces.formulas import fill
from dqn_port.systems.practical_rl.traces.stream import stream
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_FLOATS: Final = 1e-5
_SUMS: Final = 1e-9
"""Tolerance for sums of up to 16384 doubles, added in another order."""
_STEPS: Final = 500
_EVERY: Final = 37
"""Weights in the trace of a game of pictures."""


class _Small(DQNAgent):
    """A DQNAgent whose layers are the traces'."""

    def __init__(self, *, pictures: bool) -> None:
        nn.Module.__init__(self)
        self.epsilon, self.n_actions = 0.0, 4 if pictures else 2
        self.pictures = pictures
        if pictures:
            self.conv = nn.Conv2d(4, 4, 8, stride=8)
            self.dense = nn.Linear(256, 16)
            self.value, self.advantage = nn.Linear(16, 1), nn.Linear(16, 4)
        else:
            self.layers = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, states: Tensor) -> Tensor:
        """Return the values of all actions."""
        if not self.pictures:
            return self.layers(states)
        x = self.conv(states).relu().flatten(1)
        x = self.dense(x).relu()
        advantage = self.advantage(x)
        return self.value(x) + advantage - advantage.mean(dim=1, keepdim=True)


def _options(meta: dict[str, Any], pictures: bool) -> Any:
    chosen = {
        "environment": meta.get("env", "CartPole-v1"), "seed": meta["seed"],
        "batch_size": meta["batch_size"], "total_steps": meta["total_steps"],
        "decay_steps": meta["decay_steps"], "refresh_target_network_freq": meta["refresh"],
        "loss_freq": meta["loss_freq"], "eval_freq": meta["eval_freq"],
        "max_grad_norm": meta["max_grad_norm"], "buffer_size": meta["buffer"],
        "n_steps": meta["fill_steps"], "fill_calls": meta["fill_calls"],
        "double": "true" if meta["double"] else "false",
        "n_lives": meta["n_lives"] if pictures else 1,
        "t_max": 10_000 if pictures else 1000,
    }  # fmt: skip
    return SYSTEM.load(assignments=[f"{name}={value}" for name, value in chosen.items()])


class _Watched:
    """A training, and what a trace holds of it."""

    def __init__(self, training: Training, meta: dict[str, Any]) -> None:
        self.training, self.meta = training, meta
        self.rows: dict[str, list[Any]] = {}
        self.histories: dict[str, list[Any]] = {}
        self.weights: dict[str, NDArray[Any]] = {}
        self.evaluation_lives: list[int] = []
        replay = training.exp_replay
        add, at = replay.add, replay.at

        def noting_add(s: Any, action: int, reward: float, s2: Any, ended: Any) -> None:
            self._note("a", action)
            self._note("r", reward)
            self._note("done", any(ended))
            self._note("s_sum", s.seen.sum(dtype=np.float64))
            self._note("s2_sum", s2.seen.sum(dtype=np.float64))
            if s.seen.ndim == 1:
                self._note("s", s.seen)
            add(s, action, reward, s2, ended)

        def noting_at(places: NDArray[Any]) -> Any:
            self._note("sample_index", places)
            return at(places)

        replay.add = noting_add  # type: ignore[assignment, method-assign]
        replay.at = noting_at  # type: ignore[method-assign]

    def _note(self, name: str, value: Any) -> None:
        self.rows.setdefault(name, []).append(value)

    def tick(self) -> None:
        """Do a tick, and note the results."""
        training, before = self.training, self.training.next_step
        for event in training.tick():
            if isinstance(event, Row):
                names = {
                    "td_loss": "td_loss_history", "grad_norm": "grad_norm_history",
                    "mean_reward_per_life": "mean_rw_history",
                    "initial_state_v": "initial_state_v_history",
                }  # fmt: skip
                for name, value in event.cells.items():
                    if name in names:
                        self.histories.setdefault(names[name], []).append(value)
                if "lives" in event.cells:
                    self.evaluation_lives.append(event.cells["lives"])
        if training.next_step != before:
            self._note("loss", training.td_loss)
            self._note("grad_norm", training.grad_norm)
            self._note("epsilon", training.agent.epsilon)
            if before in (0, self.meta["total_steps"]):
                flat = nn.utils.parameters_to_vector(training.agent.parameters())
                self.weights[f"w_step{before}"] = flat.detach().numpy().copy()


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Run the fill and the loop, evaluations included."""
    meta = trace.meta
    pictures = "env" in meta
    networks = [_Small(pictures=pictures) for _ in range(2)]
    for network in networks:
        fill(network, salt=meta["weight_salt"], over=99, scale=meta["weight_scale"])
    training = SYSTEM.training(
        _options(meta, pictures), parts={"networks": networks}, device=str(replaying.device)
    )
    watched = _Watched(training, meta)
    while not training.done:
        watched.tick()
        replaying.tell(training.next_step, meta["total_steps"] + 1)
    shapes = [list(parameter.shape) for parameter in networks[0].parameters()]
    compare.value("param_shapes", meta["param_shapes"], shapes)
    compare.value("n_params", meta["n_params"], sum(p.numel() for p in networks[0].parameters()))
    compare.value("n_fill", meta["n_fill"], len(watched.rows["a"]) - len(watched.rows["loss"]))
    for name, rows in watched.rows.items():
        exact = name in ("a", "r", "done", "s", "sample_index", "epsilon")
        sums = name in ("s_sum", "s2_sum")
        compare.array(
            name, np.array(rows), tolerance=0.0 if exact else _SUMS if sums else _FLOATS, sums=sums
        )
    for name, rows in watched.histories.items():
        compare.array(name, np.array(rows), tolerance=_FLOATS)
    for name, weights in watched.weights.items():
        compare.array(name, weights[:: _EVERY if pictures else 1], tolerance=_FLOATS)
    compare.value("next_np_random", meta["next_np_random"], training.numpy_random.random_sample())
    compare.value("next_py_random", meta["next_py_random"], training.python_random.random())
    if pictures:
        lives = meta["evaluation_lives"]
        compare.value("evaluation_lives", {lives}, set(watched.evaluation_lives))
    compare.what = (
        f"{plural(meta['n_fill'], 'step')} of fill and {plural(meta['total_steps'] + 1, 'update')}"
    )


def replay_cartpole(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Push the poles of all seeds."""
    for row in trace.meta:
        stem = f"seed{row['seed']}"
        env, values = CartPole(), stream(row["seed"] + 5)
        states, done = [env.reset(seed=row["seed"])[0]], False
        rows: dict[str, list[Any]] = {"action": [], "reward": [], "done": []}
        kinds, episodes = [1], 1
        for _ in range(_STEPS):
            kinds.append(int(done))
            if done:
                (state, _), action, reward, done = env.reset(), -1, 0.0, False
                episodes += 1
            else:
                action = next(values) % 2
                state, reward, done, _, _ = env.step(action)
            states.append(state)
            for name, value in zip(rows, (action, reward, done), strict=True):
                rows[name].append(value)
        compare.array(f"{stem}_state", np.array(states))
        compare.array(f"{stem}_kind", kinds)
        for name, column in rows.items():
            compare.array(f"{stem}_{name}", np.array(column))
        compare.value("dtype", row["dtype"], states[0].dtype.name, stem)
        compare.value("episodes", row["episodes"], episodes, stem)
    compare.what = f"{plural(len(trace.meta), 'pole')}, pushed {_STEPS} times"
