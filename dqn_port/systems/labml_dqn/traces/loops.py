"""Replay a whole experiment: every choice, transition, minibatch and row."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from dqn_port.games.toy import ToyEmulator
from dqn_port.systems.labml_dqn.experiment import Tracked, Trainer
from dqn_port.systems.labml_dqn.traces.formulas import probe, sha256, shas, stats
from dqn_port.systems.labml_dqn.traces.games import environment_of
from dqn_port.systems.labml_dqn.traces.replays import tree_dtype
from dqn_port.systems.labml_dqn.traces.training import (
    LOOP,
    Epochs,
    close,
    close_stats,
    sizes_of,
    trainer_of,
)
from dqn_port.systems.labml_dqn.tracker import DOUBLES, NAMES
from dqn_port.verify.comparing import Comparer, counted
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_DOCUMENT = {
    "n_workers": 8, "capacity": 2**14, "updates": 1_000_000, "knee": 25_000, "target": 250,
    "epochs": 8, "batch": 32, "steps": 4, "alpha": 0.6, "gamma": 0.99, "lr": 2.5e-4, "beta0": 0.4,
    "worker_seed": 47,
}  # fmt: skip
"""The numbers that a trace's ``numbers`` replace."""


def _options(numbers: dict[str, Any]) -> dict[str, Any]:
    """Return options by the names of the traces' numbers."""
    n = _DOCUMENT | numbers
    knee, beta0 = n["knee"], n["beta0"]
    points = f'[[0, 1.0], [{knee}, 0.1], ["updates / 2", 0.01]]'
    return {
        "n_workers": n["n_workers"],
        "capacity": n["capacity"],
        "updates": n["updates"],
        "exploration": f'{{"points": {points}, "outside": 0.01}}',
        "beta": f'{{"points": [[0, {beta0}], ["updates", 1]], "outside": 1}}',
        "update_target_model": n["target"],
        "train_epochs": n["epochs"],
        "mini_batch_size": n["batch"],
        "worker_steps": n["steps"],
        "alpha": n["alpha"],
        "gamma": n["gamma"],
        "learning_rate": n["lr"],
        "worker_seed": n["worker_seed"],
        # Evaluations have numbers of their own; none is due here.
        "eval_updates": 2**40,
    }


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Run the experiment, and compare every step."""
    game = trace.key("game", str)
    options = _options(trace.key("numbers", dict))
    options |= {"seed": trace.key("seed", int), "tree_dtype": np.dtype(tree_dtype(trace)).name}
    # On toyA a value of the third layer is 2e-8 at minibatch 25. The order of additions decides on
    # which side of the Rectifier's 0 it is, and makes two runs diverge. So PyTorch's own order is
    # used there.
    plain = isinstance(environment_of(game, 4).emulator, ToyEmulator)
    trainer = trainer_of(options, lambda: environment_of(game, 4), replaying.device, plain=plain)
    compare.value("init_sha256", trace.meta["init_sha256"], shas(trainer.model.parameters()))
    first = [sha256(obs) for obs in trainer.obs]
    compare.value("first_obs_sha256", trace.meta["first_obs_sha256"], first)
    n_updates = trace.meta.get("run_updates") or trainer.updates
    experiment = _Experiment(trainer, compare)
    while trainer.update < n_updates:
        experiment.tick()
        replaying.tell(trainer.update, n_updates)
    experiment.compare(trace.key("rows", list))
    got = torch.rand(1, generator=trainer.generator).item()
    compare.value("next_rand", trace.meta["next_rand"], got)
    compare.value("next_random", trace.meta["next_random"], trainer.python_random.random())
    compare.what = f"{n_updates} updates of {game}"


class _Experiment:
    """A training, watched from outside.

    Greedy actions are chosen by the trace's values, for the reason that Epochs gives; the network's
    own values are compared with them.
    """

    def __init__(self, trainer: Trainer, compare: Comparer) -> None:
        self.trainer, self._compare = trainer, compare
        self.epochs = Epochs(trainer, compare)
        self.rows: dict[str, list[Any]] = {}
        self.tracked: list[Tracked] = []
        self.learnt: dict[str, list[int]] = {"act": [], "update": []}
        """Minibatches before every acting step, and at the end of every update."""
        self._values: list[dict[str, float | None]] = []
        self._actions = compare.trace.numbers("act_action", ndim=2)
        self._q = compare.trace.arrays.get("act_q")
        self._add, self._save = trainer.replay_buffer.add, trainer.tracker.save
        self._own_q, self._tracker_add = trainer.q, trainer.tracker.add
        trainer.q = self.q  # type: ignore[method-assign]
        trainer.replay_buffer.add = self.add  # type: ignore[method-assign]
        trainer.tracker.add = self.note  # type: ignore[method-assign]
        trainer.tracker.save = self.save  # type: ignore[method-assign]

    def _note(self, **row: Any) -> None:
        for name, value in row.items():
            self.rows.setdefault(name, []).append(value)

    def q(self) -> torch.Tensor:
        """Return the values by which the trace chose or, if it lacks them, values that give its
        choice."""
        at = len(self.learnt["act"]) - 1
        if self._q is not None:
            return torch.from_numpy(self._q[at])
        return torch.nn.functional.one_hot(torch.from_numpy(self._actions[at]), 4)

    def tick(self) -> None:
        """Do a tick, and note the state after it."""
        trainer = self.trainer
        update, trained = trainer.update, trainer.trained
        acts = trainer.worker_step < trainer.worker_steps
        if acts:
            self.learnt["act"].append(trained)
            self._note(act_q=self._own_q().cpu().numpy())
        n = len(self.rows.get("add_action", []))
        events = trainer.tick()
        if acts:
            self._note(act_action=self.rows["add_action"][n:])
        self.tracked += [event for event in events if isinstance(event, Tracked)]
        if trainer.update == update:
            return
        replay = trainer.replay_buffer
        self.learnt["update"].append(trainer.trained)
        self._note(
            eps=trainer.exploration(update),
            beta=trainer.beta(update),
            trained=trainer.trained > trained,
            size=replay.size,
            next_idx=replay.next_idx,
            w_stats=stats(trainer.model.parameters()),
            w_probe=probe(trainer.model.parameters()),
            target_stats=stats(trainer.target_model.parameters()),
        )

    def add(self, obs: Any, action: int, reward: float, next_obs: Any, done: bool) -> None:
        """Store a transition, and note what is stored."""
        replay = self.trainer.replay_buffer
        slot = replay.next_idx
        self._add(obs, action, reward, next_obs, done)
        number = np.array([replay.added - 1])
        stored = (
            replay.storage.obs(number)[0],
            replay.storage.next_obs(number, np.array([done]))[0],
        )
        shown = [list(bytes.fromhex(sha256(each)[:16])) for each in stored]
        self._note(
            add_update=self.trainer.update,
            add_action=action,
            add_reward=reward,
            add_done=done,
            add_priority_alpha=float(replay.trees.sum[replay.capacity + slot]),
            add_obs_sha=shown[0],
            add_next_obs_sha=shown[1],
        )

    def note(self, name: str, value: Any) -> None:
        """Track a value; note those of finished episodes."""
        self._tracker_add(name, value)
        if name == "reward":
            self._note(info_update=self.trainer.update, info_reward=value)
        if name == "length":
            self._note(info_length=value)

    def save(self) -> Any:
        """Save a row, and note its values with all their digits."""
        row = self._save()
        self._values.append(row.values)
        return row

    def compare(self, rows: list[dict[str, Any]]) -> None:
        """Compare everything with the trace."""
        compare, sizes = self._compare, sizes_of(self.trainer)
        self.epochs.compare(LOOP, leave_out=("q", "double_q", "target_q"))
        learnt = {"act_q": self.learnt["act"], "w_probe": self.learnt["update"]}
        for name, values in self.rows.items():
            if name not in compare.trace.arrays:
                continue
            if name in ("w_stats", "target_stats"):
                bounds = close(self.learnt["update"], LOOP)
                close_stats(compare, name, values, sizes, bounds)
                continue
            tolerance = close(learnt[name], LOOP) if name in learnt else 0.0
            compare.array(name, np.array(values), tolerance=tolerance, where=counted("row"))
        compare.value("number of rows", len(rows), len(self.tracked))
        ours = zip(self._values, self.tracked, self.learnt["update"], strict=True)
        for row, (own, tracked, n) in zip(rows, ours, strict=False):
            where, bound = f"update {tracked.step - 1}", float(close(n, LOOP))
            _compare_values(compare, row["values"], own, where, bound)
            _compare_line(compare, row["printed"], tracked.printed, where, bound)


def _compare_values(
    compare: Comparer,
    expected: dict[str, Any],
    got: dict[str, float | None],
    where: str,
    bound: float,
) -> None:
    for name in NAMES:
        value, own = expected.get(name), got[name]
        if value is None or own is None:
            compare.value(f"rows.{name}", value, own, where)
        else:
            tolerance = 0.0 if name in DOUBLES else bound
            compare.number(f"rows.{name}", value, own, tolerance=tolerance, where=where)


def _compare_line(compare: Comparer, expected: str, got: str, where: str, bound: float) -> None:
    """Compare a line of the screen: its words and forms exactly, its numbers closely."""
    theirs, ours = expected.split(), got.split()
    compare.value("rows.printed, names", theirs[::2], ours[::2], where)
    for name, one, other in zip(theirs[::2], theirs[1::2], ours[1::2], strict=False):
        decimals = len(one.partition(".")[2])
        if name.rstrip(":") in DOUBLES:
            compare.value(f"rows.printed, {name}", one, other, where)
        else:
            own_decimals = len(other.partition(".")[2])
            compare.value(f"rows.printed, decimals of {name}", decimals, own_decimals, where)
            number = float(other.replace(",", ""))
            tolerance = bound + 10.0**-decimals
            compare.number(
                f"rows.printed, {name}", one.replace(",", ""), number, tolerance=tolerance,
                where=where,
            )  # fmt: skip
