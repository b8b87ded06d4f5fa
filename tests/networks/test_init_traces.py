"""Weights drawn and values computed, against networks that the original constructed."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from dqn_port.interfaces import NetworkArgs
from dqn_port.networks.convnet_atari3 import convnet_atari3
from dqn_port.networks.sequential import from_lua
from dqn_port.networks.toy import net_small
from dqn_port.torch7.generator import Generator
from dqn_port.torch7.t7 import dumps, loads
from tests.golden_files import arrays, meta

BUILDERS = {"convnet_atari3": convnet_atari3, "net_small": net_small}
NETS = meta("init")["nets"]


@pytest.mark.parametrize("net", NETS, ids=lambda n: f"{n['network']}-{n['n_actions']}-{n['seed']}")
def test_the_weights_are_the_originals_bit_for_bit_and_so_are_the_draws(net):
    generator = Generator(net["seed"])
    assert generator.random() == int(net["first_random"])
    args = NetworkArgs(n_actions=net["n_actions"], hist_len=4, ncols=1, input_dims=(4, 84, 84))
    network = BUILDERS[net["network"]](args, generator)
    assert network.w.numel() == net["nparams"]
    assert hashlib.sha256(network.w.numpy().tobytes()).hexdigest() == net["sha256"]
    assert generator.random() == int(net["next_random_after_construction"])

    stem = f"{net['network']}_n{net['n_actions']}_seed{net['seed']}"
    j = np.arange(28224)
    s = np.stack([((b * 7919 + j * 104729) % 256) / np.float32(255) for b in (0, 1)])
    for candidate in (network, from_lua(loads(dumps(network.to_lua())), "network"), network.clone()):
        q = candidate.forward(torch.from_numpy(s.astype(np.float32)))
        np.testing.assert_allclose(q.numpy(), arrays("init")[f"{stem}_forward2"], atol=1e-6, rtol=0)
