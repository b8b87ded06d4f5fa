"""The network of distinct windows gives what PyTorch's convolutions give, to rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dqn_port.games.picture_games import open_game
from dqn_port.systems.labml_dqn import alike
from dqn_port.systems.labml_dqn.alike import Alike, look
from dqn_port.systems.labml_dqn.game import Game
from dqn_port.systems.labml_dqn.model import empty_model, obs_to_torch
from dqn_port.systems.labml_dqn.no_frameskip import NoFrameskip
from tests.systems.labml_dqn.building import training

CPU = torch.device("cpu")


def stacks_of(name):
    """Return eight stacks of a game."""
    game = Game(NoFrameskip(open_game(name)), 1)
    game.reset()
    return np.stack([game.step(step * 5 % 4).obs for step in range(8)])


def noise(columns):
    """Return stacks whose first columns are noise."""
    stacks = np.zeros((8, 4, 84, 84), dtype=np.uint8)
    stacks[..., :columns] = np.random.default_rng(1).integers(0, 256, (8, 4, 84, columns))
    return stacks


def learnt(model, seen):
    model.zero_grad()
    q = model(seen)
    (q * torch.arange(1.0, 5)).sum().backward()
    return q.detach(), {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize(
    ("stacks", "layers"),
    [
        (lambda: stacks_of("breakout"), 3),
        (lambda: stacks_of("toyA"), 3),
        (lambda: noise(40), 2),
        (lambda: noise(52), 1),
        (lambda: noise(84), 0),
    ],
)
def test_values_and_gradients_are_those_of_all_pixels(stacks, layers):
    obs = stacks()
    model = empty_model(4)
    model.draw(torch.Generator().manual_seed(1))
    seen = look(obs, CPU)
    assert layers == (len(seen.layers) if isinstance(seen, Alike) else 0)
    q, gradients = learnt(model, seen)
    plain_q, plain_gradients = learnt(model, obs_to_torch(obs, CPU))
    torch.testing.assert_close(q, plain_q, rtol=1e-6, atol=1e-7)
    for name, gradient in gradients.items():
        of = plain_gradients[name]
        size = of.abs().max().item()
        torch.testing.assert_close(gradient, of, rtol=0, atol=2e-5 * size, msg=name)


def test_without_kernels_all_pixels_are_computed(monkeypatch):
    obs = stacks_of("breakout")
    monkeypatch.setattr(alike, "kernels", lambda: None)
    seen = look(obs, CPU)
    assert isinstance(seen, torch.Tensor)
    assert seen.equal(obs_to_torch(obs, CPU))


def test_a_training_learns_the_same_plainly():
    one, plain = training(), training()
    plain._look = obs_to_torch
    while not one.trained:
        for each in (one, plain):
            each.tick()
    assert one.replay_buffer.trees.sum.tolist() == pytest.approx(
        plain.replay_buffer.trees.sum.tolist(), abs=1e-5
    )
