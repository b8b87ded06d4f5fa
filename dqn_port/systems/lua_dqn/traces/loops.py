"""Whole runs of train_agent against the original's: every perceive call, update and draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import ArgsError, TraceError
from dqn_port.systems.lua_dqn.drafts import Draft
from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.setup import load_options, setup
from dqn_port.systems.lua_dqn.traces.tolerances import tolerances_of
from dqn_port.systems.lua_dqn.traces.watching import FINALS, Watcher, final_vectors, flat
from dqn_port.verify.comparing import (
    CHECKSUMS,
    SUM_SUMSQ_MAX,
    Comparer,
    counted,
    plural,
    sum_sumsq_max,
    sum_tolerances,
)
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_DISCRETE: Final = [
    "numSteps",
    "testing",
    "reward",
    "terminal",
    "ret",
    "lastAction",
    "greedy",
    "ndraw",
    "insertIndex",
    "numEntries",
    "state_bytesum",
    "ep",
    "lr",
    "r_max",
]
"""Columns of p_* that are discrete, or computed in double as in the original."""

_MB_EXACT: Final = ("call", "numSteps", "is_learn", "r_max", "a_sum", "r_mean", "term_sum", "lr")
_MB_STATES: Final = ("s_sum", "s2_sum")
_MB_MEANS: Final = ("q2_max_mean", "mean_delta", "mean_abs_delta")
_MB_SQUARES: Final = ("dw_ss", "w_ss", "deltas_ss")

_HALF_A_BYTE: Final = 0.5 / 255
"""A sum of states as floats in double, rounding included: one wrong byte shows."""

_OF_STEPS: Final = 0.05
"""Relative, of the squared length of a gradient or step. Whether a unit of the network is active
can depend on rounding: with two valid orders of summation in the convolutions these lengths
differed by 2 % after 700 updates of the full network, while the action values stayed within their
tolerance."""

_HISTORIES: Final = ("reward_history", "reward_counts", "episode_counts", "qmax_history")


def options_of(trace: Trace) -> Options:
    """Return the options of a trace's run, from the command line of the original.

    argv[0], argv[-1] and game_path are ignored.

    Raises:
        TraceError: the words are missing, or name a module to import.
        UsageError, RomError, MemoryNeedError: see load_options.
    """
    argv = trace.key("argv", dict)
    words = [argv[str(i)] for i in range(1, len(argv) + 1) if str(i) in argv]
    if not all(isinstance(word, str) for word in words):
        raise TraceError(f"{trace.name}.json: argv: expected words, got other values")
    # The file may be a stranger's: nothing that it names is imported.
    draft = Draft(files={"Lua words"})
    try:
        return load_options(lua_words=words, assignments=["game_path="], draft=draft)
    except ArgsError as error:
        reason = str(error).partition("; if you trust it")[0]
        raise TraceError(f"{trace.name}.json: argv: {reason}") from error


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Play the run of the trace's arguments and compare it with all that the trace holds."""
    opt = options_of(trace)
    w_steps = trace.numbers("w_numSteps", ndim=1) if compare.holds("w") else np.empty(0)
    names = {name for name in (*_COSTLY, "w", "emu") if _is_noted(trace, name)}
    watcher = Watcher(
        setup(opt, device=replaying.device), names=names, w_steps={int(step) for step in w_steps}
    )
    total = trace.meta.get("ncalls", 0)
    for calls in watcher.run():
        replaying.tell(calls, total if isinstance(total, int) else 0)
    compare.what = f"{plural(watcher.calls, 'perceive call')} of {opt.env}, {opt.steps:,} steps"
    _Comparison(compare, replaying, watcher).all(w_steps)


_COSTLY: Final = tuple(f"mb_{name}" for name in (*_MB_STATES, *_MB_SQUARES))


def _is_noted(trace: Trace, name: str) -> bool:
    forms = ("",) if name in ("w", "emu") else ("", *CHECKSUMS)
    return any(name + form in trace.arrays for form in forms)


class _Comparison:
    """One run, compared array by array."""

    def __init__(self, compare: Comparer, replaying: Replaying, watcher: Watcher) -> None:
        self.compare, self.watcher = compare, watcher
        self.tolerances = tolerances_of(replaying.device)
        self.n_params = watcher.agent.network.w.numel()
        self.columns = {name: np.array(rows) for name, rows in watcher.columns.items()}
        self.until = self._tie()
        """Compare only the calls before this one; None: all."""

    def all(self, w_steps: NDArray[Any]) -> None:
        """Compare everything, discrete values first."""
        self.calls()
        self.draws()
        self.minibatches()
        self.weights(w_steps)
        if self.until is None:
            self.ends()

    def _rows(self, calls: Any) -> int | None:
        """Return the number of rows to compare, given the call of each."""
        return None if self.until is None else int(np.searchsorted(calls, self.until))

    def _tie(self) -> int | None:
        """Return the call at which a run may diverge because of a tie within the tolerance."""
        arrays, columns = self.compare.trace.arrays, self.columns
        first = None
        for name in ("p_ret", "p_state_bytesum", "p_ndraw", "p_reward"):
            if name in arrays and arrays[name].shape == columns[name].shape:
                wrong = np.flatnonzero(arrays[name] != columns[name])
                if len(wrong) and (first is None or wrong[0] + 1 < first):
                    first = int(wrong[0]) + 1
        for call, q in zip(self.watcher.q_call, self.watcher.q, strict=True):
            gap = float(np.diff(np.sort(q)[-2:])[0]) if len(q) > 1 else np.inf
            # A call's choice shows in the call itself, or in the next one's screen.
            if first is None or call not in (first - 1, first) or gap > 2 * self.tolerances.q:
                continue
            near = f"at call {call:,} the best two action values are {gap:.1g} apart"
            if self.tolerances.parts_at_ties:
                self.compare.notes.append(
                    f"compared up to call {call - 1:,}: {near}, so that either may come out first, "
                    "and the runs part"
                )
                return call
            self.compare.notes.append(f"{near}: rounding alone may part the runs there")
            return None
        return None

    def _where(self, calls: Any, steps: Any) -> Callable[[tuple[int, ...]], str]:
        def where(index: tuple[int, ...]) -> str:
            row = index[0]
            if row >= len(calls):
                return f"row {row + 1:,}"
            inner = f", column {index[1]}" if len(index) > 1 else ""
            step = f", step {int(steps[row]):,}" if row < len(steps) else ""
            return f"call {int(calls[row]):,}{step}{inner}"

        return where

    def calls(self) -> None:
        """Compare the columns of the perceive calls, and the action values of the greedy ones."""
        n = self.watcher.calls
        steps = self.columns["p_numSteps"]
        every = np.arange(1, n + 1)
        where, rows = self._where(every, steps), self._rows(every)
        for name in _DISCRETE:
            self.compare.array(
                f"p_{name}",
                self.columns[f"p_{name}"],
                where=where,
                rows=rows,
            )
        self.compare.array(
            "p_recent_sum",
            self.columns["p_recent_sum"],
            tolerance=_HALF_A_BYTE,
            where=where,
            rows=rows,
            sums=True,
        )
        q = self.tolerances.q
        self.compare.array("p_bestq", self.columns["p_bestq"], tolerance=q, where=where, rows=rows)
        self.values()
        meta = self.compare.trace.meta
        if self.until is None:
            for key, got in (("ncalls", n), ("ndraw_total", self.columns["p_ndraw"][-1])):
                if key in meta:
                    self.compare.value(key, meta[key], got)

    def values(self) -> None:
        """Compare the action values of the greedy calls that the trace holds."""
        steps, arrays = self.columns["p_numSteps"], self.compare.trace.arrays
        call = np.array(self.watcher.q_call, dtype=np.int64)
        values = np.array(self.watcher.q).reshape(len(call), self.watcher.agent.n_actions)
        if "p_greedy" in arrays and "q_call" in arrays:
            # p_greedy already compares which calls are greedy, so a subset is enough here.
            chosen = np.isin(call, arrays["q_call"])
            if chosen.sum() == arrays["q_call"].size < len(call):
                call, values = call[chosen], values[chosen]
        where, rows = self._where(call, steps[call - 1]), self._rows(call)
        self.compare.array("q_call", call, where=where, rows=rows)
        q = self.tolerances.q
        self.compare.array("q", values, tolerance=q, where=where, rows=rows)

    def draws(self) -> None:
        """Compare the replay's draws, and every frame of the emulator."""
        watcher = self.watcher
        fills = np.array(watcher.fills, dtype=np.int64).reshape(-1, 5)
        steps = self.columns["p_numSteps"]
        rows = self._rows(fills[:, 0])
        of_fill = self._where(fills[:, 0], steps[fills[:, 0] - 1])
        self.compare.array(
            "fill_buffer",
            fills.reshape(-1),
            rows=None if rows is None else 5 * rows,
            where=self._table("fill_buffer_columns", 5, lambda fill: of_fill((fill,))),
        )
        index = np.concatenate([np.empty(0, np.int64), *watcher.sample_index])
        size = len(watcher.sample_index[0]) if watcher.sample_index else 1
        self.compare.array(
            "sample_index",
            index,
            rows=None if rows is None else size * rows,
            where=lambda i: f"buffer {i[0] // size + 1:,}, transition {i[0] % size + 1}",
        )
        emu = np.array(watcher.emu, dtype=np.int64).reshape(-1)
        where = self._table("emu_columns", 13, lambda play: f"emulator call {play + 1:,}")
        if self.until is None:
            self.compare.array("emu", emu, where=where)
        else:
            self.compare.skip("emu", "only of a whole run")

    def _table(
        self, key: str, width: int, row: Callable[[int], str]
    ) -> Callable[[tuple[int, ...]], str]:
        names = self.compare.trace.meta.get(key, [])

        def where(index: tuple[int, ...]) -> str:
            at = index[0] % width
            name = names[at] if at < len(names) else f"column {at}"
            return f"{row(index[0] // width)}, {name}"

        return where

    def minibatches(self) -> None:
        """Compare every update and every validation."""
        columns, tolerances = self.columns, self.tolerances
        call = columns.get("mb_call", np.empty(0))
        learns = columns.get("mb_is_learn", np.empty(0)) == 1
        steps = columns.get("mb_numSteps", np.empty(0))
        every = self._where(call, steps), self._rows(call)
        learning = self._where(call[learns], steps[learns]), self._rows(call[learns])
        bounds = dict.fromkeys(_MB_EXACT, 0.0)
        bounds |= dict.fromkeys(_MB_STATES, _HALF_A_BYTE) | dict.fromkeys(_MB_MEANS, tolerances.q)
        for name, tolerance in bounds.items():
            where, rows = learning if name == "lr" else every
            self.compare.array(
                f"mb_{name}",
                columns.get(f"mb_{name}"),
                tolerance=tolerance,
                where=where,
                rows=rows,
                sums=name in _MB_STATES,
            )
        where, rows = learning
        for name in _MB_SQUARES:
            got = columns.get(f"mb_{name}", np.empty(0))
            self.compare.array(
                f"mb_{name}",
                got,
                tolerance=2 * np.sqrt(got) * tolerances.w if name == "w_ss" else _OF_STEPS * got,
                where=where,
                rows=rows,
                sums=True,
            )

    def weights(self, w_steps: NDArray[Any]) -> None:
        """Compare the weights at the steps of the trace, whole or by their checksums."""
        taken = self.watcher.weights
        steps = [int(step) for step in w_steps]
        self.compare.seen("w_numSteps")
        if not self.compare.holds("w"):
            self.compare.array("w", None)
            return
        if self.until is not None:
            numbers = self.columns["p_numSteps"]
            last = numbers[self.until - 1] if self.until <= len(numbers) else np.inf
            steps = [step for step in steps if step <= last]
        for form in ("", *CHECKSUMS):
            name = f"w{form}"
            if name not in self.compare.trace.arrays:
                continue
            self.compare.seen(name)
            expected = self.compare.trace.arrays[name]
            if len(w_steps) == 1:
                expected = expected.reshape(1, -1)
            if expected.ndim != 2 or len(expected) != len(w_steps):
                raise TraceError(
                    f"{self.compare.trace.name}.npz: {name}: expected {len(w_steps)} rows, as many "
                    f"as w_numSteps has, got shape {list(expected.shape)}"
                )
            for k, step in enumerate(steps):
                if step not in taken:
                    self.compare.value(name, "weights", "none", f"step {step:,}")
                    continue
                got, tolerance = taken[step][form], self.tolerances.w
                self.compare.compare(
                    name,
                    expected[k],
                    got,
                    tolerance=sum_tolerances(self.n_params, tolerance, expected[k])
                    if form == SUM_SUMSQ_MAX
                    else tolerance,
                    where=lambda index, step=step: f"step {step:,}, [{index[0]}]",  # type: ignore[misc]
                    sums=form == SUM_SUMSQ_MAX,
                )

    def ends(self) -> None:
        """Compare the end state: vectors, validation sample, histories, best network."""
        compare, tolerances, watcher = self.compare, self.tolerances, self.watcher
        finals = final_vectors(watcher.agent)
        for name in FINALS:
            if name != "w" or compare.holds("final_w"):
                compare.array(f"final_{name}", finals[name], tolerance=tolerances.w)
        best = flat(watcher.best[-1][2].w) if watcher.best else None
        compare.array("final_best_w", best, tolerance=tolerances.w)
        valid = watcher.agent.valid
        for name, tensor in () if valid is None else vars(valid).items():
            got = flat(tensor) + (1 if name == "a" else 0)
            if name in ("s", "s2"):
                # The states are floats in the trace, and only their checksums are.
                got = got / np.float32(255)
            if name not in ("s", "s2") or compare.holds(f"valid_{name}"):
                compare.array(f"valid_{name}", got, where=counted("transition"))
        evaluation = counted("evaluation")
        for name in _HISTORIES:
            compare.array(f"h_{name}", getattr(watcher.state.histories, name), where=evaluation)
        for name in ("v_history", "td_history"):
            got = getattr(watcher.state.histories, name)
            compare.array(f"h_{name}", got, tolerance=tolerances.v, where=evaluation)
        compare.skip("h_time_history", "it is wall clock")
        self.best_networks()

    def best_networks(self) -> None:
        """Compare when a new best network was first seen, and its sums."""
        meta = self.compare.trace.meta
        if "best_network_changes" not in meta:
            self.compare.missing.append("best_network_changes")
            return
        changes = self.compare.trace.key("best_network_changes", list)
        got = [(call, steps) for call, steps, _ in self.watcher.best]
        expected = [(c.get("call"), c.get("numSteps")) for c in changes if isinstance(c, dict)]
        self.compare.value("best_network_changes (call, numSteps)", expected, got)
        for i, (change, (_, _, network)) in enumerate(
            zip(changes, self.watcher.best, strict=False)
        ):
            sums = sum_sumsq_max(flat(network.w))
            bounds = sum_tolerances(self.n_params, self.tolerances.w, sums)
            for at, key in enumerate(("sum", "ss")):
                if key in change:
                    self.compare.number(
                        f"best_network_changes.{key}",
                        change[key],
                        sums[at],
                        tolerance=float(bounds[at]),
                        where=f"change {i + 1}",
                        sums=True,
                    )
