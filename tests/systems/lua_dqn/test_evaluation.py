"""Evaluations on games short enough to count by hand."""

from __future__ import annotations

import pytest

from dqn_port.systems.lua_dqn.evaluation import Episode, Evaluation, EvaluationState


class CountingAgent:
    """An agent that plays action 0 and notes what it was shown."""

    def __init__(self):
        self.seen = []

    def perceive(self, reward, rawstate, terminal, testing=False, testing_ep=None):
        self.seen.append((reward, rawstate, terminal, testing, testing_ep))
        return None if terminal else 0


class Countdown:
    """A game that ends after some steps, each with reward 1; screens are numbers."""

    actions = (7,)

    def __init__(self, length, *, born_dead=()):
        self.length, self.left, self.starts, self.born_dead = length, length, 0, set(born_dead)

    def get_state(self):
        return ("start", 0.0, False)

    def step(self, action, *, training=False):
        assert action == 7
        assert not training
        self.left -= 1
        return (f"{self.starts}:{self.left}", 1.0, self.left == 0)

    def new_game(self):
        self.left = self.length
        return ("new", 0.0, False)

    def next_random_game(self):
        self.left = self.length
        self.starts += 1
        return (f"random {self.starts}", 5.0, self.starts in self.born_dead)


def test_the_agent_never_sees_the_last_screen_of_a_game():
    env, agent, state = Countdown(2, born_dead={1, 2}), CountingAgent(), EvaluationState()
    evaluation, at = Evaluation(env, agent, epsilon=0.05), env.new_game()
    for _ in range(6):
        at = evaluation.tick(at, state)
    # Games that a null frame has ended are followed by another random start.
    shown = ["new", "0:1", "random 1", "random 2", "random 3", "3:1"]
    assert [seen[1] for seen in agent.seen] == shown
    assert [seen[2] for seen in agent.seen] == [False, False, True, True, False, False]
    assert all(seen[3:] == (True, 0.05) for seen in agent.seen)
    # The rewards of null frames do not count.
    assert state.episodes == [Episode(reward=2.0, steps=2)] * 2


def test_the_mean_without_a_finished_episode_is_0_as_in_the_original():
    assert EvaluationState().mean_reward == 0
    state = EvaluationState(episodes=[Episode(reward=1, steps=1), Episode(reward=4, steps=1)])
    assert state.mean_reward == 2.5


def test_every_state_of_an_evaluation_stands_in_its_state():
    env, agent = Countdown(3), CountingAgent()
    evaluation, state = Evaluation(env, agent, epsilon=0.05), EvaluationState()
    at = env.new_game()
    for _ in range(2):
        at = evaluation.tick(at, state)
    assert (state.steps, state.episode_steps, state.episode_reward, state.n_rewards) == (2, 2, 2, 2)
    resumed = Evaluation(env, agent, epsilon=0.05)
    resumed.tick(at, state)
    assert state.episodes == [Episode(reward=3.0, steps=3)]
    assert (state.episode_steps, state.episode_reward) == (0, 0.0)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_time_is_measured_a_step(steps):
    now = iter(range(100))
    evaluation = Evaluation(
        Countdown(10), CountingAgent(), epsilon=0, clock=lambda: float(next(now))
    )
    state, at = EvaluationState(), ("new", 0.0, False)
    for _ in range(steps):
        at = evaluation.tick(at, state)
    assert state.seconds == steps
