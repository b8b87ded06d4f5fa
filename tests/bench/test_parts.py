"""Every part measures what it says, in tiny sizes; no time is asserted."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from dqn_port.bench.profiles import profile
from dqn_port.bench.report import bench as measure
from dqn_port.systems.lua_dqn.bench import PARTS
from dqn_port.systems.lua_dqn.bench.growth import fill
from dqn_port.systems.lua_dqn.bench.loops import Loop, soon_learning, uninterrupted
from dqn_port.systems.lua_dqn.bench.stages import STAGES
from dqn_port.systems.lua_dqn.system import SYSTEM
from tests.bench.running import pong_options, toy_options

FIGURES = {
    "train": {"train"},
    "test": {"test"},
    "random": {"random"},
    "env": {"env", "step"},
    "preproc": {"preproc"},
    "act": {"hot", "cold"},
    "update": {"update", "floor", "ratio", "rate_mkl", "rate_onednn", "rate_openblas"},
    "replay": {"minibatch", "transition"},
    "memory": {"start_up", "total", "replay", "arrays", "libraries", "fill"},
}
"""What the JSON of a part holds (docs/bench.md)."""


def bench(part, options, **how):
    return measure(SYSTEM, PARTS[part], options, name=part, **how)


def check(table, *, repeats):
    for name, figure in table["figures"].items():
        assert set(figure) == {"what", "unit", "median", "low", "high", "quartiles", "values"}
        assert len(figure["values"]) in (1, repeats), name
        assert figure["low"] <= figure["median"] <= figure["high"], name
        # What a small replay memory needs, other tests may have left in this process.
        assert figure["low"] >= 0 if name == "replay" else figure["low"] > 0, name


@pytest.mark.parametrize("part", FIGURES)
def test_a_part_of_the_toy_game_is_measured(part):
    before = os.sched_getaffinity(0)
    report = bench(part, toy_options(), steps=8, repeats=2, with_profile=True)
    assert os.sched_getaffinity(0) == before, "the process is pinned only while it measures"
    table = json.loads(json.dumps(report.to_json()))
    assert set(table) == {
        "part", "what", "threads", "cores", "steps", "repeats", "busy_processes", "arguments",
        "figures", "profile",
    }  # fmt: skip
    assert set(table["figures"]) == FIGURES[part]
    check(table, repeats=2)
    assert sum(stage["share"] for stage in table["profile"]["stages"]) == pytest.approx(1)
    assert any("where the time goes" in line for line in report.lines())


def test_every_part_is_tried():
    assert set(PARTS) == {*FIGURES, "growth"}


@pytest.mark.parametrize("part", ["random", "env"])
def test_an_atari_game_stands_beside_bare_emulation(part):
    table = bench(part, pong_options(), steps=8, repeats=2).to_json()
    assert set(table["figures"]) == FIGURES[part] | {"bare", "ratio"}
    check(table, repeats=2)


def test_growth_is_measured_at_a_hundredth_a_tenth_and_all():
    opt = toy_options(replay_memory=4_000, learn_start=70)
    table = bench("growth", opt, steps=8, repeats=2).to_json()
    rates = [name for name in table["figures"] if name.startswith("rate_")]
    assert rates[1:] == ["rate_400", "rate_4000"]
    assert {name for name in table["figures"] if name.startswith("change_")} == {
        "change_400", "change_4000",
    }  # fmt: skip
    check(table, repeats=2)


def children():
    """Return the process ids of this process's children."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        # A process may end meanwhile.
        with contextlib.suppress(OSError):
            if path.read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                found.add(path.parent.name)
    return found


def test_busy_processes_are_there_while_it_measures_and_gone_afterwards():
    before = children()
    report = bench("preproc", toy_options(), steps=4, repeats=1, busy_processes=1)
    assert report.to_json()["busy_processes"] == 1
    assert children() == before


def learning():
    opt = soon_learning(toy_options())
    loop = Loop(uninterrupted(opt, threads=1, steps=5_000))
    loop.learn()
    return loop


def test_a_training_is_learning_at_the_end_of_epsilon_when_it_is_timed():
    loop = learning()
    assert loop.agent.num_steps > loop.agent.learn_start
    assert loop.agent.ep == loop.opt.agent_params["ep_end"]
    fills = loop.agent.transitions.fills
    before = loop.agent.network.w.clone()
    loop.play(80)
    assert loop.agent.transitions.fills > fills
    assert not before.equal(loop.agent.network.w)


def test_fill_adds_until_so_many_are_held():
    replay = learning().agent.transitions
    held = replay.num_entries
    fill(replay, held + 50)
    assert (replay.num_entries, replay.added) == (held + 50, held + 50)
    for of in replay.ring.values():
        assert np.array_equal(of[held : held + 50], of[np.arange(held, held + 50) % held])


def test_a_profile_leaves_the_objects_as_they_were():
    loop = learning()
    owners = [loop.env, loop.agent, loop.agent.transitions, loop.agent.network, loop.training]
    before = [set(vars(owner)) for owner in owners]
    found = profile(loop, STAGES, loop.play, 12)
    assert [set(vars(owner)) for owner in owners] == before
    names = {stage.name for stage in found.stages}
    assert names <= {name for name, _, _ in STAGES} | {"outside of all stages"}
    assert names >= {"update: backward", "acting: choosing", "replay: adding", "environment"}
    by_name = {stage.name: stage for stage in found.stages}
    assert by_name["loop: the rest"].calls == 12
