"""The Player on the toy games, beside the training's own evaluation, and on Pong."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dqn_port.runs.playing import episodes
from dqn_port.systems.lua_dqn.evaluation import Evaluation, EvaluationState
from dqn_port.systems.lua_dqn.player import Player, as_image, picture_of
from dqn_port.systems.lua_dqn.setup import load_options, setup
from tests.tools.running import TOY_A, TOY_B

TOY_C = (*TOY_B[:1], "env=toyC", *TOY_B[2:])
PONG = (
    "framework=alewrap",
    "env=pong",
    "agent=NeuralQLearner",
    "actrep=4",
    'pool_frms={"type": "max", "size": 2}',
    "agent_params.hist_len=4",
    "agent_params.preproc=net_downsample_2x_full_y",
    "agent_params.network=net_small",
)


def ready_to_play(game, *more):
    return setup(load_options(assignments=[*game, "agent_params.learn_start=600", *more]))


def first(player, **more):
    return next(episodes(player, **more))


# toyC gives rewards for null frames, too: they do not count. A random start of 60 frames ends
# games of toyA, one at least in the second case.
@pytest.mark.parametrize(
    ("game", "random_starts", "epsilon", "steps"),
    [(TOY_A, 0, 0.5, 400), (TOY_A, 60, 1.0, 1000), (TOY_B, 5, 0.05, 400), (TOY_C, 5, 0.5, 400)],
)
def test_its_episodes_are_those_of_an_evaluation_in_training(game, random_starts, epsilon, steps):
    ready = ready_to_play(game, f"random_starts={random_starts}", "seed=1")
    evaluation, state = Evaluation(ready.env, ready.agent, epsilon=epsilon), EvaluationState()
    at = ready.env.new_game()
    for _ in range(steps):
        at = evaluation.tick(at, state)
    ready = ready_to_play(game, f"random_starts={random_starts}", "seed=1")
    player, done = Player(ready, epsilon=epsilon, random_start=False), []
    played = list(episodes(player, steps=steps, watch=lambda step: done.append(step.done)))
    assert [(e.reward, e.steps) for e in played] == [(e.reward, e.steps) for e in state.episodes]
    assert len(played) > 1
    assert len(done) == steps
    assert (None in done) == (random_starts == 60)


def test_a_step_of_pong_tells_what_was_seen_shown_done_valued_and_earned():
    ready = ready_to_play(PONG)
    player, before = Player(ready, epsilon=0), None
    for number in range(60):
        step = player.step(show=True)
        assert (step.number, step.ended) == (number, None)
        assert len(step.valued) == len(ready.actions)
        assert step.valued[step.done] == max(step.valued)
        assert step.valued[step.done] == ready.agent.bestq
        assert list(step.seen) == [f"frame {i} of 4" for i in (1, 2, 3, 4)]
        planes = list(step.seen.values())
        assert all(plane.shape == (84, 84) for plane in planes)
        if before is not None:
            np.testing.assert_array_equal(planes[:3], before[1:])
        before = planes
        (shown,) = step.shown
        assert shown.shape == (210, 160, 3)
        pixels = shown.transpose(2, 0, 1) / np.float32(255)
        np.testing.assert_array_equal(planes[-1].ravel(), ready.agent.preprocess(pixels))


def test_another_may_choose_the_action():
    ready, stepped = ready_to_play(TOY_B), []
    step = ready.env.step
    ready.env.step = lambda action: stepped.append(action) or step(action)
    player = Player(ready, epsilon=0.05)
    assert [player.step(action).done for action in (2, 3, 0)] == [2, 3, 0]
    assert stepped == [ready.env.actions[action] for action in (2, 3, 0)]


@pytest.mark.parametrize("max_frames", [0, 12])
def test_the_last_step_shows_the_screen_that_it_leads_to(max_frames):
    ready, steps = ready_to_play(TOY_A), []
    player = Player(ready, epsilon=0.05, max_frames=max_frames, random_start=False)
    episode = first(player, watch=steps.append)
    assert [len(step.shown) for step in steps] == [1] * (len(steps) - 1) + [2]
    assert episode.steps == len(steps)
    assert {step.ended for step in steps[:-1]} == {None}
    assert steps[-1].ended == ("limit" if max_frames else "game")
    screen, _, terminal = ready.env.get_state()
    assert terminal == (not max_frames)
    np.testing.assert_array_equal(steps[-1].shown[1], picture_of(screen))
    np.testing.assert_array_equal(
        steps[0].shown[0], picture_of(ready_to_play(TOY_A).env.new_game()[0])
    )


def test_the_reward_of_the_first_frame_does_not_count(monkeypatch):
    expected = first(Player(ready_to_play(TOY_A), epsilon=0.05, random_start=False))
    ready = ready_to_play(TOY_A)
    new_game = ready.env.new_game
    monkeypatch.setattr(ready.env, "new_game", lambda: (new_game()[0], 100.0, False))
    assert first(Player(ready, epsilon=0.05, random_start=False)) == expected


def test_lost_lives_do_not_end_the_game():
    ready, lives = ready_to_play(TOY_A), []
    first(Player(ready, epsilon=0.05), watch=lambda step: lives.append(ready.env.lives))
    assert lives[0] == 3
    assert ready.env.emulator.game_over()


def test_nothing_is_stored_or_learnt():
    ready = ready_to_play(TOY_B)
    before = ready.agent.network.w.detach().clone()
    first(Player(ready, epsilon=0.5))
    assert ready.agent.num_steps == 0
    assert ready.agent.transitions.num_entries == 0
    assert (ready.agent.network.w == before).all()


@pytest.mark.parametrize(("max_frames", "steps"), [(1, 1), (8, 2), (11, 2), (12, 3)])
def test_max_frames_ends_every_game_before(max_frames, steps):
    player = Player(ready_to_play(TOY_A), epsilon=0.05, max_frames=max_frames)
    played = list(itertools.islice(episodes(player), 2))
    assert [(episode.steps, episode.cut) for episode in played] == [(steps, True)] * 2


def test_a_game_that_ends_in_time_is_not_cut():
    whole = first(Player(ready_to_play(TOY_A), epsilon=0.05))
    again = first(Player(ready_to_play(TOY_A), epsilon=0.05, max_frames=4 * whole.steps))
    assert again == whole
    assert not whole.cut


def test_a_frame_becomes_a_square_image():
    np.testing.assert_array_equal(as_image(np.arange(4, dtype=np.uint8)), [[0, 1], [2, 3]])
    np.testing.assert_array_equal(as_image(np.array([5, 6, 7], dtype=np.uint8)), [[5, 6], [7, 0]])
    assert as_image(np.ones(7056, dtype=np.uint8)).shape == (84, 84)
