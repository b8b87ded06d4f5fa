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


def played(env, **limits):
    agent = CountingAgent()
    options = {"max_episode_steps": limits.pop("max_episode_steps", None)}
    evaluation = Evaluation(env, agent, epsilon=0.05, **options)
    return list(evaluation.play(**limits)), agent


def test_rewards_of_steps_count_and_those_of_null_frames_do_not():
    episodes, agent = played(Countdown(3), episodes=2)
    assert episodes == [Episode(reward=3.0, steps=3), Episode(reward=3.0, steps=3)]
    assert all(seen[3:] == (True, 0.05) for seen in agent.seen)


def test_the_agent_never_sees_the_last_screen_of_a_game():
    _, agent = played(Countdown(2), episodes=2)
    assert [seen[1] for seen in agent.seen] == ["random 1", "1:1", "random 2", "2:1"]
    assert not any(seen[2] for seen in agent.seen)


def test_by_steps_it_begins_with_a_new_game_and_drops_the_unfinished_episode():
    episodes, agent = played(Countdown(3), steps=7)
    assert len(episodes) == 2
    assert len(agent.seen) == 7
    assert agent.seen[0][1] == "new"


def test_an_episode_is_cut_at_its_limit():
    episodes, _ = played(Countdown(5), episodes=2, max_episode_steps=2)
    assert episodes == [Episode(reward=2.0, steps=2, cut=True)] * 2


def test_a_game_that_a_null_frame_ended_is_followed_by_another_random_start():
    episodes, agent = played(Countdown(1, born_dead={1, 2}), episodes=1)
    assert episodes == [Episode(reward=1.0, steps=1)]
    assert [seen[2] for seen in agent.seen] == [True, True, False]


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
