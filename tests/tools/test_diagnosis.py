"""What a network valued some games at, and what came of them, worked out by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dqn_port.errors import DivergedError, EvaluationError
from dqn_port.runs.diagnosis import DIAGNOSIS, KINDS, read_diagnosis, sha256_of_diagnosis
from dqn_port.runs.evaluations import read_evaluation
from dqn_port.tools.diagnosis import Diagnosing, diagnose
from dqn_port.tools.layers import coloured, show_convolutions
from dqn_port.tools.record import record_evaluation
from tests.tools.running import TOY_A, make_snapshot
from tests.tools.scripted import convolved, player_of, step_of

GAME = [
    step_of(0, [1.0, 3.0], 0.0, learnt=0.0, terminal=False, lives=3),
    step_of(1, [2.0, 2.5], 5.0, learnt=1.0, terminal=True, lives=2),
    step_of(2, [4.0, -1.0], -2.0, learnt=-1.0, terminal=False, lives=2, done=1),
    step_of(3, [0.5, 0.0], 1.0, "game", learnt=1.0, terminal=True, lives=0),
]
"""Values, rewards, a life lost in the second step."""


def pixels(plane):
    return np.asarray(Image.open(io.BytesIO(plane.png)))


def of_kind(diagnosis, kind):
    return [moment for moment in diagnosis.moments if moment.kind == kind]


def places(diagnosis, kind):
    return [(moment.episode, moment.step) for moment in of_kind(diagnosis, kind)]


def test_returns_end_where_training_takes_an_end():
    made = diagnose(player_of(GAME, discount=0.5, actions=("A", "B")), seed=7, episodes=1)
    # 0 + 0.5·1, 1 at the lost life; then −1 + 0.5·1, 1.
    assert made.points == ((0.5, 3.0, 0.0), (1.0, 2.5, 0.0), (-0.5, 4.0, 0.0), (1.0, 0.5, 0.0))
    assert (made.compared, made.mean_return, made.mean_value) == (4, 0.5, 2.5)
    assert made.mean_error == (2.5 + 1.5 + 4.5 + 0.5) / 4
    # Of the steps that are shown: |1 − 2|, |−1 + 0.5·0.5 − (−1)|, |1 − 0.5|.
    errors = {m.step: m.td_error for m in made.moments}
    assert errors == {1: 1.0, 2: 0.25, 3: 0.5}
    assert made.correlation == pytest.approx(np.corrcoef([0.5, 1, -0.5, 1], [3, 2.5, 4, 0.5])[0, 1])
    (episode,) = made.episodes
    assert (episode.reward, episode.steps, episode.ended) == (4.0, 4, True)
    told = made.network, made.seed, made.epsilon, made.discount, made.learnt, made.actions
    assert told == ("last", 7, 0.25, 0.5, True, ("A", "B"))


def test_a_cut_episode_ends_in_the_value_of_its_last_state():
    steps = [step_of(i, [float(i), 0.5], 1.0, "limit" if i == 2 else None) for i in range(3)]
    made = diagnose(player_of(steps, discount=0.5), seed=1, episodes=1)
    # V of the last state is 2: 1 + 0.5·2 = 2, 1 + 0.5·2 = 2; the last state has no return.
    assert made.points == ((2.0, 0.5, 1.0), (2.0, 1.0, 1.0))
    assert (made.learnt, made.episodes[0].ended, made.distinct) == (False, False, 1)
    # |1 + 0.5·1 − 0|
    assert {m.step: m.td_error for m in made.moments} == {0: 1.5, 2: None}
    assert {m.step: m.returned for m in made.moments} == {0: 2.0, 2: None}


def test_without_a_discount_there_are_no_returns():
    made = diagnose(player_of(GAME), seed=1, episodes=3)
    assert (made.points, made.compared, made.correlation) == ((), 0, None)
    assert {m.returned for m in made.moments} == {m.td_error for m in made.moments} == {None}
    assert {m.kind for m in made.moments} == set(KINDS) - {"td_error", "miss"}


def test_moments_of_a_kind_are_of_different_episodes():
    steps = [
        step_of(i, [0.0, (i + 1.0) * e], e * (1 - i), "game" if i else None)
        for e in range(5)
        for i in range(2)
    ]
    made = diagnose(player_of(steps, discount=1.0), seed=1, episodes=5)
    assert places(made, "spread_high") == [(4, 1), (3, 1), (2, 1)]
    assert places(made, "spread_low") == [(0, 0), (1, 0), (2, 0)]
    # V − return: 2e at the end, and before it e − e.
    assert places(made, "miss") == [(4, 1), (3, 1), (2, 1)]
    assert (places(made, "q_high"), places(made, "q_low")) == ([(4, 1)], [(0, 0)])
    assert of_kind(made, "spread_high")[0].spread == 8.0


def test_episodes_that_are_the_same_count_as_one():
    made = diagnose(player_of(GAME, discount=0.5), seed=1, episodes=4)
    assert (len(made.episodes), made.distinct, made.steps) == (4, 1, 16)
    # All four steps are near each other.
    assert places(made, "spread_high") == [(0, 2)]
    long = [step_of(i, [0.0, float(i)], 0.0, "game" if i == 99 else None) for i in range(100)]
    made = diagnose(player_of(long, discount=0.5), seed=1, episodes=2)
    assert places(made, "spread_high") == [(0, 99), (0, 69), (0, 39)]


def test_the_steps_around_the_first_reward_and_a_lost_life():
    steps = [step_of(i, [1.0], float(i == 12), lives=3 - (i > 13)) for i in range(16)]
    made = diagnose(player_of([*steps, step_of(16, [1.0], 0.0, "game")]), seed=1, episodes=1)
    assert places(made, "first_reward") == [(0, 8), (0, 10), (0, 12), (0, 14)]
    assert places(made, "lost_life") == [(0, 5), (0, 8), (0, 11), (0, 14)]


def test_no_more_is_taken_in_than_was_asked_for():
    diagnosing = Diagnosing(player_of(GAME, discount=0.5), episodes=3, steps=6)
    while not diagnosing.full:
        diagnosing.take(diagnosing.player.step())
    made = diagnosing.diagnosis(seed=1)
    assert [(e.steps, e.ended) for e in made.episodes] == [(4, True), (2, False)]
    # The sixth step loses a life: nothing is open.
    assert {is_open for _, _, is_open in made.points} == {0.0}
    assert made.compared == 6
    diagnosing = Diagnosing(player_of(GAME, discount=0.5), steps=5)
    while not diagnosing.full:
        diagnosing.take(diagnosing.player.step())
    # The fifth step is the last seen of its game, so nothing is known of what it led to.
    assert diagnosing.diagnosis(seed=1).compared == 4
    # A random start that ends the game does nothing.
    diagnosing = Diagnosing(player_of([]), episodes=3)
    diagnosing.take(step_of(0, [1.0], 0.0, "game", done=None))
    assert (diagnosing.full, diagnosing.diagnosis(seed=1)) == (False, None)


def test_what_was_seen_is_drawn_or_told():
    seen = {
        "bytes": np.array([[0, 255]], np.uint8),
        "floats": np.array([[-1.0, 0.0], [0.0, 1.0]]),
        "large": np.zeros((400, 200), np.uint8),
        "vector": np.arange(100, dtype=np.float32),
    }
    made = diagnose(player_of([step_of(0, [1.0], 0.0, "game", seen=seen)]), seed=1, episodes=1)
    moment = made.moments[0]
    small, floats, large = moment.planes
    assert pixels(small).tolist() == [[0, 255]]
    assert pixels(floats).tolist() == [[0, 128], [128, 255]]
    assert (large.label, large.height, large.width) == ("large", 160, 80)
    assert pixels(large).shape == (160, 80)
    assert moment.vectors[0].numbers == tuple(map(float, range(64)))


def test_values_that_are_no_numbers_are_one_line():
    steps = [step_of(0, [1.0, 2.0], 0.0), step_of(1, [float("nan"), 2.0], 0.0)]
    with pytest.raises(DivergedError) as raised:
        diagnose(player_of(steps), seed=1)
    assert str(raised.value) == (
        "network: expected finite action values, got [nan, 2.0] at step 1 of a game; train with a "
        "smaller learning rate"
    )


def test_kernels_are_on_one_scale_and_outputs_each_on_its_own():
    values = np.array([-2.0, -1.0, 0.0, 2.0])
    expected = [[0, 0, 255], [128, 128, 255], [255, 255, 255], [255, 0, 0]]
    assert coloured(values, 2.0).tolist() == expected
    (shown,) = show_convolutions(convolved())
    assert (shown.scale, shown.least, shown.most, shown.filters) == (2.0, -2.0, 1.0, 2)
    assert (shown.mean, shown.std) == (-0.125, pytest.approx(np.std([1, -2, 0.5, 0])))
    # A row for the channel, a column a filter: 1 → half red, −2 → blue, 0.5, 0; a gap between.
    assert pixels(shown.kernels).tolist() == [
        [[255, 128, 128], [0, 0, 255], [128] * 3, [255, 191, 191], [255] * 3]
    ]
    assert pixels(shown.outputs).tolist() == [[0, 85, 128, 0, 85], [170, 255, 128, 170, 255]]


def test_the_convolutions_are_of_the_state_with_the_highest_value():
    steps = [
        step_of(0, [1.0], 0.0),
        step_of(1, [3.0], 0.0, convolve=convolved),
        step_of(2, [2.0], 0.0, "game"),
    ]
    made = diagnose(player_of(steps), seed=1, episodes=1)
    assert (made.convolved, [c.name for c in made.convolutions]) == ((0, 1), ["conv1"])
    made = diagnose(player_of(GAME), seed=1, episodes=1)
    assert (made.convolved, made.convolutions) == (None, ())


def test_a_record_has_the_diagnosis_of_its_first_episodes(tmp_path):
    snapshot = make_snapshot(tmp_path / "a.t7", TOY_A)
    record = record_evaluation(snapshot, tmp_path / "e", episodes=4, seeds=(3, 4))
    made = record.diagnosis
    assert (made.seed, made.epsilon, len(made.episodes)) == (3, 0.05, 3)
    assert [e.steps for e in made.episodes] == [e.steps for e in record.episodes[:3]]
    assert [e.reward for e in made.episodes] == [e.reward for e in record.episodes[:3]]
    assert read_evaluation(tmp_path / "e").diagnosis == made
    assert read_diagnosis(tmp_path / "e", sha256_of_diagnosis(made)) == made
    path = tmp_path / "e" / DIAGNOSIS
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(EvaluationError, match="its sha256 is not the one in"):
        read_evaluation(tmp_path / "e")
    path.unlink()
    with pytest.raises(EvaluationError) as raised:
        read_evaluation(tmp_path / "e")
    assert (
        str(raised.value) == f"{path}: cannot be read: No such file or directory; record it again"
    )
    plain = record_evaluation(snapshot, tmp_path / "f", episodes=4, seeds=(3, 4), clip=False)
    assert (plain.diagnosis, plain.episodes) == (None, record.episodes)
