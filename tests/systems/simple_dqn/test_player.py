"""A player plays as test phases do."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.saved_networks import save_networks
from dqn_port.systems.simple_dqn.system import SYSTEM
from tests.systems.simple_dqn.building import SHIPPED, options, training


@pytest.fixture
def path(tmp_path):
    run = training()
    path = tmp_path / "x.safetensors"
    arguments = SYSTEM.facts(run.options).arguments
    save_networks(path, run.networks(), system="simple_dqn", arguments=arguments, step=0)
    return path


def opened(path, **given):
    return SYSTEM.open_player(path, assignments=["backend=cpu"], **given)


def test_it_plays_what_a_test_phase_plays(path):
    given = {"random_steps": 0, "train_steps": 0, "test_steps": 60, "epochs": 1, "frame_skip": 6}
    run = training(exploration_rate_test=0.3, **given)
    steps = []
    step = run.agent.step

    def watched(rate):
        steps.append(step(rate))
        return steps[-1]

    run.agent.step = watched
    while not run.done:
        run.tick()
    settings = ["backend=cpu", "frame_skip=6"]
    player = SYSTEM.open_player(path, seed=3, epsilon=0.3, assignments=settings)
    played = [player.step() for _ in range(60)]
    assert [(s.done, s.earned) for s in played] == [(s.action, s.reward) for s in steps]
    assert [s.ended for s in played] == [s.ended for s in steps]
    assert "game" in {s.ended for s in played}


def test_a_step_tells_what_was_seen_valued_and_shown(path):
    player = opened(path, seed=1)
    assert (player.game, player.frames_per_step, player.epsilon) == ("toyA", 1, 0.05)
    assert (player.which, player.random_starts, player.max_frames) == ("last", 6, 0)
    step = player.step(action=2, show=True)
    assert (step.done, step.number, step.frames) == (2, 0, 1)
    assert list(step.seen) == [f"screen {i} of 4" for i in (1, 2, 3, 4)]
    assert all(plane.shape == (36, 36) and plane.dtype == np.uint8 for plane in step.seen.values())
    assert len(step.valued) == 4
    assert [picture.shape for picture in step.shown] == [(210, 160, 3)]
    newest = player.step().seen["screen 3 of 4"]
    np.testing.assert_array_equal(newest, step.seen["screen 4 of 4"])


def test_every_frame_is_shown_and_the_last_one_of_a_game(path):
    player = SYSTEM.open_player(path, seed=1, assignments=["backend=cpu", "frame_skip=3"])
    step = player.step(show=True)
    assert (step.frames, len(step.shown)) == (3, 3)
    while not (step := player.step(show=True)).ended:
        pass
    assert len(step.shown) == step.frames + 1
    assert player.step().number == 0


def test_the_limit_ends_a_game(path):
    player = opened(path, seed=1, max_frames=3)
    assert [player.step().ended for _ in range(6)] == [None, None, "limit"] * 2


def test_a_snapshot_of_the_original_plays_what_its_arrays_and_name_tell():
    player = SYSTEM.open_player(
        SHIPPED / "snapshot_A_3.prm", assignments=["game=toyA", "backend=cpu"]
    )
    assert len(player.step().seen) == 4
    assert (player.which, player.game) == ("last", "toyA")


def test_a_gym_environment_is_played_too(tmp_path):
    given = {"environment": "gym", "game": "breakout"}
    run = training(**given)
    path = tmp_path / "x.safetensors"
    save_networks(path, run.networks(), system="simple_dqn", arguments=options(**given), step=0)
    step = opened(path, seed=1).step(show=True)
    assert (step.frames, len(step.shown)) == (1, 1)
