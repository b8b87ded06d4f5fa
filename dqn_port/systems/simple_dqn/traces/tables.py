"""ε over the training steps, and the curves that the original published."""

from __future__ import annotations

import numpy as np

from dqn_port.systems.simple_dqn.agent import exploration_rate
from dqn_port.systems.simple_dqn.options import ORIGINAL
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace


def exploration(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Compare ε at the training steps of the trace, and the step at which a run begins."""
    rows = 0
    for name in trace.meta:
        meta = trace.key(name, dict)
        first = meta["start_epoch"] * meta["train_steps"]
        compare.value(f"{name} first_total_train_steps", meta["first_total_train_steps"], first)
        table = trace.key("rows", list, of=meta, where=name)
        got = [exploration_rate(t, meta["start"], meta["end"], meta["decay_steps"])
               for t, _ in table]  # fmt: skip
        compare.compare(f"{name} rows", np.array([rate for _, rate in table]), np.array(got))
        rows += len(table)
    compare.what = plural(rows, "training step")


def curves(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Compare the published curves' lengths with the default epochs, and their best tests.

    They are one run each of an older version, on a GPU and unseeded: nothing can replay them.
    """
    epochs = next(param.default for param in ORIGINAL if param.name == "epochs")
    for game in trace.meta:
        meta = trace.key(game, dict)
        for name in [name for name, values in meta.items() if name != "best_test"]:
            if isinstance(meta[name], list):
                compare.value(f"{game} {name}", len(meta[name]), epochs, "its length")
        scores = trace.key("test_average_reward", list, of=meta, where=game)
        best = int(np.argmax(scores))
        compare.value(f"{game} best_test", meta["best_test"], [best + 1, scores[best]])
    compare.what = f"{plural(len(trace.meta), 'published run')}"
