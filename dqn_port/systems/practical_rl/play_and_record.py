"""Act, and record the transitions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dqn_port.games.gymnasium.making import Env
from dqn_port.systems.practical_rl.dqn_agent import DQNAgent
from dqn_port.systems.practical_rl.replay_buffer import ReplayBuffer, State


def play_and_record(
    initial_state: State,
    agent: DQNAgent,
    env: Env,
    exp_replay: ReplayBuffer,
    generator: np.random.RandomState,
    *,
    n_steps: int = 1,
    at_end: Callable[[], object] = lambda: None,
) -> State:
    """Play exactly ``n_steps`` steps from a state, add each, and return the state after them.

    Practical_RL: homework_pytorch_main.ipynb, play_and_record (its body is left to the student)

    ``at_end`` is called when an episode has ended, before the next one begins.
    """
    s = initial_state
    for _ in range(n_steps):
        qvalues = agent.get_qvalues(s.seen[None])
        action = int(agent.sample_actions(qvalues, generator)[0])
        seen, reward, terminated, truncated, _ = env.step(action)
        s2 = exp_replay.go_on(seen)
        exp_replay.add(s, action, float(reward), s2, (bool(terminated), bool(truncated)))
        s = s2
        if terminated or truncated:
            at_end()
            s = exp_replay.begin(env.reset()[0])
    return s
