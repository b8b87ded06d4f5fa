"""Minibatch updates against the original's qLearnMinibatch and getQUpdate."""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import pytest
import torch

from dqn_port.interfaces import Minibatch
from tests.agents.building import make_agent
from tests.golden_files import arrays, meta

BASE = {"target_q": 1_000_000, "clip_delta": 1, "rescale_r": True, "lr": 0.00025, "wc": 0}
BARE = {"target_q": None, "clip_delta": None, "rescale_r": None}
VARIANTS = {
    "base": {},
    "no_target": {"target_q": None},
    "no_clip": {"clip_delta": None},
    "no_rescale": {"rescale_r": None},
    "wc": {"wc": 0.01},
    "anneal": {"lr": 0.01, "lr_end": 0.001, "lr_endt": 50},
    "all_off": BARE | {"wc": 0.01, "lr": 0.01},
    "clip01": {"clip_delta": 0.1, "lr": 0.01},
    "all_off_full": BARE | {"wc": 0.01, "lr": 0.00025},
}
FIELDS = ("w", "dw", "g", "g2")


def make_bytes(u: int, n_batch: int, which: int) -> np.ndarray:
    b = np.arange(n_batch, dtype=np.int64)[:, None]
    j = np.arange(28224, dtype=np.int64)
    h = (u * 1000003 + b * 8191 + j * 131 + which * 524287 + 12345) % 65536
    for _ in range(2):
        h = (h * 25173 + 13849) % 65536
    return (h // 256).astype(np.uint8)


@functools.cache
def make_batch(u: int, n_batch: int, n_actions: int) -> Minibatch:
    b = np.arange(n_batch)
    return Minibatch(
        torch.from_numpy(make_bytes(u, n_batch, 0)),
        torch.from_numpy((u * 7 + b * 3) % n_actions),
        torch.from_numpy((((u * 5 + b * 11) % 9 - 4) * 0.5).astype(np.float32)),
        torch.from_numpy(make_bytes(u, n_batch, 1)),
        torch.from_numpy(((u + b * 3) % 7 == 0).astype(np.uint8)),
    )


def largest(vector, agent):
    """Return the largest absolute value of each parameter tensor: float64 [10]."""
    sizes = [int(np.prod(shape)) for layer in agent.network.layers for shape in layer.shapes()]
    return np.array([part.abs().max().item() for part in vector.split(sizes)])


def replay_variant(net, n_actions, n_batch, variant, expected, *, exact_until, lasting_atol):
    params = BASE | {"lr_endt": 1_000_000, "discount": 0.99, "learn_start": 50}
    agent = make_agent(params | VARIANTS[variant], n_actions=n_actions, network=net)
    agent.r_max = 2.5
    stem = f"{net}_{variant}"
    np.testing.assert_array_equal(agent.network.w[:16].detach(), expected[f"{stem}_w0_first16"])
    for u in range(20):
        atol = 1e-6 if u < exact_until else lasting_atol
        if atol is None:
            break
        agent.num_steps = 50 + 4 * (u + 1)
        if agent.target_network is not None and u == 10:
            agent.target_network.copy_from(agent.network)
        batch = make_batch(u % 5, n_batch, n_actions)
        targets, delta, q2_max = agent.get_q_update(batch, keep=False)
        for name, got in (("targets", targets), ("delta", delta), ("q2_max", q2_max)):
            np.testing.assert_allclose(
                got, expected[f"{stem}_{name}"][u], atol=atol, rtol=0, err_msg=f"{name} {u}"
            )
        agent.learn(batch)
        assert agent.lr == expected[f"{stem}_lr"][u]
        vectors = {
            "w": agent.network.w.detach(),
            "dw": agent.network.dw,
            "g": agent.optimiser.g,
            "g2": agent.optimiser.g2,
        }
        for name, vector in vectors.items():
            np.testing.assert_allclose(
                largest(vector, agent), expected[f"{stem}_stat_{name}"][u][:, 2], atol=atol, rtol=0
            )
            if (key := f"{stem}_u{u + 1}_{name}") in expected:
                np.testing.assert_allclose(vector, expected[key], atol=atol, rtol=0, err_msg=key)
    return vectors


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "all_off_full"])
def test_small_updates_are_the_originals(variant):
    for which in ("s", "s2"):
        for u in range(5):
            digest = hashlib.sha256(make_bytes(u, 4, int(which == "s2")).tobytes()).hexdigest()
            assert digest == meta("upd_small")["sha256"][f"batch{u}_{which}"]
    expected = arrays("upd_small_1") | arrays("upd_small_2")
    for u in range(5):
        batch = make_batch(u, 4, 4)
        np.testing.assert_array_equal(batch.a + 1, expected[f"batch{u}_a"])
        np.testing.assert_array_equal(batch.r, expected[f"batch{u}_r"])
        np.testing.assert_array_equal(batch.term, expected[f"batch{u}_term"])
    replay_variant("net_small", 4, 4, variant, expected, exact_until=20, lasting_atol=1e-6)


@pytest.mark.parametrize(
    ("variant", "exact_until", "lasting_atol"),
    [("base", 20, 1e-6), ("no_target", 10, 1e-3), ("all_off_full", 5, None)],
)
def test_updates_of_the_full_network_are_the_originals(variant, exact_until, lasting_atol):
    expected = arrays("upd_full")
    np.testing.assert_array_equal(make_bytes(0, 32, 0)[:, :8], expected["batch0_s_probe"])
    np.testing.assert_array_equal(make_bytes(4, 32, 1)[:, :8], expected["batch4_s2_probe"])
    replay_variant(
        "convnet_atari3",
        6,
        32,
        variant,
        expected,
        exact_until=exact_until,
        lasting_atol=lasting_atol,
    )


COMBOS = {
    "none": {},
    "max1": {"max_reward": 1},
    "min-1": {"min_reward": -1},
    "min-1_max1": {"min_reward": -1, "max_reward": 1},
    "rescale": {"rescale_r": True},
    "rescale_max4": {"rescale_r": True, "max_reward": 4},
    "rescale_min-1_max1": {"rescale_r": True, "min_reward": -1, "max_reward": 1},
}


@pytest.mark.parametrize("k", range(1, 8))
def test_rewards_are_clipped_and_rescaled_as_by_the_original(k):
    combo = meta("reward")["combos"][k - 1]
    agent = make_agent(COMBOS[combo] | {"learn_start": 100}, n_actions=4, network="net_small")
    screen = np.zeros((3, 210, 160), dtype=np.float32)
    rewards = meta("reward")["rewards"]
    for i, reward in enumerate(rewards):
        agent.perceive(reward, screen, False)
        assert agent.r_max == arrays("reward")[f"c{k}_rmax"][i]
    stored = agent.transitions.r[: len(rewards) - 1]
    np.testing.assert_array_equal(stored, arrays("reward")[f"c{k}_r"])
