"""The loop: what it does when, and that it can be left and gone on with anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dqn_port.errors import DivergedError, RunFolderError
from dqn_port.events import EpisodeEnded, Saved, Ticked
from dqn_port.systems.lua_dqn.histories import Histories
from dqn_port.systems.lua_dqn.setup import load_options, setup
from dqn_port.systems.lua_dqn.train_agent import EVALUATING, Evaluated, Reported, Training
from tests.systems.lua_dqn.trace_options import words_of_trace


def toy_options(**changes):
    assignments = [
        "steps=620",
        "eval_freq=200",
        "eval_steps=50",
        "prog_freq=100",
        "save_freq=300",
        "agent_params.learn_start=150",
        *(f"{key}={value}" for key, value in changes.items()),
    ]
    return load_options(lua_words=words_of_trace("loop_B_s1"), assignments=assignments)


def events_of(training):
    while not training.done:
        yield from training.tick()


def make_training(opt, saved):
    env, _, agent, opt = setup(opt)

    def save(state):
        saved.append((state.step, len(state.histories.reward_history)))
        return Path(f"{state.step}")

    return Training(env, agent, opt, save=save)


def test_events_come_at_their_steps_and_the_last_step_saves():
    saved = []
    training = make_training(toy_options(), saved)
    events = list(events_of(training))
    assert [e.step for e in events if isinstance(e, Reported)] == [100, 200, 300, 400, 500, 600]
    evaluated = [e for e in events if isinstance(e, Evaluated)]
    assert [e.step for e in evaluated] == [200, 400, 600]
    assert [e.frames for e in evaluated] == [200, 400, 600]
    assert [e.step for e in events if isinstance(e, Saved)] == [300, 600, 620]
    assert saved == [(300, 1), (600, 3), (620, 3)], "a save comes after the step's evaluation"
    ticks = [e for e in events if isinstance(e, Ticked)]
    assert sum(e.phase != EVALUATING for e in ticks) == 620
    assert sum(e.phase == EVALUATING for e in ticks) == 3 * 50
    assert any(isinstance(e, EpisodeEnded) for e in events)


def test_no_evaluation_before_learning_starts():
    training = make_training(toy_options(**{"agent_params.learn_start": 450}), [])
    assert [e.step for e in events_of(training) if isinstance(e, Evaluated)] == [600]


def test_the_histories_hold_what_the_events_said():
    training = make_training(toy_options(), [])
    evaluated = [e for e in events_of(training) if isinstance(e, Evaluated)]
    histories = training.state.histories
    assert histories.reward_history == [e.reward for e in evaluated]
    assert histories.v_history == [e.v for e in evaluated]
    assert histories.td_history == [e.td for e in evaluated]
    assert histories.episode_counts == [e.episodes for e in evaluated]
    assert histories.reward_counts == [e.rewards for e in evaluated]
    assert histories.qmax_history == [1.0] * 3
    assert histories.steps == [200, 400, 600]
    assert histories.time_history[0] == 0
    assert np.diff(histories.time_history) == pytest.approx([e.training_seconds for e in evaluated])


def test_all_state_stands_in_one_object_so_that_a_run_goes_on_from_any_tick():
    whole = make_training(toy_options(), [])
    for _ in events_of(whole):
        pass
    broken = make_training(toy_options(), [])
    ticks = 0
    while not broken.done:
        broken.tick()
        ticks += 1
        if ticks % 37 == 0:
            # Everything of the loop but its state is thrown away, also inside evaluations.
            broken = Training(
                broken.env, broken.agent, broken.opt, save=lambda s: Path("x"), state=broken.state
            )
    assert torch.equal(whole.agent.network.w, broken.agent.network.w)
    timeless = [{k: v for k, v in t.state.histories.to_table().items() if k != "time_history"}
                for t in (whole, broken)]  # fmt: skip
    assert timeless[0] == timeless[1]


def test_a_network_that_is_not_finite_stops_before_anything_is_saved():
    saved = []
    training = make_training(toy_options(), saved)
    while training.state.step < 250:
        training.tick()
    with torch.no_grad():
        training.agent.network.w[0] = float("inf")
    # The agent would notice at once; here the loop must, when it reports.
    training.agent.learn_from, training.agent.ep_start, training.agent.ep_end = 10**6, 1, 1
    with pytest.raises(DivergedError) as caught:
        list(events_of(training))
    assert str(caught.value) == (
        "network: expected finite weights, got NaN or infinity at step 300 in layer 1 (nn.Linear); "
        "lower lr"
    )
    assert saved == []


def test_the_best_so_far_is_compared_as_a_float32():
    histories = Histories()
    assert histories.is_best(-100.0)
    histories.reward_history.append(0.1)
    assert float(np.float32(0.1)) > 0.1
    assert not histories.is_best(0.1)
    assert not histories.is_best(0.1 + 1e-10), "larger as a double, not than the float32"
    assert histories.is_best(0.1 + 1e-7)


def test_the_best_network_is_a_copy_of_its_moment():
    training = make_training(toy_options(), [])
    copies = []
    for event in events_of(training):
        if isinstance(event, Evaluated) and event.best:
            copies.append(training.agent.network.w.detach().clone())
    assert copies
    assert torch.equal(training.state.best_network.w, copies[-1])
    assert not torch.equal(training.state.best_network.w, training.agent.network.w)


def test_a_save_that_fails_is_still_due_and_what_was_evaluated_is_told_before_it():
    training = make_training(toy_options(eval_freq=200, save_freq=200), [])
    events, fails = [], [True, False]

    def save(state):
        if fails.pop(0):
            raise RunFolderError("the disk is full")
        return Path("saved")

    training._save = save
    while not training.state.save_due or training.state.in_evaluation():
        events += training.tick()
    with pytest.raises(RunFolderError):
        training.tick()
    assert [e.step for e in events if isinstance(e, Evaluated)] == [200]
    assert training.state.save_due
    assert not training.done
    assert training.tick() == [Saved(200, Path("saved"))]


def test_the_training_rate_counts_the_steps_of_the_interval():
    now = iter(range(10**6))
    env, _, agent, opt = setup(toy_options(**{"agent_params.learn_start": 450, "actrep": 2}))
    training = Training(
        env, agent, opt, save=lambda state: Path("x"), clock=lambda: float(next(now))
    )
    (evaluated,) = [e for e in events_of(training) if isinstance(e, Evaluated)]
    # One second a step, two frames a step; nothing was evaluated before step 600.
    assert (evaluated.training_seconds, evaluated.training_rate) == (600, 2)
    assert evaluated.testing_rate == 2
