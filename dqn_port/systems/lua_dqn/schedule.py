"""Linear anneals, as NeuralQLearner computes them, in double."""

from __future__ import annotations


def anneal_epsilon(t: float, *, start: float, end: float, endt: float) -> float:
    """Return ε after ``t`` learning steps: ``start`` at 0, ``end`` from ``endt`` on.

    Lua: NeuralQLearner.lua, eGreedy.
    """
    return end + max(0.0, (start - end) * (endt - t) / endt)


def anneal_lr(t: float, *, start: float, end: float, endt: float) -> float:
    """Return the learning rate after ``t`` learning steps, never below ``end``.

    Lua: NeuralQLearner.lua, qLearnMinibatch.
    """
    return max((start - end) * (endt - t) / endt + end, end)
