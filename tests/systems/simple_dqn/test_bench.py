"""Every part measures what it says, in tiny sizes, and the stand-in meets the original's traces."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dqn_port.bench.report import bench as measure
from dqn_port.errors import BenchError
from dqn_port.systems.simple_dqn.bench import PARTS, flop_of_update
from dqn_port.systems.simple_dqn.bench.stand_in import DeepQNetwork, Run
from dqn_port.systems.simple_dqn.system import SYSTEM
from dqn_port.systems.simple_dqn.traces.loops import options_of
from dqn_port.systems.simple_dqn.traces.toy_emulator import TraceToy
from dqn_port.systems.simple_dqn.traces.updates import _states
from dqn_port.verify.traces import find_groups, load
from tests.systems.simple_dqn.building import SHIPPED, options

FIGURES = {
    "train": {"train"},
    "test": {"test"},
    "update": {"update", "floor", "ratio", "rate_mkl", "rate_onednn", "rate_openblas"},
    "act": {"act"},
    "env": {"env", "bare", "ratio"},
    "replay": {"minibatch"},
    "stand_in": {"ours", "stand_in", "ratio"},
}
"""What the JSON of a part holds."""


@pytest.mark.parametrize("part", FIGURES)
def test_a_part_is_measured(part):
    game = "pong" if part in ("env", "stand_in") else "toyA"
    report = measure(
        SYSTEM, PARTS[part], options(game=game), name=part, steps=4, repeats=2, with_profile=True
    )
    table = json.loads(json.dumps(report.to_json()))
    assert set(table["figures"]) == FIGURES[part]
    for figure in table["figures"].values():
        assert len(figure["values"]) == 2
        assert figure["low"] > 0
    if part != "stand_in":
        shares = [stage["share"] for stage in table["profile"]["stages"]]
        assert sum(shares) == pytest.approx(1)


def read_trace(name):
    (group,) = find_groups(SHIPPED, (name,))
    return load(group)


def test_every_part_is_tried():
    assert set(PARTS) == set(FIGURES)


def test_what_the_stand_in_cannot_do_is_refused():
    with pytest.raises(BenchError) as caught:
        measure(SYSTEM, PARTS["stand_in"], options(), name="stand_in", steps=4, repeats=1)
    assert str(caught.value) == (
        "stand_in: expected an Atari game by environment ale, optimizer rmsprop and no batch_norm, "
        "got toyA by ale, rmsprop, batch_norm False; change these"
    )


def test_the_operations_of_an_update_by_hand():
    # 36 × 36: 8 × 8, 3 × 3 and 1 × 1 positions of 4 · 64, 32 · 16 and 64 · 9 inputs.
    forward = [2 * 256 * 32 * 64, 2 * 512 * 64 * 9, 2 * 576 * 64, 2 * 64 * 512, 2 * 512 * 3]
    assert flop_of_update(options(), 3) == 4 * (4 * sum(forward) - forward[0])


@pytest.mark.parametrize("name", ["small_rmsprop", "small_rmsprop_noclip", "full_rmsprop"])
def test_the_stand_ins_updates_are_the_originals(name):
    trace = read_trace("updates")
    meta, b = trace.meta[name], np.arange(trace.meta[name]["settings"]["batch_size"])
    settings = meta["settings"]
    net = DeepQNetwork(options(replay_size=100, **settings), meta["n_actions"])
    names = ("batch_size", "history_length", "screen_height", "screen_width")
    shape = tuple(settings[key] for key in names)
    for u in range(meta["n_updates"]):
        if u in (0, meta["n_updates"] // 2):
            net.update_target_network()
        pre, post = (_states(u % 5, which, shape) for which in (0, 1))
        q = net.predict(pre).numpy()
        np.testing.assert_allclose(q, trace.arrays[f"{name}_q_before"][u], atol=1e-5)
        actions, rewards = (u * 7 + b * 3) % meta["n_actions"], (u * 5 + b * 11) % 9 - 4
        cost = net.train((pre, post, actions, rewards, (u + b * 3) % 7 == 0))
        assert cost == pytest.approx(trace.arrays[f"{name}_cost"][u], rel=1e-5)


def test_the_stand_ins_run_is_the_originals():
    trace = read_trace("loop_A")
    given = options_of(trace)
    run = Run(given | {"frame_skip": 1}, TraceToy(minimal_action_set=given["minimal_action_set"]))
    run.play(len(trace.arrays["s_action"]))
    assert not run.phases
    assert run.actions == trace.arrays["s_action"].tolist()
    np.testing.assert_allclose(run.costs, trace.arrays["t_cost"], atol=1e-5, rtol=1e-5)
    assert run.draw.random() == trace.meta["next_random"]
