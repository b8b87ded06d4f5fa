"""Replay one call of Trainer.train: eight minibatches of a replay made by formula."""

from __future__ import annotations

import numpy as np

from dqn_port.games.picture_games import open_game
from dqn_port.systems.labml_dqn.no_frameskip import NoFrameskip
from dqn_port.systems.labml_dqn.traces.formulas import probe, put_weights, stack, stats
from dqn_port.systems.labml_dqn.traces.replays import tree_dtype
from dqn_port.systems.labml_dqn.traces.training import (
    UPDATE,
    Epochs,
    close,
    close_stats,
    sizes_of,
    stats_of,
    trainer_of,
)
from dqn_port.verify.comparing import Comparer, sum_tolerances
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Fill the replay, learn from every minibatch, and compare every step."""
    meta = trace.meta
    capacity, n_epochs = trace.key("capacity", int), trace.key("epochs", int)
    options = {
        "capacity": capacity,
        "alpha": meta["alpha"],
        "gamma": meta["gamma"],
        "learning_rate": meta["lr"],
        "mini_batch_size": meta["batch"],
        "n_workers": 1,
        "tree_dtype": np.dtype(tree_dtype(trace)).name,
    }
    trainer = trainer_of(
        options, lambda: NoFrameskip(open_game("toyA")), replaying.device, stacks=True
    )
    buffer, model = trainer.replay_buffer, trainer.model
    for i in range(capacity):
        reward = ((i * 5) % 9 - 4) * 0.5 * meta["rscale"]
        buffer.add(stack(i, 0), (i * 7 + 3) % 4, reward, stack(i, 1), i % 7 == 0)
    every = np.arange(capacity)
    buffer.update_priorities(every, ((every * 37 % capacity + 1) / 16).astype(np.float32))
    put_weights(model, meta["salt"])
    put_weights(trainer.target_model, meta["salt"] + 1)
    trainer.python_random.seed(meta["seed"])

    epochs = Epochs(trainer, compare)
    w_stats, w_probe = [stats_of(trainer)], [probe(model.parameters())]
    for done in range(n_epochs):
        trainer.train(meta["beta"])
        w_stats.append(stats_of(trainer))
        w_probe.append(probe(model.parameters()))
        replaying.tell(done + 1, n_epochs)
    epochs.compare(UPDATE)
    sizes, bounds = sizes_of(trainer), close(np.arange(n_epochs + 1), UPDATE)
    close_stats(compare, "w_stats", w_stats, sizes, bounds)
    compare.array("w_probe", np.array(w_probe), tolerance=bounds)
    for key, name in (("exp_avg", "adam_m_stats"), ("exp_avg_sq", "adam_v_stats")):
        moments = [trainer.optimizer.state[p][key] for p in model.parameters()]
        sums = stats(moments)
        tolerance = sum_tolerances(np.array(sizes), bounds[-1], sums)
        compare.array(name, sums, tolerance=tolerance, sums=True)
    compare.value("max_priority", meta["max_priority"], float(buffer.max_priority))
    compare.value("next_random", meta["next_random"], trainer.python_random.random())
    compare.what = f"{n_epochs} minibatches"
