"""Choose actions for all games at once. labml: experiment.py, Trainer._sample_action."""

from __future__ import annotations

from collections.abc import Callable

import torch


def sample_action(
    values: Callable[[], torch.Tensor],
    n_games: int,
    n_actions: int,
    exploration: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return an action for each game, int64 [n_games].

    Two numbers per game are drawn whatever ε is: first all actions, then all x in [0, 1). A game
    takes its random action if x < ε, in float32. ``values`` returns Q, float32 [n_games,
    n_actions]; it is not called if every action is random, which changes no number.
    """
    random_action = torch.randint(n_actions, (n_games,), generator=generator)
    choose_rand = torch.rand(n_games, generator=generator) < exploration
    if choose_rand.all():
        return random_action
    greedy_action = torch.argmax(values(), dim=-1).cpu()
    return torch.where(choose_rand, random_action, greedy_action)
