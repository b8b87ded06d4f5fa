"""Small parts by hand: random formulas, resize, gray, optimisers, layouts."""

from __future__ import annotations

import random

import cv2
import numpy as np
import pytest
import torch

from dqn_port.errors import CheckpointError, DivergedError, ReplayError
from dqn_port.games.ale.emulator import palette
from dqn_port.randoms.python2 import Python2Random
from dqn_port.systems.simple_dqn.deepqnetwork import DeepQNetwork
from dqn_port.systems.simple_dqn.emulator import ArcadeEmulator
from dqn_port.systems.simple_dqn.environment import gray_of
from dqn_port.systems.simple_dqn.layers import from_neon, neon_shape, to_neon
from dqn_port.systems.simple_dqn.optimizers import Adadelta, Adam, RMSProp
from dqn_port.systems.simple_dqn.passes import TorchPasses
from dqn_port.systems.simple_dqn.replay_memory import Minibatch, ReplayMemory
from dqn_port.systems.simple_dqn.resize import resize, resize_slowly
from dqn_port.systems.simple_dqn.statistics import csv_line
from tests.systems.simple_dqn.building import options


def test_python_2s_formulas():
    ours, theirs = Python2Random(5), random.Random(5)
    doubles = [theirs.random() for _ in range(3)]
    assert ours.random() == doubles[0]
    assert ours.randrange(18) == int(doubles[1] * 18)
    assert ours.randint(4, 30) == 4 + int(doubles[2] * 27)
    assert ours.n_draws == 3
    again = Python2Random(1)
    again.load_state_dict(ours.state_dict())
    assert (again.n_draws, again.random()) == (3, ours.random())


def test_a_generators_state_is_checked():
    with pytest.raises(CheckpointError) as caught:
        Python2Random(1).load_state_dict({"words": [1], "n_draws": 0})
    assert str(caught.value) == "random.words: expected uint32 [625], got a list"


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((210, 160), (84, 84)),
        ((250, 160), (84, 84)),
        ((210, 160), (96, 64)),
        ((210, 160), (160, 84)),
        ((210, 160), (84, 300)),
        ((210, 160), (300, 300)),
        ((36, 36), (84, 84)),
        ((36, 36), (36, 36)),
    ],
)
def test_resize_is_opencvs_to_the_bit_also_where_it_enlarges(shape, size):
    screen = np.random.RandomState(1).randint(0, 256, shape).astype(np.uint8)
    expected = cv2.resize(screen, size)
    np.testing.assert_array_equal(resize(screen, *size), expected)
    np.testing.assert_array_equal(resize_slowly(screen, *size), expected)
    gray = np.random.RandomState(2).permutation(256).astype(np.uint8)
    np.testing.assert_array_equal(resize(screen, *size, gray), cv2.resize(gray[screen], size))


def test_gray_is_opencvs_and_the_emulators():
    rgb = np.random.RandomState(1).randint(0, 256, (50, 60, 3)).astype(np.uint8)
    np.testing.assert_array_equal(gray_of(rgb), cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
    emulator = ArcadeEmulator("seaquest", seed=1)
    screen = np.empty((210, 160), dtype=np.uint8)
    emulator.get_screen(screen)
    np.testing.assert_array_equal(gray_of(palette())[screen], emulator.ale.getScreenGrayscale())


def test_the_csv_prints_as_python_2_did():
    cells = (1, "test", 0.1, 2.0, np.float32(0.1), np.float32(3), np.float32(24717.3359), -(2**63))
    assert csv_line(cells) == "1,test,0.1,2.0,0.1,3.0,24717.336,-9223372036854775808\r\n"


W, G = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 0.0])


def step(optimizer, n, **at):
    w, states = W.clone(), [torch.zeros(2) for _ in range(n)]
    optimizer.optimize(w, 4 * G, states, **{"batch_size": 4, "epoch": 0, "updates": 1} | at)
    return w[0].item(), [state[0].item() for state in states], w[1].item()


def test_rmsprop_by_hand():
    w, states, untouched = step(RMSProp(0.1, 0.9), 1)
    # s = 0.25 · 0.1 = 0.025; w = 1 − 0.05 / (√0.025001 + 1e-6)
    assert states == pytest.approx([0.025])
    assert w == pytest.approx(1 - 0.05 / (0.025001**0.5 + 1e-6), rel=1e-6)
    assert untouched == -2


@pytest.mark.parametrize("batch_size", [32, 12])
def test_rmsprop_is_the_same_without_kernels(batch_size, monkeypatch):
    draw = torch.Generator().manual_seed(1)
    n, results = 100_003, []
    w, s = torch.randn(n, generator=draw), torch.rand(n, generator=draw)
    g = torch.randn(n, generator=draw) * 10 ** (9 * torch.rand(n, generator=draw) - 6)
    for off in (False, True):
        if off:
            monkeypatch.setattr("dqn_port.systems.simple_dqn.optimizers.kernels", lambda: None)
        of_w, of_s = w.clone(), s.clone()
        for _ in range(2):
            RMSProp(0.00025, 0.95).optimize(
                of_w, g.clone(), [of_s], batch_size=batch_size, epoch=0, updates=1
            )
        results.append((of_w, of_s))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert not torch.equal(results[0][0], w)


def test_adam_by_hand_and_whose_time_it_takes():
    # m = 0.05, v = 0.00025; l = 0.1 · √(1 − 0.999^T) / (1 − 0.9^T)
    w, states, _ = step(Adam(0.1, counts_updates=False), 2, epoch=1, updates=50)
    assert states == pytest.approx([0.05, 0.00025])
    rate = 0.1 * (1 - 0.999**2) ** 0.5 / (1 - 0.9**2)
    assert w == pytest.approx(1 - rate * 0.05 / (0.00025**0.5 + 1e-8), rel=1e-6)
    other = step(Adam(0.1, counts_updates=True), 2, epoch=1, updates=2)
    assert other[0] == w


def test_adadelta_by_hand():
    w, states, _ = step(Adadelta(0.9), 3)
    e = 0.025
    u = (1e-6 / (e + 1e-6)) ** 0.5 * 0.5
    assert states == pytest.approx([e, 0.1 * u * u, u], rel=1e-5)
    assert w == pytest.approx(1 - u, rel=1e-6)


def test_layouts_are_each_others_inverse():
    like = torch.empty(6, 2, 3, 3)
    neon = np.arange(2 * 3 * 3 * 6, dtype=np.float32).reshape(neon_shape(like))
    ours = from_neon(neon, like)
    assert ours[5, 1, 2, 0] == neon[1 * 9 + 2 * 3 + 0, 5]
    np.testing.assert_array_equal(to_neon(ours), neon)


@pytest.mark.parametrize("size", [36, 84])
def test_row_0_alone_is_predicted_as_among_others(size):
    net = DeepQNetwork(options(screen_width=size, screen_height=size, batch_size=28), 4)
    states = np.random.RandomState(1).randint(0, 256, (28, 4, size, size)).astype(np.uint8)
    assert net.is_exact
    np.testing.assert_array_equal(net.predict(states[:1])[0], net.predict(states)[0])


@pytest.mark.parametrize("given", [{}, {"screen_width": 40, "screen_height": 53, "batch_size": 3},
                                   {"history_length": 5}])  # fmt: skip
def test_neons_sums_are_pytorchs_but_for_rounding(given):
    net = DeepQNetwork(options(**given), 4)
    others = TorchPasses(net.model, net.device)
    draw = np.random.RandomState(1)
    states = draw.randint(0, 256, net_shape(net, given)).astype(np.uint8)
    of_q = draw.standard_normal((len(states), 4)).astype(np.float32)
    assert net.is_exact
    q = net._passes.learn(states)
    np.testing.assert_allclose(q, others.learn(states), atol=2e-6)
    for got, expected in zip(net._passes.gradients(of_q), others.gradients(of_q), strict=True):
        np.testing.assert_allclose(got, expected, atol=2e-6 * float(expected.abs().max()) + 1e-6)


def net_shape(net, given):
    values = options(**given)
    names = ("history_length", "screen_height", "screen_width")
    return (net.batch_size, *(values[name] for name in names))


def test_a_cost_that_is_not_finite_ends_the_run_in_one_line():
    net = DeepQNetwork(options(), 4)
    with torch.no_grad():
        net.model.operations["output"].weight.fill_(float("inf"))
    states = np.ones((4, 4, 36, 36), dtype=np.uint8)
    zeros = np.zeros(4, dtype=np.uint8)
    with pytest.raises(DivergedError) as caught:
        net.train(Minibatch(states, zeros, zeros.astype(int), states, zeros > 0), 0)
    assert str(caught.value) == (
        "network: expected finite Q-values, got a cost of nan at update 1; lower learning_rate or "
        "set clip_error"
    )


def memory(**given):
    settings = {"screen_height": 1, "screen_width": 1, "history_length": 2, "batch_size": 3}
    return ReplayMemory(8, random=Python2Random(1), **settings | given)


def test_after_a_terminal_one_entry_too_many_is_never_drawn():
    mem = memory(batch_size=200)
    for i in range(8):
        mem.add(0, 0, np.full((1, 1), i, np.uint8), i == 3)
    mem.get_minibatch()
    # H = 2: 0, 1 are below H; 4, 5 follow the terminal one, which may itself be drawn.
    assert set(mem.last_indexes) == {2, 3, 6, 7}


def test_an_entry_below_the_history_is_never_drawn_also_of_a_full_ring():
    mem = memory(batch_size=200)
    for i in range(12):
        mem.add(0, 0, np.full((1, 1), i, np.uint8), False)
    assert (mem.current, mem.count) == (4, 8)
    mem.get_minibatch()
    # 4 and 5 lie across the place that is written next.
    assert set(mem.last_indexes) == {2, 3, 6, 7}


def test_what_no_minibatch_can_be_drawn_from_is_refused(monkeypatch):
    monkeypatch.setattr("dqn_port.systems.simple_dqn.replay_memory._MOST_TRIES", 50)
    mem = memory()
    with pytest.raises(ReplayError) as caught:
        mem.get_minibatch()
    assert str(caught.value) == (
        "replay memory: expected more than history_length (2) entries, got 0; raise batch_size or "
        "random_steps"
    )
    for _ in range(4):
        mem.add(0, 0, np.zeros((1, 1), np.uint8), True)
    with pytest.raises(ReplayError) as caught:
        mem.get_minibatch()
    assert str(caught.value) == (
        "replay memory: none of 50 draws among 4 entries was valid; raise replay_size"
    )
