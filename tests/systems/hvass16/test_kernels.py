"""The kernels give what Pillow, PyTorch and NumPy give, to the bit, and so does their absence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from dqn_port.native.library import kernels
from dqn_port.systems.hvass16 import preprocessing, replay_memory, rmsprop, shrinking
from dqn_port.systems.hvass16.neural_network import Layers, NeuralNetwork
from dqn_port.systems.hvass16.preprocessing import pre_process_image, rgb_to_grayscale, stretch
from dqn_port.systems.hvass16.shrinking import shrink_stretched


@pytest.fixture(autouse=True)
def _compiled():
    assert kernels() is not None, "the tests need a C compiler: apt-get install gcc"


def images(height, width):
    generator = np.random.RandomState(1)
    noise = generator.randint(0, 256, (height, width, 4)).astype(np.uint8)
    yield noise[..., :3]
    yield noise[..., :3] // 20
    yield np.ascontiguousarray(noise[..., :3])
    yield np.full((height, width, 3), 77, dtype=np.uint8)
    yield np.where(noise[..., :1] < 99, 255, 0).repeat(3, axis=-1).astype(np.uint8)
    repeated = noise[..., :3].copy()
    repeated[3:20] = repeated[3]
    yield repeated


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((210, 160), (105, 80)), ((210, 160), (42, 32)), ((60, 48), (20, 16)),
        ((40, 30), (40, 30)), ((210, 160), (70, 20)),
    ],
)  # fmt: skip
def test_a_frame_is_shrunk_as_pillow_shrinks_it(size, small):
    for image in images(*size):
        expected = Image.fromarray(stretch(rgb_to_grayscale(image))).resize(
            small[::-1], Image.Resampling.BICUBIC
        )
        got = shrink_stretched(image, *small)
        assert got is not None
        assert np.array_equal(got, np.asarray(expected))


def test_other_sizes_and_other_pictures_are_left_to_pillow(monkeypatch):
    image = next(images(210, 160))
    assert shrink_stretched(image, 84, 84) is None
    assert shrink_stretched(image[:, ::-1], 105, 80) is None
    expected = pre_process_image(image)
    monkeypatch.setattr(shrinking, "kernels", lambda: None)
    assert shrink_stretched(image, 105, 80) is None
    assert np.array_equal(pre_process_image(image), expected)
    assert preprocessing.pre_process_image(image, height=84, width=84).shape == (84, 84)


def test_the_sweep_without_kernels_is_the_same(monkeypatch):
    def swept():
        memory = replay_memory.ReplayMemory(500, 4, np.random.RandomState(1), state_shape=(1, 1, 2))
        generator = np.random.RandomState(2)
        memory.q_values[:] = generator.rand(500, 4)
        memory.actions[:] = generator.randint(0, 4, 500)
        memory.rewards[:] = generator.randint(-1, 2, 500)
        memory.end_life[:] = generator.rand(500) < 0.1
        memory.num_used = 480
        memory.update_all_q_values()
        return memory.q_values, memory.estimation_errors

    expected = swept()
    monkeypatch.setattr(replay_memory, "kernels", lambda: None)
    for one, other in zip(swept(), expected, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("n", [1, 7, 200_000])
def test_rmsprop_without_kernels_is_the_same(n, monkeypatch):
    generator = torch.Generator().manual_seed(n)
    w, g, ms = torch.randn((3, n), generator=generator)
    found = []
    for without in (False, True):
        tensors = w.clone(), g * 1e-3, ms.square()
        if without:
            monkeypatch.setattr(rmsprop, "kernels", lambda: None)
        for _ in range(3):
            rmsprop.rmsprop(*tensors, lr=1e-3, decay=0.9, epsilon=1e-10)
        found.append(tensors)
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][2], found[1][2])
    assert not torch.equal(found[0][0], w)


def test_an_update_is_autograds_gradients_and_rmsprop():
    network = NeuralNetwork(3, (21, 16, 2), layers=Layers(dense=(1100, 1000)))
    network.initialise(np.random.RandomState(1))
    assert network.get_parameter("layer_fc2/weights").numel() > 2**20, "oneDNN's product is tried"
    generator = np.random.RandomState(2)
    states = generator.randint(0, 256, (5, 21, 16, 2)).astype(np.uint8)
    targets = generator.rand(5, 3)
    loss = network.loss(states, targets)
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    expected = {}
    for (name, parameter), gradient in zip(network.named_parameters(), gradients, strict=True):
        w, ms = parameter.detach().clone(), network.mean_square[name].clone()
        rmsprop.rmsprop(w, gradient.contiguous(), ms, lr=1e-3, decay=0.9, epsilon=1e-10)
        expected[name] = w, ms
    assert network.update(states, targets, 1e-3) == pytest.approx(loss.item(), rel=1e-6)
    for name, parameter in network.named_parameters():
        w, ms = expected[name]
        assert torch.allclose(parameter, w, rtol=0, atol=2e-8), name
        assert torch.allclose(network.mean_square[name], ms, rtol=1e-6), name
