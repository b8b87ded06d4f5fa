"""Whole runs of main.py against the original's: every step, draw, minibatch, update and row."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import TraceError
from dqn_port.games.picture_games import Emulator
from dqn_port.systems.simple_dqn.agent import Stepped
from dqn_port.systems.simple_dqn.environment import ALEEnvironment
from dqn_port.systems.simple_dqn.main import Training
from dqn_port.systems.simple_dqn.neon_files import read_neon
from dqn_port.systems.simple_dqn.replay_memory import Minibatch
from dqn_port.systems.simple_dqn.system import SYSTEM
from dqn_port.systems.simple_dqn.traces.toy_emulator import TraceToy
from dqn_port.systems.simple_dqn.traces.updates import sums_of
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import SHIPPED, Trace

_Q: Final = 1e-4
"""Of Q and costs in a run, relative where those are above 1. Batch norm and runs without a target
or clipping amplify rounding."""
_SUMS: Final = 1e-3
"""Of sums over up to 32768 weights, likewise."""
_EXACT: Final = 2e-6
"""Of all of them where the network's sums are those of Neon's CPU backend."""

_WEIGHTS: Final = 2e-6
"""Of single weights of the snapshot."""

_PHASES: Final = ("random", "train", "test", "play")
_MEAN_Q: Final = 10
_MEAN_COST: Final = 11
"""Columns of the CSV that depend on the network."""
_TIMES: Final = 3
"""Columns at the end of the CSV that the traces leave out."""


class KeptFiles:
    """A run's texts and networks in memory; ``folder`` is for files that are written by path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.texts: dict[str, str] = {}
        self.written: dict[str, bytes] = {}

    def path(self, name: str) -> Path:
        """Return where a file goes."""
        return self._folder / name

    def append(self, name: str, text: str) -> None:
        """Append to a text."""
        self.texts[name] = self.texts.get(name, "") + text

    def write(self, name: str, write: Callable[[BinaryIO], object]) -> Path:
        """Keep a file's bytes."""
        file = io.BytesIO()
        write(file)
        self.written[name] = file.getvalue()
        return Path(name)


def options_of(trace: Trace) -> dict[str, Any]:
    """Return the options of a trace's run, from the words the original was started with.

    Raises:
        TraceError: the trace has no such words.
        UsageError: see SimpleDqn.load.
    """
    words = trace.key("args", list)
    if not words or not all(isinstance(word, str) for word in words):
        raise TraceError(f"{trace.name}.json: args: expected words, got other values")
    given = SYSTEM.words(words).options
    if words[0].startswith("toy"):
        given["game"] = "toyA"
    snapshot = given.get("load_weights")
    if snapshot:
        given["load_weights"] = str(SHIPPED / SYSTEM.NAME / Path(snapshot).name)
    return SYSTEM.load(assignments=[f"{key}={json.dumps(v)}" for key, v in given.items()])


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Play the run with the trace's words, and compare everything in the trace."""
    with tempfile.TemporaryDirectory() as folder:
        _replay(trace, compare, replaying, KeptFiles(Path(folder)))


def _replay(trace: Trace, compare: Comparer, replaying: Replaying, files: KeptFiles) -> None:
    options = options_of(trace)
    toy: Emulator | None = None
    parts: dict[str, Any] = {}
    if "ale" in trace.arrays:
        toy = TraceToy(minimal_action_set=options["minimal_action_set"])
        parts["environment"] = ALEEnvironment(
            toy,
            frame_skip=1,
            screen_width=options["screen_width"],
            screen_height=options["screen_height"],
        )
    training = SYSTEM.training(options, files, device=str(replaying.device), parts=parts)
    watcher = Watcher(training)
    total = len(trace.arrays.get("s_phase", ()))
    while not training.done:
        training.tick()
        replaying.tell(training.step, total)
    if isinstance(toy, TraceToy):
        watcher.columns["ale"] = list(toy.log)
    compare.what = (
        f"{plural(training.step, 'step')}, {plural(training.net.train_iterations, 'update')}"
    )
    _compare_columns(trace, compare, watcher)
    tolerance = _EXACT if training.net.is_exact else _Q
    _compare_csv(compare, trace.key("csv", list), files.texts["statistics.csv"], tolerance)
    _compare_snapshot(compare, training, files)
    compare.value("n_random", trace.meta.get("n_random"), training.random.n_draws)
    compare.value("next_random", trace.meta.get("next_random"), training.random.random())


class Watcher:
    """Notes what a training does, in the columns of the traces."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.columns: dict[str, list[Any]] = {}
        self._stepping = False
        self._greedy = self._dummies = 0
        agent, mem, net = training.agent, training.mem, training.net
        self._plain: dict[str, Callable[..., Any]] = {
            "step": agent.step,
            "restart_random": agent.restart_random,
            "get_minibatch": mem.get_minibatch,
            "train": net.train,
            "predict": net.predict,
            "update_target_network": net.update_target_network,
        }
        for thing, name in (
            *((agent, name) for name in ("step", "restart_random")),
            (mem, "get_minibatch"),
            *((net, name) for name in ("train", "predict", "update_target_network")),
        ):
            setattr(thing, name, getattr(self, f"_{name}"))

    def _note(self, name: str, value: Any) -> None:
        self.columns.setdefault(name, []).append(value)

    @property
    def _phase(self) -> int:
        return _PHASES.index(self.training.phases[self.training.at].name)

    @property
    def _draws(self) -> int:
        return self.training.random.n_draws

    def _buffer_sum(self) -> int:
        state = self.training.agent.buf.get_state()
        return int(sum((h + 1) * int(screen.sum()) for h, screen in enumerate(state)))

    def _step(self, exploration_rate: float) -> Stepped:
        training = self.training
        for name, value in (
            ("phase", self._phase),
            ("rate", exploration_rate),
            ("mem_count", training.mem.count),
            ("mem_current", training.mem.current),
            ("total_train_steps", training.agent.total_train_steps),
        ):
            self._note(f"s_{name}", value)
        self._stepping, self._greedy, self._dummies = True, 0, 0
        stepped: Stepped = self._plain["step"](exploration_rate)
        self._stepping = False
        for name, value in (
            ("greedy", self._greedy),
            ("action", stepped.action),
            ("reward", stepped.reward),
            ("terminal", stepped.terminal),
            ("ndraw", self._draws),
            ("screen_sum", int(stepped.screen.sum())),
            ("buf_sum", self._buffer_sum()),
            ("dummies", self._dummies),
        ):
            self._note(f"s_{name}", value)
        return stepped

    def _restart_random(self) -> int:
        self._dummies = self._plain["restart_random"]()
        row = (self.training.step, self._phase, self._dummies, self._draws, self._buffer_sum())
        self._note("restart_random", row)
        return self._dummies

    def _predict(self, states: NDArray[np.uint8]) -> NDArray[Any]:
        q: NDArray[Any] = self._plain["predict"](states)
        if self._stepping:
            self._greedy = 1
            self._note("q", q[0])
            self._note("q_step", self.training.step)
        return q

    def _get_minibatch(self) -> Minibatch:
        minibatch: Minibatch = self._plain["get_minibatch"]()
        # A row is written when the phase's last step is counted; a step learns before that.
        ended = self.training.i == self.training.phases[self.training.at].steps
        validation = ended or self.training.phases[self.training.at].steps is None
        step = self.training.step + (0 if validation else 1)
        indexes = self.training.mem.last_indexes
        self._note("minibatch", (step, int(validation), self._draws, *indexes))
        return minibatch

    def _train(self, minibatch: Minibatch, epoch: int) -> float:
        cost: float = self._plain["train"](minibatch, epoch)
        layers = self.training.net.model.tensors()
        sums = [sums_of(layer.params["W"]) for layer in layers if "W" in layer.params]
        for name, value in (
            ("step", self.training.step + 1),
            ("epoch", epoch),
            ("ndraw", self._draws),
            ("cost", cost),
            ("w_sum", [total for total, _, _ in sums]),
            ("w_ss", [squares for _, squares, _ in sums]),
        ):
            self._note(f"t_{name}", value)
        return cost

    def _update_target_network(self) -> None:
        self._plain["update_target_network"]()
        self._note("copy_step", self.training.step + 1)


_FLOATS: Final = ("q", "t_cost", "t_w_sum", "t_w_ss")


def _compare_columns(trace: Trace, compare: Comparer, watcher: Watcher) -> None:
    """Compare every column of the trace; those that depend on the network within a tolerance."""
    names = set(watcher.columns) | {"copy_step", *(f"t_{n}" for n in ("step", "epoch", "ndraw")),
                                    *_FLOATS}  # fmt: skip
    for name in sorted(names, key=lambda name: (name in _FLOATS, name)):
        got = np.array(watcher.columns.get(name, []))
        expected = trace.arrays.get(name)
        if expected is not None and expected.size == 0:
            compare.seen(name)
            compare.value(f"{name} rows", 0, len(got))
            continue
        bounds: Any = 0.0
        sums = name.startswith("t_w")
        if name in _FLOATS and expected is not None:
            tolerance = _SUMS if sums else _Q
            if watcher.training.net.is_exact:
                tolerance = _EXACT
            bounds = tolerance * np.maximum(1, np.abs(expected.astype(np.float64)))
        compare.array(name, got, tolerance=bounds, sums=sums)


def _compare_csv(compare: Comparer, expected: list[Any], text: str, tolerance: float) -> None:
    """Compare the original's table without its times: numbers as numbers, the first row as text."""
    rows = [row[:-_TIMES] for row in csv.reader(io.StringIO(text))]
    compare.value("csv rows", len(expected), len(rows))
    for number, (row, got) in enumerate(zip(expected, rows, strict=False)):
        for column, (cell, found) in enumerate(zip(row, got, strict=True)):
            name, where = f"csv {rows[0][column]}", f"row {number}"
            if number == 0 or column == 1:
                compare.value(name, cell, found, where)
            elif column in (_MEAN_Q, _MEAN_COST):
                bound = tolerance * max(1.0, abs(_number(cell)))
                compare.number(name, cell, float(found), tolerance=bound, where=where)
            else:
                compare.value(name, _number(cell), _number(found), where)


def _compare_snapshot(compare: Comparer, training: Training, files: KeptFiles) -> None:
    """Compare the last network, if the traces have the original's snapshot of it."""
    prefix, epochs = training.options["save_weights_prefix"], training.options["epochs"]
    path = SHIPPED / SYSTEM.NAME / f"{prefix}_{epochs}.prm"
    if path.name in files.written and path.exists():
        got = training.net.weights()
        for name, expected in read_neon(path).weights.items():
            compare.compare(f"{path.name} {name}", expected, got[name], tolerance=_WEIGHTS)


def _number(text: str) -> float:
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError as error:
        raise TraceError(f"csv: expected a number, got {text[:40]!r}") from error
