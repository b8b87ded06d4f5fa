"""The parts measure what they say, in tiny sizes, and the student's program is the homework."""

from __future__ import annotations

import itertools
import json
import random

import numpy as np
import pytest
import torch
from torch import nn

from dqn_port.bench.report import bench as measure
from dqn_port.games.cartpole import CartPole
from dqn_port.systems.practical_rl.bench import PARTS, flop_of_update
from dqn_port.systems.practical_rl.bench.stand_in import (
    DQNAgent,
    Homework,
    compute_td_loss,
    make_env,
)
from dqn_port.systems.practical_rl.dqn_agent import DQNAgent as OurAgent
from dqn_port.systems.practical_rl.make_env import make_env as our_env
from dqn_port.systems.practical_rl.system import SYSTEM
from dqn_port.systems.practical_rl.traces.formulas import fill, flat_network
from tests.golden_files import arrays, meta
from tests.systems.practical_rl.running import options

FLOORS = {"update", "floor", "ratio", "rate_mkl", "rate_onednn", "rate_openblas"}
FIGURES = {
    "stand_in": {"own", "student", "ratio"},
    "env": {"own", "student", "ratio"},
    "update": FLOORS | {"own", "student", "student_ratio"},
}


@pytest.mark.parametrize("part", FIGURES)
def test_a_part_is_measured(part):
    opt = options("CartPole-v1", buffer_size=30)
    report = measure(
        SYSTEM, PARTS[part], opt, name=part, threads=1, steps=4, repeats=2,
        with_profile=part != "env",
    )  # fmt: skip
    table = json.loads(json.dumps(report.to_json()))
    assert set(table["figures"]) == FIGURES[part]
    for figure in table["figures"].values():
        assert len(figure["values"]) == 2
        assert figure["low"] > 0
    if part != "env":
        names = {stage["name"] for stage in table["profile"]["stages"]}
        assert {"replay: drawing", "update: loss and gradients"} <= names


def test_every_part_is_tried():
    assert set(PARTS) == set(FIGURES)


def test_the_operations_of_an_update_by_hand():
    agent = OurAgent((4,), 2, architecture="dense")
    first, second, last = 2 * 4 * 128, 2 * 128 * 128, 2 * 128 * 2
    forward = first + second + last
    expected = 32 * (4 * forward - first)
    assert flop_of_update(agent, 32, double=False) == expected
    assert flop_of_update(agent, 32, double=True) == expected + 32 * forward


def batch_of(case):
    trace = arrays("practical_rl/td_loss")
    return tuple(trace[f"{case}_{name}"] for name in ("s", "a", "r", "s2", "done"))


def test_the_students_loss_and_gradients_are_those_of_the_trace():
    trace = arrays("practical_rl/td_loss")
    for row, double in itertools.product(meta("practical_rl/td_loss"), (False, True)):
        salt, stem = row["salt"], f"{row['case']}_{'double' if double else 'plain'}"
        agent, target = (
            flat_network(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3), salt=n, over=150)
            for n in (salt, salt + 37)
        )
        loss = compute_td_loss(
            batch_of(row["case"]), agent, target, gamma=row["gamma"], double=double
        )
        loss.backward()
        gradient = torch.cat([p.grad.reshape(-1) for p in agent.parameters()]).numpy()
        assert loss.item() == pytest.approx(trace[f"{stem}_loss"], rel=1e-5)
        np.testing.assert_allclose(gradient, trace[f"{stem}_grad"], rtol=1e-5, atol=1e-6)


def test_the_students_loop_is_that_of_the_trace():
    trace, about = arrays("practical_rl/loop_cartpole"), meta("practical_rl/loop_cartpole")
    opt = SYSTEM.load(assignments=["environment=CartPole-v1"]) | {
        "seed": about["seed"], "batch_size": about["batch_size"], "buffer_size": about["buffer"],
        "decay_steps": about["decay_steps"], "loss_freq": about["loss_freq"],
        "refresh_target_network_freq": about["refresh"], "fill_calls": about["fill_calls"],
        "n_steps": about["fill_steps"], "double": about["double"],
        "max_grad_norm": about["max_grad_norm"],
    }  # fmt: skip
    agents = [
        DQNAgent(nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))) for _ in range(2)
    ]
    for agent in agents:
        fill(agent, salt=about["weight_salt"], over=99, scale=about["weight_scale"])
    random.seed(about["seed"])
    np.random.seed(about["seed"])  # noqa: NPY002  # the student's own
    homework = Homework(opt, CartPole(), *agents)
    homework.fill()
    played = len(homework.exp_replay)
    learnt = [homework.one_step() for _ in range(about["total_steps"] + 1)]
    assert played == about["n_fill"]
    losses, norms = zip(*learnt, strict=True)
    np.testing.assert_allclose(losses, trace["loss"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose([float(n) for n in norms], trace["grad_norm"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(homework.td_loss_history, trace["td_loss_history"], rtol=1e-5)
    actions = [transition[1] for transition in homework.exp_replay.storage]
    kept = trace["a"][-len(actions) :]
    assert np.array_equal(np.roll(actions, -homework.exp_replay.next_idx), kept)
    assert random.random() == about["next_py_random"]
    assert np.random.random_sample() == about["next_np_random"]  # noqa: NPY002


def test_the_students_breakout_is_ours():
    theirs = make_env("BreakoutNoFrameskip-v4")
    ours = our_env(options("BreakoutNoFrameskip-v4"))
    seen = [env.reset(seed=1)[0] for env in (theirs, ours)]
    for action in np.random.RandomState(1).randint(4, size=150).tolist():
        # A pixel that an edge cuts is Pillow's own.
        assert np.abs(seen[0] - seen[1]).mean() < 0.005
        stepped = [env.step(action) for env in (theirs, ours)]
        seen = [of[0] for of in stepped]
        assert stepped[0][1:4] == stepped[1][1:4]
        if stepped[0][2]:
            seen = [env.reset()[0] for env in (theirs, ours)]
