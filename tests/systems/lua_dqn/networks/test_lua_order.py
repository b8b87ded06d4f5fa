"""On the CPU the network's float32 numbers are the original's, bit for bit."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from dqn_port.native.library import kernels
from dqn_port.systems.lua_dqn.networks import sequential
from dqn_port.systems.lua_dqn.networks.layers import Linear, Rectifier, Reshape, SpatialConvolution
from dqn_port.systems.lua_dqn.networks.sequential import Sequential
from dqn_port.systems.lua_dqn.traces import updates
from dqn_port.systems.lua_dqn.traces.replaying import network_of_parts
from dqn_port.verify import comparing
from dqn_port.verify.groups import verify
from tests.golden_files import arrays, meta

CPU = torch.device("cpu")
RECOMPUTED = ("deltas", "_ss", "_sum_sumsq_max", "stat_", "mean", "std", "best_network_changes")
"""Sums that the verification makes, and what it derives from vectors that are compared."""


@pytest.fixture(autouse=True)
def _compiled():
    assert kernels() is not None, "the tests need a C compiler: apt-get install gcc"


@pytest.fixture
def unequal(monkeypatch):
    """Give the names of the arrays of which any number is not the trace's."""
    names: set[str] = set()
    compare = comparing.Comparer.compare

    def noting(self, name, expected, got, **more):
        pair = np.atleast_1d(expected).reshape(-1), np.atleast_1d(got).reshape(-1)
        if not np.array_equal(*pair, equal_nan=pair[0].dtype.kind == "f"):
            names.add(name)
        compare(self, name, expected, got, **more)

    monkeypatch.setattr(comparing.Comparer, "compare", noting)
    return names


GROUPS = ("upd_full", "upd_small_1", "upd_small_2", "loop_A_s1", "loop_B_s1", "loop_C_s1")


@pytest.mark.parametrize("group", [*GROUPS, "loop_breakout", "init"])
def test_every_number_of_a_trace_is_met_to_the_bit(group, unequal, monkeypatch):
    monkeypatch.setattr(updates, "_CHAOTIC_FROM", {})
    monkeypatch.setattr(updates, "_SENSITIVE_FROM", {})
    (result,) = verify(only=(group,))
    assert result.same, result
    assert not [name for name in unequal if not any(part in name for part in RECOMPUTED)]


def drawn(*layers, seed=0):
    network = Sequential([*layers])
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        network.w.copy_(torch.randn(network.w.shape, generator=generator) / 4)
    return network


LAYERS = {
    "padded": (
        Reshape((2, 11, 9)),
        SpatialConvolution(2, 5, 3, 4, 2, 1, 1, 2),
        Rectifier(),
        SpatialConvolution(5, 14, 2, 3, 1, 2, 1, 1),
        Rectifier(),
        Reshape((14 * 6 * 6,)),
        Linear(14 * 6 * 6, 13),
        Rectifier(),
        Linear(13, 3),
    ),
    "linear": (Linear(198, 40), Rectifier(), Linear(40, 7)),
    "rectified": (Rectifier(), Linear(198, 4), Rectifier()),
}


def in_double(network, s, targets):
    """Return Q and the gradient by autograd, in float64."""
    leaves = [
        [v.detach().double().requires_grad_() for v in views] for views in network._parameters
    ]
    q = functools.reduce(
        lambda x, pair: pair[0].forward(x, pair[1]),
        zip(network.layers, leaves, strict=True),
        s.double(),
    )
    every = [leaf for views in leaves for leaf in views]
    gradients = torch.autograd.grad(q, every, grad_outputs=targets.double())
    return q, torch.cat([gradient.reshape(-1) for gradient in gradients])


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("batch", [1, 5, 33])
def test_values_and_gradients_are_autograds(layers, batch):
    network = drawn(*layers)
    s = torch.randn(batch, 198, generator=torch.Generator().manual_seed(1))
    given = s.clone()
    q = network.forward_for_update(s)
    targets = torch.randn(q.shape, generator=torch.Generator().manual_seed(2))
    sent = targets.clone()
    network.backward(targets)
    expected_q, expected_dw = in_double(network, s, targets)
    torch.testing.assert_close(q.double(), expected_q, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(network.dw.double(), expected_dw, atol=1e-4, rtol=1e-5)
    assert torch.equal(s, given)
    assert torch.equal(targets, sent)
    assert torch.equal(network.forward(s), q)


def test_a_gradient_is_whole_where_no_rectifier_stands_between():
    """An input that is 0 of itself lets its gradient through."""
    network = drawn(
        Reshape((2, 11, 9)),
        SpatialConvolution(2, 13, 3, 3, 1, 1, 0, 0),
        SpatialConvolution(13, 14, 3, 2, 2, 1, 0, 0),
        Reshape((14 * 8 * 3,)),
        Linear(14 * 8 * 3, 13),
        Linear(13, 3),
    )
    with torch.no_grad():
        for parameters in network._parameters:
            for views in parameters:
                views[:5] = 0
    s = torch.randn(7, 198, generator=torch.Generator().manual_seed(1))
    targets = torch.randn(7, 3, generator=torch.Generator().manual_seed(2))
    for _ in range(2):
        network.forward_for_update(s)
        network.backward(targets)
        # What was not set the second time would be seen.
        for step in (step for steps in network._lua_order._passes.values() for step in steps):
            for room in vars(step).get("_back", ()):
                if isinstance(room, torch.Tensor):
                    room.fill_(torch.nan)
    expected = in_double(network, s, targets)[1]
    torch.testing.assert_close(network.dw.double(), expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_an_empty_batch_is_refused(layers):
    with pytest.raises(RuntimeError, match="empty"):
        drawn(*layers).forward(torch.empty(0, 198))


def test_the_gradient_is_set_anew_and_is_the_last_kept_forwards():
    network = drawn(*LAYERS["linear"])
    s, other = torch.randn(4, 198), torch.randn(4, 198)
    gradients = []
    for _ in range(2):
        q = network.forward_for_update(s)
        network.forward(other)
        network.backward(torch.ones_like(q))
        gradients.append(network.dw.clone())
    assert torch.equal(*gradients)


def test_values_that_were_returned_stay():
    network = drawn(*LAYERS["linear"])
    q = network.forward(torch.ones(2, 198))
    before = q.clone()
    network.forward(torch.zeros(2, 198))
    assert torch.equal(q, before)


def test_the_number_of_threads_changes_no_number():
    network, _ = network_of_parts("convnet_atari3", 6, 1, CPU)
    s = torch.rand(32, 28224, generator=torch.Generator().manual_seed(0))
    targets = torch.rand(32, 6, generator=torch.Generator().manual_seed(1)) - 0.5
    library, results = kernels(), []
    try:
        for threads in (1, 2, 3):
            library.set_threads(threads)
            q = network.forward_for_update(s)
            network.backward(targets)
            results.append(torch.cat([q.reshape(-1), network.dw]))
    finally:
        library.set_threads(1)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_a_sample_has_the_same_values_in_whole_twelves_of_a_batch():
    network, _ = network_of_parts("convnet_atari3", 6, 1, CPU)
    s = torch.rand(60, 28224, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network.forward(s)[:48], network.forward(s[:48]))
    torch.testing.assert_close(network.forward(s)[:1], network.forward(s[:1]), atol=1e-6, rtol=0)


def test_without_kernels_the_values_are_nearly_the_same(monkeypatch):
    network, _ = network_of_parts("convnet_atari3", 6, 1, CPU)
    monkeypatch.setattr(sequential, "can_sum_as_lua", lambda device: False)
    without = network.clone()
    assert without._lua_order is None
    s = torch.rand(32, 28224, generator=torch.Generator().manual_seed(0))
    for one in (network, without):
        one.backward(torch.ones_like(one.forward_for_update(s)) / 32)
    torch.testing.assert_close(without.forward(s), network.forward(s), atol=1e-6, rtol=0)
    torch.testing.assert_close(without.dw, network.dw, atol=1e-6, rtol=0)


def test_buffers_are_made_once_for_a_batch_size_and_not_for_ever():
    network = drawn(*LAYERS["linear"])
    for batch in range(1, 30):
        network.forward(torch.zeros(batch, 198))
    passes = network._lua_order._passes
    assert len(passes) <= 8
    kept = passes[(29, 198), False]
    network.forward(torch.zeros(29, 198))
    assert passes[(29, 198), False] is kept


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((Linear(197, 4),), "nn.Linear(197 -> 4): cannot take [198]"),
        ((Reshape((197,)),), "shape '[1, 197]' is invalid for input of size 198"),
        (
            (Reshape((2, 11, 9)), SpatialConvolution(3, 4, 3, 3)),
            "nn.SpatialConvolution(3 -> 4, 3x3): cannot convolve [2, 11, 9]",
        ),
        (
            (Reshape((2, 11, 9)), SpatialConvolution(2, 4, 10, 3)),
            "nn.SpatialConvolution(2 -> 4, 10x3): cannot convolve [2, 11, 9]",
        ),
        (
            (SpatialConvolution(2, 4, 3, 3),),
            "nn.SpatialConvolution(2 -> 4, 3x3): cannot convolve [198]",
        ),
    ],
)
def test_a_state_of_another_size_is_refused(layers, message):
    with pytest.raises(RuntimeError) as caught:
        drawn(*layers).forward(torch.zeros(1, 198))
    assert str(caught.value) == message


def test_the_trace_of_the_first_values_is_met_to_the_bit():
    for net in meta("init")["nets"]:
        network, _ = network_of_parts(net["network"], net["n_actions"], net["seed"], CPU)
        j = np.arange(28224)
        s = np.stack([((b * 7919 + j * 104729) % 256) / np.float32(255) for b in (0, 1)])
        stem = f"{net['network']}_n{net['n_actions']}_seed{net['seed']}"
        q = network.forward(torch.from_numpy(s.astype(np.float32)))
        np.testing.assert_array_equal(q.numpy(), arrays("init")[f"{stem}_forward2"])
