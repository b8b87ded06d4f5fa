"""The loop's order and its quirks, in games made for it."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.errors import DivergedError
from dqn_port.systems.hvass16.happenings import Episode, StateTested
from dqn_port.systems.hvass16.player import Player
from dqn_port.systems.hvass16.system import SYSTEM
from tests.systems.hvass16.building import Kept, options


class Made:
    """A game of eight steps: two lives, the first is lost in step 3; a picture that changes."""

    action_names = ("A", "B", "C")

    def __init__(self):
        self.n = self.resets = 0

    def reset(self):
        self.n, self.resets = 0, self.resets + 1
        return self._frame()

    def _frame(self):
        frame = np.full((30, 20, 3), 60, np.uint8)
        frame[:, : 2 + self.n] = 250
        frame[0, 0] = 0
        return frame

    def step(self, action):
        self.n += 1
        return self._frame(), 2.5 if self.n == 2 else 0.0, self.n == 8

    def lives(self):
        return 2 if self.n < 3 else 1 if self.n < 8 else 0

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class Fixed:
    """A network that always prefers action 1."""

    def get_q_values(self, state):
        return np.array([0.0, 1.0, 0.5], np.float32)

    def update(self, states, targets, learning_rate):
        return 0.0

    def arrays(self):
        return {}


def made(**more):
    parts = {"environment": Made(), "network": Fixed()}
    table = {"epsilon_start_value": 0.0, "epsilon_end_value": 0.0, "replay_size": 1000,
             "replay_fraction_start_value": 1.0} | more  # fmt: skip
    return SYSTEM.training(options(**table), Kept(), parts=parts)


def test_a_lost_life_ends_neither_trace_nor_game():
    training = made()
    for _ in range(5):
        training.tick()
    memory = training.memory
    assert memory.end_life[:5].tolist() == [False, False, True, False, False]
    assert memory.end_episode[:5].tolist() == [False] * 5
    assert training.agent.env.resets == 1
    # What moved before the life was lost fades on after it.
    traces = memory.states[2:5, :, :, 1].reshape(3, -1).T
    assert [255, 191, 143] in traces.tolist()


def test_what_is_remembered():
    training = made()
    for _ in range(9):
        training.tick()
    memory = training.memory
    # The state of a reset has an empty trace; the reward is that of the step it led to, clipped.
    assert [memory.states[k, :, :, 1].any() for k in (0, 1, 8)] == [False, True, False]
    assert memory.rewards[:9].tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert memory.end_episode[:9].tolist() == [False] * 7 + [True, False]
    np.testing.assert_array_equal(memory.q_values[0], [0.0, 1.0, 0.5])
    assert memory.actions[:9].tolist() == [1] * 9


def test_an_episode_is_told_with_its_unclipped_reward():
    training = made(mean_of=2)
    told = [e for _ in range(8) for e in training.tick() if isinstance(e, Episode)]
    (episode,) = told
    assert (episode.step, episode.reward, episode.mean, episode.count_episodes) == (8, 2.5, 2.5, 1)


def test_epsilon_uses_the_count_before_the_state_and_the_rest_the_count_after():
    training = made(epsilon_start_value=1.0, epsilon_num_iterations=10, replay_size=100,
                    replay_fraction_start_value=0.04, replay_fraction_end_value=0.0,
                    replay_fraction_num_iterations=10)  # fmt: skip
    epsilons = []
    while training.agent.optimization is None and training.memory.fillings == 0:
        training.tick()
        epsilons.append(training.agent.epsilon)
    assert epsilons[0] == 1.0
    # 0.03 > 0.04 − 3 · 0.004: the count after the state decides.
    assert training.step == 3


def test_a_q_value_that_is_no_number_stops():
    training = made()
    training.network.get_q_values = lambda state: np.array([0, np.nan, 0], np.float32)
    with pytest.raises(DivergedError) as caught:
        training.tick()
    assert str(caught.value) == (
        "Q-values after 0 states: expected numbers, got [0.0, nan, 0.0]; lower learning_rate"
    )
    training = made(as_original=True)
    training.network.get_q_values = lambda state: np.array([0, np.nan, 0], np.float32)
    training.tick()
    assert training.agent.action == 1


def test_a_player_plays_whole_games_and_tells_the_originals_lines():
    from dqn_port.systems.hvass16.lines import lines_of

    opt = options(eval_episodes=1)
    player = Player(opt, Fixed4(), seed=[1], epsilon=0.0)
    ended, lines = [], []
    while len(ended) < 2:
        step = player.step(show=True)
        assert step.done == 1
        assert set(step.seen) == {"image", "motion trace"}
        assert step.seen["image"].shape == (21, 16)
        assert step.valued == [0.0, 1.0, 0.5, 0.25]
        # Every frame is shown once: the game's first, all that were played, and its last.
        assert len(step.shown) == step.frames + (step.ended is not None)
        lines += [line for event in player.told for line in lines_of(event)]
        if step.ended:
            ended.append(step.ended)
            assert isinstance(player.told[-1], StateTested)
    assert ended == ["game", "game"]
    assert lines[0].split("\t")[1:4] == ["Q-min: 0.000", "Q-max: 1.000", "Lives: 2"]
    assert player.step(3).done == 3


class Fixed4(Fixed):
    def get_q_values(self, state):
        return np.array([0.0, 1.0, 0.5, 0.25], np.float32)


def test_a_player_stops_at_its_limit():
    player = Player(options(), Fixed4(), seed=[1], max_frames=10)
    steps = [player.step() for _ in range(12)]
    first = next(i for i, step in enumerate(steps) if step.ended)
    assert steps[first].ended == "limit"
    assert 10 <= sum(step.frames for step in steps[: first + 1]) < 14
    assert [step.number for step in steps[: first + 2]] == [*range(first + 1), 0]
    limited = Player(options(max_steps=2), Fixed4(), seed=[1])
    assert [limited.step().ended for _ in range(3)] == [None, "limit", None]
    assert limited.max_frames == 8
