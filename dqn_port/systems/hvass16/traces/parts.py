"""Control signals, the policy, the logs and the rule of bursts, each separately."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import HistoryError
from dqn_port.systems.hvass16.epsilon_greedy import EPSILON_TESTING, EpsilonGreedy
from dqn_port.systems.hvass16.happenings import BurstBegun, Updated
from dqn_port.systems.hvass16.linear_control_signal import LinearControlSignal
from dqn_port.systems.hvass16.lines import optimizing, progress
from dqn_port.systems.hvass16.logs import LogQValues, LogReward, read_log
from dqn_port.systems.hvass16.optimization import Optimization
from dqn_port.systems.hvass16.options import OPTIONS
from dqn_port.systems.hvass16.replay_memory import ReplayMemory
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

DEFAULTS: Final = {param.name: param.default for param in OPTIONS}
_AGENTS: Final = ("epsilon", "learning_rate", "loss_limit", "max_epochs", "replay_fraction")
_SIGNAL: Final = ("start", "end", "num_iterations")
_CALLS: Final = 400


def replay_signals(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Compute every signal at every iteration, and when the memory is full enough."""
    del replaying
    iterations = trace.key("iterations", list)
    signals = trace.key("signals", dict)
    for name, about in signals.items():
        signal = LinearControlSignal(*(about[key] for key in _SIGNAL), repeat=about["repeat"])
        got = [repr(float(signal.get_value(i))) for i in iterations]
        compare.value(name, about["values"], got)
        if name in _AGENTS:
            own = [DEFAULTS[f"{name}_{what}"]
                   for what in ("start_value", "end_value", "num_iterations")]  # fmt: skip
            compare.value(f"{name}: defaults", [about[key] for key in _SIGNAL], own)
    fraction = LinearControlSignal(*(signals["replay_fraction"][key] for key in _SIGNAL))
    size = DEFAULTS["replay_size"]
    for start, expected in trace.key("states_until_sweep", list):
        n = 1
        while n < size and n / size <= fraction.get_value(start + n):
            n += 1
        compare.value("states_until_sweep", expected, n, f"from {start:,} states")
    compare.what = plural(len(signals), "signal")


def replay_epsilon(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Choose 400 actions for each case."""
    del replaying
    cases, step = trace.key("cases", list), trace.key("iteration_step", int)
    numbers = ("epsilon_start_value", "epsilon_end_value", "epsilon_num_iterations")
    signal = LinearControlSignal(*(DEFAULTS[name] for name in numbers))
    defaults = trace.key("defaults", dict)
    own = {"epsilon_testing": EPSILON_TESTING, "num_iterations": signal.num_iterations}
    compare.value("defaults", defaults, own)
    for case in cases:
        n = trace.key("num_actions", int, of=case)
        generator = np.random.RandomState(trace.key("seed", int, of=case))
        testing = DEFAULTS["epsilon_testing"]
        policy = EpsilonGreedy(signal, n, generator, epsilon_testing=testing)
        first, key = trace.key("first_iteration", int, of=case), trace.key("key", str, of=case)
        a = np.arange(n)
        chosen = [
            policy.get_action(
                (((7 * a + 3 * j) % 5) * 0.25 - 0.5).astype(np.float32),
                first + step * j,
                case["training"],
            )
            for j in range(_CALLS)
        ]
        compare.array(f"{key}_action", [action for action, _ in chosen])
        compare.array(f"{key}_epsilon", [epsilon for _, epsilon in chosen])
        compare.value("next_random", case["next_random"], repr(generator.random_sample()), key)
    compare.what = f"{plural(len(cases), 'case')} of {_CALLS} actions"


def replay_logs(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Write both logs again from their contents, and read them.

    The original's own readers give counts as text and fail in many ways; ours gives numbers and
    one kind of error.
    """
    del replaying
    read, columns = trace.key("read", dict), {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in (LogReward, LogQValues):
            text = trace.key(kind.NAME, str)
            path = Path(folder) / kind.NAME
            path.write_text(text)
            columns[kind.TABLE] = found = read_log(path, kind.COLUMNS)
            compare.value(kind.NAME, text, _written(kind, found))
        rewards, q_values = columns[LogReward.TABLE], columns[LogQValues.TABLE]
        compare.value("count_episodes", read["count_episodes"], _texts(rewards["episodes"]))
        compare.value("count_states", read["count_states"], _texts(rewards["states"]))
        compare.value("episode", read["episode"], rewards["reward"].tolist())
        for name in ("mean",):
            compare.value(name, read[name], rewards[name].tolist())
        for name in ("min", "mean", "max", "std"):
            compare.value(f"q_{name}", read[f"q_{name}"], q_values[name].tolist())
        # Every file that the original could not read is refused.
        broken = {
            "empty": "",
            "one_column_short": "1\t2\t3.0\n",
            "header": "a\tb\tc\td\n",
            "missing": None,
        }
        for name in trace.key("unreadable", dict):
            compare.value(
                f"unreadable: {name}", True, _is_refused(Path(folder) / name, broken[name])
            )
    compare.what = "both logs, written and read"


def _written(kind: type[LogReward | LogQValues], columns: dict[str, NDArray[Any]]) -> str:
    """Return what the log's class writes for the numbers in a log."""
    lines: list[str] = []
    log = kind(lambda name, line: lines.append(line))
    for row in zip(*columns.values(), strict=True):
        if isinstance(log, LogReward):
            log.write(*row)
        else:
            log.write_numbers(*row)
    return "".join(lines)


def _texts(numbers: NDArray[Any]) -> list[str]:
    return [str(number) for number in numbers.tolist()]


def _is_refused(path: Path, text: str | None) -> bool:
    if text is not None:
        path.write_text(text)
    try:
        read_log(path, LogReward.COLUMNS)
    except HistoryError:
        return True
    return False


class _ScriptedLosses:
    """A network whose losses are given: start · decay^i, and NaN from an update on."""

    def __init__(self, case: dict[str, Any]) -> None:
        self._case, self._i = case, 0

    def update(self, *_: Any) -> float:
        """Return the next loss."""
        i, case = self._i, self._case
        self._i += 1
        nan = i >= case.get("nan_from", i + 1)
        return float(np.float32(np.nan if nan else case["start"] * case["decay"] ** i))


def replay_optimize(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Run bursts whose losses are given, to their end."""
    cases = trace.key("cases", list)
    for at, about in enumerate(cases):
        case, where = trace.key("case", dict, of=about, where=f"cases[{at}]"), f"case {at + 1}"
        memory = ReplayMemory(
            trace.key("memory", int),
            4,
            np.random.RandomState(trace.key("seed", int)),
            state_shape=(1, 1, 2),
            as_original=True,
        )
        memory.num_used = case["num_used"]
        memory.estimation_errors[1::2] = 0.5
        numbers = {"learning_rate": case["lr"], "loss_limit": case["loss_limit"]}
        burst = Optimization(
            memory,
            **numbers,
            max_epochs=case["max_epochs"],
            min_epochs=case["min_epochs"],
            batch_size=case["batch"],
            as_original=True,
        )
        network, printed = _ScriptedLosses(case), []
        while not burst.done:
            loss = burst.update(network)
            printed.append(progress(_updated(burst, loss)))
        begun = BurstBegun(
            0, statistics={}, num_used=memory.num_used, max_epochs=case["max_epochs"], **numbers
        )
        head = "".join(f"{line}\n" for line in optimizing(begun))
        compare.value("iterations", about["iterations"], burst.iterations, where)
        compare.value("head", about["head"], head, where)
        compare.value("first_line", about["first_line"], printed[0], where)
        compare.value("last_line", about["last_line"], f"{printed[-1]}\n", where)
        replaying.tell(at + 1, len(cases))
    compare.what = plural(len(cases), "burst")


def _updated(burst: Optimization, loss: float) -> Updated:
    i = burst.iterations - 1
    epoch = i / burst.iterations_per_epoch
    return Updated(
        0, iteration=i, epoch=epoch, loss=loss, loss_mean=burst.loss_mean, last=burst.done
    )
