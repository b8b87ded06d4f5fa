"""Look closer at an episode: values, returns, errors.

Practical_RL: utils.py, play_and_log_episode and img_by_obs
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dqn_port.games.gymnasium.making import Env


class Values(Protocol):
    """Something that values actions."""

    def get_qvalues(self, states: NDArray[Any]) -> NDArray[np.float32]:
        """Return the values of all actions in states."""


def play_and_log_episode(
    env: Env,
    agent: Values,
    gamma: float = 0.99,
    t_max: int = 10_000,
    *,
    last_error_as_given: bool = False,
) -> dict[str, Any]:
    """Play one greedy episode, and return its arrays [T]; the last state is not logged.

    v_mc[t] = r_t + γ · v_mc[t + 1] of the rewards alone, also where ``t_max`` cut the episode.

    td_errors[t] = |r_t + γ · v_agent[t + 1] − v_agent[t]|; the last is |r_t − v_agent[t]|.

    Quirk: ``last_error_as_given``, for traces, is the original's formula, which uses the values of
    the previous step; for an episode of one step it has no result (test_closer_look.py).

    Raises:
        IndexError: the episode has one step, and the last error is as given.
    """
    states: list[NDArray[Any]] = []
    v_agent: list[np.float32] = []
    q_spreads: list[np.float32] = []
    rewards: list[float] = []
    s, _ = env.reset()
    finished = False
    for _ in range(t_max):
        states.append(s)
        q = agent.get_qvalues(s[None])[0]
        v_agent.append(q.max())
        q_spreads.append(q.max() - q.min())
        s, reward, terminated, truncated, _ = env.step(int(q.argmax()))
        rewards.append(float(reward))
        if terminated or truncated:
            finished = True
            break
    td_errors = [
        abs(rewards[t] + gamma * float(v_agent[t + 1]) - float(v_agent[t]))
        for t in range(len(rewards) - 1)
    ]
    if last_error_as_given:
        td_errors.append(abs(rewards[-1] + gamma * float(v_agent[-1]) - float(v_agent[-2])))
    else:
        td_errors.append(abs(rewards[-1] - float(v_agent[-1])))
    v_mc = [0.0]
    for reward in reversed(rewards):
        v_mc.append(reward + gamma * v_mc[-1])
    return {
        "states": np.array(states),
        "v_mc": np.array(v_mc[:0:-1]),
        "v_agent": np.array(v_agent),
        "q_spreads": np.array(q_spreads),
        "td_errors": np.array(td_errors),
        "rewards": np.array(rewards),
        "episode_finished": np.array(finished),
    }


def img_by_obs(obs: NDArray[Any], state_dim: tuple[int, ...]) -> NDArray[Any]:
    """Return a state's frames, [k, height, width], stacked vertically: [k·height, width]."""
    return obs.reshape(-1, state_dim[2])
