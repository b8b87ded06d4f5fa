"""Values, returns and errors of an episode, worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from dqn_port.systems.practical_rl.closer_look import play_and_log_episode


def played(values, rewards, **how):
    """Play an episode whose states are valued at ``values`` and whose steps earn ``rewards``."""
    at = iter(range(1, len(rewards) + 1))

    def step(action):
        t = next(at)
        return np.array([t]), rewards[t - 1], t == len(rewards), False, {}

    env = SimpleNamespace(reset=lambda: (np.array([0]), {}), step=step)
    agent = SimpleNamespace(get_qvalues=lambda s: np.array([[values[int(s[0, 0])], -1.0]]))
    return play_and_log_episode(env, agent, gamma=0.5, **how)


def test_the_last_error_is_right_unless_it_is_asked_for_as_given():
    right = played([1.0, 4.0, 2.0], [0.0, 1.0, 3.0])
    # |0 + 0.5·4 − 1|, |1 + 0.5·2 − 4|, |3 − 2|
    assert right["td_errors"].tolist() == [1.0, 2.0, 1.0]
    assert right["v_mc"].tolist() == [1.25, 2.5, 3.0]
    assert right["q_spreads"].tolist() == [2.0, 5.0, 3.0]
    given = played([1.0, 4.0, 2.0], [0.0, 1.0, 3.0], last_error_as_given=True)
    # The last is |3 + 0.5·2 − 4|, of the values of the step before.
    assert given["td_errors"].tolist() == [1.0, 2.0, 0.0]


def test_an_episode_of_one_step():
    assert played([2.0], [1.0])["td_errors"].tolist() == [1.0]
    with pytest.raises(IndexError):
        played([2.0], [1.0], last_error_as_given=True)
