"""Stable-Baselines3's DQN as a worker, run by the python of its own environment.

It imports nothing of this program and is set up as its users set it up for Atari. The protocol
is that of workers.py; its settings: ``game`` (Pong), ``cores``, ``threads``, ``learning_starts``,
``epsilon``, ``buffer_size``, ``batch_size``, ``train_freq``, ``target_update_interval``, ``seed``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def answer_on(answers: Any, table: dict[str, Any]) -> None:
    """Write one line of JSON."""
    answers.write(json.dumps(table) + "\n")
    answers.flush()


def main() -> None:
    """Train, and wait in a callback between the steps that are timed."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    settings = json.loads(sys.stdin.readline())
    os.sched_setaffinity(0, settings["cores"])

    import ale_py
    import gymnasium
    import stable_baselines3
    import torch
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.vec_env import VecFrameStack

    torch.set_num_threads(settings["threads"])
    gymnasium.register_envs(ale_py)
    env = make_atari_env(f"{settings['game']}NoFrameskip-v4", n_envs=1, seed=settings["seed"])
    model = stable_baselines3.DQN(
        "CnnPolicy",
        VecFrameStack(env, n_stack=4),
        buffer_size=settings["buffer_size"],
        learning_starts=settings["learning_starts"],
        batch_size=settings["batch_size"],
        train_freq=settings["train_freq"],
        gradient_steps=1,
        target_update_interval=settings["target_update_interval"],
        exploration_initial_eps=settings["epsilon"],
        exploration_final_eps=settings["epsilon"],
        optimize_memory_usage=True,
        replay_buffer_kwargs={"handle_timeout_termination": False},
        seed=settings["seed"],
        device="cpu",
    )
    # Learning starts, and the first updates are done, before it is ready.
    left, started = settings["learning_starts"] + 10 * settings["train_freq"], 0.0

    def after_step(*_: Any) -> bool:
        """Count down the steps; at the end answer and wait for more. False ends learn."""
        nonlocal left, started
        left -= 1
        if left > 0:
            return True
        if started:
            answer_on(answers, {"seconds": time.perf_counter() - started})
        else:
            versions = {"stable_baselines3": stable_baselines3.__version__,
                        "torch": torch.__version__}  # fmt: skip
            answer_on(answers, {"ready": True, "versions": versions})
        line = sys.stdin.readline()
        if not line:
            return False
        left, started = int(line.removeprefix("run ")), time.perf_counter()
        return True

    model.learn(total_timesteps=10**9, callback=after_step)


if __name__ == "__main__":
    main()
