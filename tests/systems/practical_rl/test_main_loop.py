"""The fill and the loop: their order and their quirks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dqn_port.errors import DivergedError
from dqn_port.events import EpisodeEnded, Row, Ticked
from dqn_port.systems.practical_rl.atari_wrappers import ClipRewardEnv
from dqn_port.systems.practical_rl.evaluate import Evaluation
from dqn_port.systems.practical_rl.make_env import chain, make_env, record_of
from dqn_port.systems.practical_rl.system import SYSTEM
from tests.systems.practical_rl.running import options, training


def filled(**changes):
    run = training(**changes)
    while run.filling:
        run.tick()
    return run


def test_every_call_of_the_fill_begins_from_the_first_state():
    run = training(n_steps=5, fill_calls=3, buffer_size=50)
    first = run.state.seen
    while run.filling:
        run.tick()
    batch = run.exp_replay.at(np.arange(15))
    assert [i for i in range(15) if np.array_equal(batch.s[i], first)] == [0, 5, 10]
    mended = filled(n_steps=5, fill_calls=3, buffer_size=50, stale_first_state=False)
    batch = mended.exp_replay.at(np.arange(15))
    assert [i for i in range(15) if np.array_equal(batch.s[i], first)] == [0]


def test_the_fill_ends_with_the_call_that_fills_the_buffer():
    run = filled(n_steps=4, fill_calls=9, buffer_size=10)
    assert (run.fill_call, run.exp_replay.added, len(run.exp_replay)) == (3, 12, 10)


def test_the_loops_first_episode_counts_nothing_of_the_fills_last():
    run = filled()
    assert run._earned_before == run.record.earned == 12


def test_seed_0_does_not_clip_rewards_unless_mended():
    def clips(**changes):
        run = training("toyA", **changes)
        return any(isinstance(part, ClipRewardEnv) for part in chain(run.env))

    assert clips(seed=1)
    assert not clips(seed=0)
    assert clips(seed=0, seed_clips_rewards=False)
    assert not clips(seed=1, clip_rewards=False)


def test_evaluations_clip_whatever_the_seed_is():
    run = training("toyA", seed=0)
    evaluation = run.new_evaluation(0)
    assert any(isinstance(part, ClipRewardEnv) for part in chain(evaluation.env))


def test_a_run_tells_losses_evaluations_episodes_and_ticks():
    run = training("toyA", total_steps=5, eval_freq=4, loss_freq=2, t_max=3)
    events = []
    while not run.done:
        events += run.tick()
    rows = [event for event in events if isinstance(event, Row)]
    assert [row.step for row in rows if row.table == "loss"] == [0, 2, 4]
    evaluations = [row for row in rows if not row.table]
    assert [row.step for row in evaluations] == [0, 4]
    for table, row in zip(SYSTEM.HISTORY, (evaluations[0], rows[0]), strict=True):
        assert tuple(row.cells) == table.names
    assert evaluations[0].cells["lives"] == 3
    assert evaluations[0].cells["best"] == 1
    ticks = [event for event in events if isinstance(event, Ticked)]
    assert {tick.phase for tick in ticks} == {"filling", "training", "evaluating"}
    assert ticks[-1].all_frames == sum(tick.frames for tick in ticks) + 8
    assert [event for event in events if isinstance(event, EpisodeEnded)]
    assert set(run.networks()) == {"last", "best"}
    assert run.left() == {"filling": 0, "training": 0, "evaluating": 0}


def test_left_counts_down_to_nothing():
    run = training(total_steps=5, eval_freq=4, t_max=5)
    assert run.left() == {"filling": 12, "training": 6, "evaluating": 300}
    run.tick()
    assert run.left()["filling"] == 11


def test_the_target_network_is_copied_after_the_update():
    run = filled(refresh_target_network_freq=3)

    def alike():
        pairs = zip(run.agent.parameters(), run.target_network.parameters(), strict=True)
        return all(torch.equal(one, other) for one, other in pairs)

    found = []
    while run.next_step < 5:
        run.tick()
        if run.evaluation is None:
            found.append((run.next_step - 1, alike()))
    assert dict(found) == {0: True, 1: False, 2: False, 3: True}


def test_a_loss_that_is_no_number_ends_the_run():
    run = filled()
    with torch.no_grad():
        run.agent.body[0].weight[:] = math.nan
    with pytest.raises(DivergedError) as caught:
        run.tick()
    assert str(caught.value) == "step 0: expected a finite loss, got nan; lower learning_rate"


def test_equal_options_give_equal_runs_on_any_number_of_threads():
    losses = []
    for threads in (1, 2):
        run = training(threads=threads)
        while not run.done:
            run.tick()
        losses.append(run.td_loss)
    torch.set_num_threads(1)
    assert losses[0] == losses[1]


def test_a_life_that_t_max_cuts_goes_on_as_the_next_game():
    opt = options("BreakoutNoFrameskip-v4")
    env = make_env(opt)
    evaluation = Evaluation(env, SYSTEM.training(opt).agent, n_games=3, t_max=2, seed=0)
    while not evaluation.done:
        evaluation.step()
    assert (evaluation.cut, evaluation.steps) == (3, 6)
    # The game was reset once; between the games are the 12 frames of a lost life's reset.
    assert record_of(env).frames == 8 + 6 * 4 + 2 * 12
    assert evaluation.results()["mean_return_per_game"] is None


def test_an_evaluation_counts_whole_games_by_their_own_rewards():
    opt = options("toyA", seed=1)
    agent = SYSTEM.training(opt).agent
    with torch.no_grad():
        for parameter in agent.parameters():
            parameter.zero_()
    evaluation = Evaluation(make_env(opt), agent, n_games=9, t_max=1000, seed=0)
    while not evaluation.done:
        evaluation.step()
    results = evaluation.results()
    games = record_of(evaluation.env).games
    assert (results["lives"], results["cut_lives"]) == (9, 0)
    assert results["games"] == len(games) >= 3
    assert results["mean_return_per_game"] == np.mean([game.earned for game in games])
    assert results["mean_return_per_game"] < results["mean_reward_per_life"] <= 0
    assert results["initial_state_v"] == 0.0
