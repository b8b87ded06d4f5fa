"""The schedule of ε."""

from __future__ import annotations


def linear_decay(init_val: float, final_val: float, cur_step: int, total_steps: int) -> float:
    """Return the value at a step on the line from first to last, and the last from there on.

    Practical_RL: utils.py, linear_decay
    """
    if cur_step >= total_steps:
        return final_val
    return (init_val * (total_steps - cur_step) + final_val * cur_step) / total_steps
