"""Whole games with a trained network."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
import pytest

from dqn_port.errors import MissingLibraryError, SnapshotError
from dqn_port.saved_networks import SavedNetwork
from dqn_port.systems.practical_rl.system import SYSTEM
from dqn_port.systems.practical_rl.training_state import arrays_of
from tests.systems.practical_rl.running import options


def player(environment, **words):
    opt = options(environment, t_max=1000)
    weights = arrays_of(SYSTEM.training(opt).agent, copied=True)
    network = SavedNetwork(path=Path("x.safetensors"), which="best", arguments={}, weights=weights)
    return SYSTEM.player(opt, network, seed=3, **words)


def game(playing, *, show=False):
    steps = []
    while not steps or steps[-1].ended not in ("game", "limit"):
        steps.append(playing.step(show=show))
    return steps


def test_lives_end_within_a_game_and_its_own_rewards_are_counted():
    playing = player("toyA", epsilon=0.2)
    steps = game(playing)
    ends = [step.ended for step in steps if step.ended]
    assert ends == ["life", "life", "game"]
    assert [step.number for step in steps] == list(range(len(steps)))
    assert sum(step.earned for step in steps) <= -2
    assert sum(step.frames for step in steps) == playing._record.frames
    again = game(playing)
    assert again[0].number == 0
    assert again[0].frames == 8 + 4


def test_a_game_that_ends_in_a_hidden_step_is_told_before_the_next():
    playing = player("toyA", epsilon=0.2)
    while playing.step().ended != "life":
        pass
    # Its time is up within the reset's no-op.
    playing.env.unwrapped.ale.ticks = 398
    step = playing.step()
    # The no-op's 2 frames, one of FIRE in the finished game, and 4 of RIGHT in the next.
    assert (step.done, step.ended, step.frames) == (None, "game", 2 + 1 + 4)
    step = playing.step()
    assert (step.number, step.frames) == (0, 4)


def test_every_frame_is_shown_those_of_resets_too():
    playing = player("BreakoutNoFrameskip-v4", max_frames=400, epsilon=0.5)
    steps = game(playing, show=True)
    # The reset's frame, 8 hidden ones and 4 of the step; then what was met and 4 more.
    assert len(steps[0].shown) == 1 + 8 + 4
    assert len(steps[1].shown) == 1 + 4
    assert np.array_equal(steps[1].shown[0], steps[0].shown[-1])
    assert steps[-1].ended == "limit"
    assert steps[0].shown[0].shape == (210, 160, 3)
    after = next(i for i, step in enumerate(steps) if step.ended == "life") + 1
    assert steps[after].frames == 12 + 4
    assert playing.step().frames == 8 + 4, "a cut game is followed by another"


def test_what_is_seen_and_valued_can_be_asked_for_later():
    playing = player("BreakoutNoFrameskip-v4", max_frames=80)
    first, second = playing.step(), playing.step()
    assert list(first.seen) == ["newest frame", "1 before", "2 before", "3 before"]
    assert np.array_equal(first.seen["newest frame"], second.seen["1 before"])
    assert first.seen["newest frame"].dtype == np.uint8
    assert len(first.valued) == 4
    assert first.done == int(np.argmax(first.valued))
    assert playing.step(action=3).done == 3


def test_cartpole_is_a_vector_with_a_picture_and_a_limit():
    playing = player("CartPole-v1", max_frames=5)
    steps = game(playing, show=True)
    assert [step.ended for step in steps] == [None] * 4 + ["limit"]
    assert list(steps[0].seen) == ["state"]
    assert steps[0].seen["state"].shape == (4,)
    assert steps[0].shown[0].shape == (200, 300, 3)
    assert (playing.which, playing.game, playing.frames_per_step) == ("best", "CartPole-v1", 1)
    assert playing.epsilon == 0.0


def test_a_game_has_n_lives_times_t_max_steps_by_default():
    assert player("CartPole-v1").max_frames == 1 * 1000
    assert player("gymnasium:ALE/Breakout-v5").max_frames == 5 * 1000 * 4


def test_gymnasiums_pictures_are_shown_where_it_can_draw(monkeypatch):
    playing = player("gymnasium:CartPole-v1", max_frames=3)
    base = playing.env.unwrapped
    picture = np.zeros((40, 60, 3), dtype=np.uint8)
    monkeypatch.setattr(base, "render", lambda: picture)
    assert playing.step(show=True).shown == (picture, picture)

    def lacking():
        raise gymnasium.error.DependencyNotInstalled("pygame is not installed\nmore")

    monkeypatch.setattr(base, "render", lacking)
    with pytest.raises(MissingLibraryError) as caught:
        playing.step(show=True)
    assert str(caught.value) == (
        "a picture of CartPole-v1: pygame is not installed; or do without pictures: --no-clip"
    )


def test_a_network_of_others_is_refused_in_a_line():
    opt = options("CartPole-v1")
    network = SavedNetwork(path=Path("x.safetensors"), which="last", arguments={}, weights={})
    with pytest.raises(SnapshotError) as caught:
        SYSTEM.player(opt, network, seed=0)
    assert str(caught.value) == (
        "x.safetensors: network.body.0.weight: expected float32 [128, 4], got nothing; name a "
        "network of these options"
    )
