from __future__ import annotations

from dqn_port.bench.floor import LIBRARIES, start_rates
from dqn_port.bench.machine import cores_for
from dqn_port.systems.lua_dqn.bench.parts import flop_of_update
from dqn_port.systems.lua_dqn.networks.layers import Linear, Rectifier, Reshape, SpatialConvolution

NATURE = (
    Reshape((4, 84, 84)),
    SpatialConvolution(4, 32, 8, 8, 4, 4, 1, 1),
    Rectifier(),
    SpatialConvolution(32, 64, 4, 4, 2, 2),
    Rectifier(),
    SpatialConvolution(64, 64, 3, 3, 1, 1),
    Rectifier(),
    Reshape((3136,)),
    Linear(3136, 512),
    Rectifier(),
    Linear(512, 6),
)


def test_the_operations_of_the_nature_network_by_hand():
    convolutions = [2 * 20 * 20 * 32 * 256, 2 * 9 * 9 * 64 * 512, 2 * 7 * 7 * 64 * 576]
    linear = [2 * 3136 * 512, 2 * 512 * 6]
    forward = sum(convolutions) + sum(linear)
    # Twice forward, all weights' gradients, and all inputs' gradients but the screen's.
    by_hand = 32 * (4 * forward - convolutions[0])
    assert flop_of_update(NATURE, (4, 84, 84), 32) == by_hand
    assert 2.17e9 < by_hand < 2.19e9


def test_a_flat_input_needs_no_shape():
    assert flop_of_update((Linear(100, 3),), (100,), 8) == 8 * 3 * 2 * 300


def test_every_library_has_a_rate():
    with start_rates(1, cores_for(1)) as worker:
        rates = worker.ask("run 1")
    assert set(rates) == set(LIBRARIES)
    assert all(rate > 0 for rate in rates.values())
