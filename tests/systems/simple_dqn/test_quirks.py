"""What surprises in the original, and is kept."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from dqn_port.events import EpisodeEnded, Row
from dqn_port.systems.simple_dqn.deepqnetwork import DeepQNetwork
from dqn_port.systems.simple_dqn.environment import ALEEnvironment
from dqn_port.systems.simple_dqn.traces.toy_emulator import TraceToy
from tests.systems.simple_dqn.building import options, toy_environment, training


def run_until(run, phase, i):
    """Run until ``i`` steps of a phase are done."""
    events = []
    while run.phases[run.at].name != phase or run.i < i:
        events += run.tick()
    return events


def rows(run):
    found = []
    while not run.done:
        found += [event.cells for event in run.tick() if isinstance(event, Row)]
    return found


def test_the_output_layer_is_drawn_first_and_the_target_is_another_network():
    net = DeepQNetwork(options(random_seed=7), 4)
    random = np.random.RandomState(7)
    for model in (net.model, net.target_model):
        k = (3 / 512) ** 0.5
        expected = random.uniform(-k, k, (4, 512)).astype(np.float32)
        np.testing.assert_array_equal(model.operations["output"].weight.detach(), expected)
        for name, n in (("conv1", 256), ("conv2", 512), ("conv3", 576), ("linear", 64)):
            k = (3 / n) ** 0.5
            random.uniform(-k, k, model.operations[name].weight.numel())
    states = np.full((1, 4, 36, 36), 99, dtype=np.uint8)
    q = net.predict(states)
    assert (net._target_passes.predict(states) != q).any()
    net.update_target_network()
    assert (net._target_passes.predict(states) == q).all()


def test_there_are_no_biases():
    model = DeepQNetwork(options(screen_width=84, screen_height=84), 4).model
    assert sum(p.numel() for p in model.parameters()) == 1_685_504


def test_batch_norms_averages_begin_at_0_so_that_q_is_huge():
    net = DeepQNetwork(options(batch_norm=True), 4)
    states = np.random.RandomState(1).randint(0, 256, (4, 4, 36, 36)).astype(np.uint8)
    assert np.abs(net.predict(states)).max() > 1e4


def test_adams_factor_is_constant_within_an_epoch_up_to_neon_1_8():
    weights = {}
    for neon in ("1.8", "2.6"):
        run = training(toy=True, optimizer="adam", neon=neon, train_frequency=1)
        run_until(run, "train", 1)
        first = run.net.weights()["output.W"].copy()
        run.tick()
        weights[neon] = first, run.net.weights()["output.W"].copy()
    np.testing.assert_array_equal(weights["1.8"][0], weights["2.6"][0])
    assert (weights["1.8"][1] != weights["2.6"][1]).any()


def test_adadelta_ignores_the_learning_rate():
    nets = [training(toy=True, optimizer="adadelta", learning_rate=rate) for rate in (1, 1e-6)]
    for run in nets:
        run_until(run, "train", 5)
    np.testing.assert_array_equal(*(run.net.weights()["output.W"] for run in nets))


def test_every_epoch_begins_with_a_copy_and_an_update():
    run = training(toy=True, train_steps=7, target_steps=5, epochs=3)
    copies = []
    run.net.update_target_network = lambda: copies.append(run.i)
    updates = []
    for row in rows(run):
        updates.append(row["weight_updates"])
    assert copies == [0, 5] * 3
    # i = 0 and 4 of each epoch.
    assert updates == [0, 2, 2, 4, 4, 6, 6]


def test_learning_begins_with_more_than_a_minibatch():
    run = training(toy=True, random_steps=0, train_frequency=1)
    counts = {}
    while run.i < 8:
        run.tick()
        counts[run.mem.count] = run.net.train_iterations
    assert (counts[4], counts[5], counts[6]) == (0, 1, 2)


def test_training_goes_on_where_the_test_has_left_the_game_and_nothing_marks_the_seam():
    run = training(toy=True, epochs=2)
    run_until(run, "test", 5)
    run.tick()
    assert run.phases[run.at].name == "train"
    before, game = run.agent.buf.get_state().copy(), run.env.ale.state_dict()
    run.tick()
    np.testing.assert_array_equal(run.agent.buf.get_state()[:-1], before[1:])
    assert run.env.ale.state_dict()["game"] == game["game"]
    assert run.env.ale.state_dict()["t"] == game["t"] + 1
    assert not run.mem.terminals[run.mem.current - 2]


def test_a_lost_life_ends_a_game_in_training_only_and_the_game_goes_on():
    env = toy_environment()
    env.set_mode("train")
    while env.ale.lives() == 3:
        env.act(0)
    assert (env.is_terminal(), env.ended()) == (True, "life")
    env.set_mode("test")
    assert env.ended() is None
    env.set_mode("train")
    t = env.ale.state_dict()["t"]
    env.restart()
    assert (env.is_terminal(), env.ale.state_dict()["t"]) == (False, t)
    env.set_mode("test")
    env.restart()
    assert env.ale.state_dict()["t"] == 0


def test_a_life_that_is_gained_counts_as_lost():
    env = toy_environment()
    env.ale.load_state_dict({"game": 1, "t": 52, "lives": 2, "x": 0, "y": 0})
    env.act(0)
    assert (env.ale.lives(), env.ended()) == (3, "life")


def test_a_life_lost_among_dummy_actions_is_a_plain_restart():
    # Users' case: training stopped at an assertion there.
    run = training(toy=True, random_starts=30)
    run.env.set_mode("train")
    restarts = []
    restart = run.env.restart
    run.env.restart = lambda: (restarts.append(run.env.ended()), restart())
    while "life" not in restarts:
        dummies = run.agent.restart_random()
        assert 5 <= dummies <= 31
    assert not run.env.is_terminal()
    assert run.mem.added == 0


def test_a_reward_is_cut_to_a_whole_number_when_it_is_stored():
    run = training(toy=True)
    for reward in (0.5, -0.9, 1.5, 3):
        run.mem.add(0, reward, np.zeros((36, 36), np.uint8), False)
    assert run.mem.rewards[:4].tolist() == [0, 0, 1, 3]


def test_the_buffer_is_never_cleared_but_dummy_screens_push_the_old_game_out():
    run = training(toy=True)
    run.agent.buf.add(np.full((36, 36), 255, np.uint8))
    run.agent.restart_random()
    assert run.agent.buf.get_state().max() <= 200
    assert run.agent.buf.get_state().any()


def test_epsilon_is_compared_with_a_draw_also_where_it_is_0_or_1():
    run = training(toy=True)
    run.agent.choose(1)
    assert run.random.n_draws == 2
    run.agent.choose(0)
    assert run.random.n_draws == 3


def test_without_a_finished_game_the_row_says_otherwise():
    row = rows(training(toy=True, random_steps=2, epochs=0))[0]
    assert (row["nr_games"], row["min_game_reward"], row["max_game_reward"]) == (1, None, None)
    run = training(toy=True, random_steps=2, epochs=0)
    while not run.done:
        run.tick()
    line = run._files.texts["statistics.csv"].splitlines()[1].split(",")
    assert line[3:7] == ["1", "0", "9223372036854775807", "-9223372036854775808"]


def test_meancost_is_divided_by_all_updates_and_ours_by_the_phases():
    run = training(toy=True, train_frequency=1, target_steps=0)
    costs = []
    train = run.net.train
    run.net.train = lambda minibatch, epoch: costs.append(train(minibatch, epoch)) or costs[-1]
    first, second = (row for row in rows(run) if row["phase"] == "train")
    n = first["weight_updates"]
    assert first["meancost"] == pytest.approx(sum(costs[:n]) / n)
    assert second["meancost"] == pytest.approx(sum(costs[n:]) / len(costs))
    assert second["mean_phase_cost"] == pytest.approx(sum(costs[n:]) / (len(costs) - n))


def test_the_validation_states_are_those_of_the_last_minibatch_and_ours_are_fixed():
    run = training(toy=True)
    run_until(run, "train", 0)
    assert run.stats.validation_states is run.mem.prestates
    first = copy.deepcopy(run.stats.first_states)
    draws = run.random.n_draws
    run_until(run, "train", 1)
    assert run.random.n_draws > draws
    assert (run.stats.validation_states != first).any()
    np.testing.assert_array_equal(run.stats.first_states, first)


def test_the_score_is_that_of_whole_games_of_test_phases():
    run = training(toy=True, test_steps=300, epochs=1)
    random, train, test = rows(run)
    assert random["score"] is train["score"] is None
    assert test["score"] == test["average_reward"]
    assert test["nr_games"] >= 2


def test_an_episode_in_training_is_told_as_a_life_or_a_game():
    run = training(toy=True, train_steps=150, epochs=1, test_steps=0)
    ended = []
    while not run.done:
        ended += [event.ended for event in run.tick() if isinstance(event, EpisodeEnded)]
    assert {"life", "game"} == set(ended)


def test_frames_are_skipped_until_the_game_is_over():
    env = ALEEnvironment(
        TraceToy(minimal_action_set=True), frame_skip=7, screen_width=36, screen_height=36
    )
    env.ale.load_state_dict({"game": 1, "t": 118, "lives": 3, "x": 0, "y": 0})
    env.act(0)
    assert (env.frames, env.ended()) == (2, "game")


def test_a_gpus_or_a_threads_number_is_no_option_of_the_networks_numbers():
    nets = []
    for threads in (1, 2):
        run = training(toy=True, threads=threads)
        run_until(run, "train", 5)
        nets.append(run.net.weights()["conv1.W"])
    torch.set_num_threads(1)
    np.testing.assert_allclose(*nets, atol=1e-6)
