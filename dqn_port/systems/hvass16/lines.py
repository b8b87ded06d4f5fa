"""What the original printed, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dqn_port.events import Event
from dqn_port.systems.hvass16.happenings import BurstBegun, Episode, RunEnded, StateTested, Updated


def lines_of(event: Event) -> Iterator[str]:
    """Yield the lines of an event, without line ends."""
    if isinstance(event, Episode):
        yield (
            f"{event.count_episodes:4}:{event.step}\t Epsilon: {event.epsilon:4.2f}\t "
            f"Reward: {event.reward:.1f}\t Episode Mean: {event.mean:.1f}"
        )
    elif isinstance(event, StateTested):
        yield (
            f"{event.count_episodes:4}:{event.step}\tQ-min: {event.q_min:5.3f}\t"
            f"Q-max: {event.q_max:5.3f}\tLives: {event.lives}\tReward: {event.reward:.1f}\t"
            f"Episode Mean: {event.mean:.1f}"
        )
    elif isinstance(event, BurstBegun):
        yield from memory_statistics(event)
        yield from optimizing(event)
    elif isinstance(event, Updated) and event.last:
        yield progress(event)
    elif isinstance(event, RunEnded) and event.rewards:
        yield from statistics(event.rewards)


def progress(event: Updated) -> str:
    """Return the line of an update; in the original each overwrote the one before."""
    return (
        f"\tIteration: {event.iteration} ({event.epoch:.2f} epoch), "
        f"Batch loss: {event.loss:.4f}, Mean loss: {event.loss_mean:.4f}"
    )


def memory_statistics(event: BurstBegun) -> Iterator[str]:
    """Yield what the original printed of its memory after a sweep."""
    s = event.statistics
    used = event.num_used
    yield "Replay-memory statistics:"
    for name, key in (("Before,", "before"), ("After, ", "after"), ("Diff., ", "difference")):
        low, mean, high = s[key]
        yield f"\tQ-values {name} Min: {low:5.2f}, Mean: {mean:5.2f}, Max: {high:5.2f}"
    share = s["large"] / used
    yield f"\tNumber of large errors > {s['threshold']}: {s['large']} / {used} ({share:.1%})"
    yield (
        f"\tend_life: {s['end_life'] / used:.1%}, end_episode: {s['end_episode'] / used:.1%}, "
        f"reward non-zero: {s['reward'] / used:.1%}"
    )


def optimizing(event: BurstBegun) -> Iterator[str]:
    """Yield the heading of a burst."""
    yield "Optimizing Neural Network to better estimate Q-values ..."
    yield f"\tLearning-rate: {event.learning_rate:.1e}"
    yield f"\tLoss-limit: {event.loss_limit:.3f}"
    yield f"\tMax epochs: {event.max_epochs:.1f}"


def statistics(rewards: Sequence[float]) -> Iterator[str]:
    """Yield the statistics of whole episodes, as at a run's end; there is at least one."""
    yield ""
    yield f"Rewards for {len(rewards)} episodes:"
    yield f"- Min:    {np.min(rewards)}"
    yield f"- Mean:   {np.mean(rewards)}"
    yield f"- Max:    {np.max(rewards)}"
    yield f"- Stdev:  {np.std(rewards)}"
