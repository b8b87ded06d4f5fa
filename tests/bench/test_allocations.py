"""On the hot path nothing of a batch's size is made anew: buffers are made once."""

from __future__ import annotations

import tracemalloc

import pytest
from torch.profiler import ProfilerActivity, profile

from dqn_port.systems.lua_dqn.bench.loops import Loop, soon_learning, uninterrupted
from tests.bench.running import pong_options

BATCH = 32 * 4 * 84 * 84
"""Bytes of the states of a minibatch, as bytes; as floats they take four times as many."""

UPDATES = 17
"""One more than a sampling buffer serves, so that it is filled once."""


@pytest.fixture(scope="module")
def agent():
    opt = soon_learning(pong_options(), random_steps=600)
    loop = Loop(uninterrupted(opt, threads=1, steps=5_000))
    loop.learn()
    for _ in range(UPDATES):
        loop.agent.q_learn_minibatch()
    return loop.agent


def test_an_update_allocates_no_batch_in_numpy(agent):
    tracemalloc.start()
    try:
        held, _ = tracemalloc.get_traced_memory()
        for _ in range(UPDATES):
            agent.q_learn_minibatch()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - held < BATCH


def torch_allocations(work, times):
    """Return the bytes that each operation of PyTorch allocated."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        for _ in range(times):
            work()
    return [event.self_cpu_memory_usage for event in profiled.events()]


def test_acting_allocates_no_more_than_its_state(agent):
    assert max(torch_allocations(lambda: agent.e_greedy(0.0), 5)) <= 4 * 4 * 84 * 84


FLOATS_OF_AN_UPDATE = 0
"""s and s2 as floats."""


def test_an_update_allocates_only_the_floats_of_its_states(agent):
    sizes = torch_allocations(agent.q_learn_minibatch, 4)
    assert len([size for size in sizes if size >= BATCH]) <= 4 * FLOATS_OF_AN_UPDATE
