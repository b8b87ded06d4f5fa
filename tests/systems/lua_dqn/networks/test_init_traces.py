"""Networks that were saved and loaded, or copied, value states as the original's did.

That they are built as the original's were, weight by weight, is tested in
tests/verify/test_groups.py.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dqn_port.systems.lua_dqn.networks.sequential import from_lua
from dqn_port.systems.lua_dqn.traces.replaying import network_of_parts
from tests.golden_files import arrays, meta

NETS = meta("init")["nets"]


@pytest.mark.parametrize("net", NETS, ids=lambda n: f"{n['network']}-{n['n_actions']}-{n['seed']}")
def test_a_saved_and_a_copied_network_give_the_originals_values(net):
    cpu = torch.device("cpu")
    network, _ = network_of_parts(net["network"], net["n_actions"], net["seed"], cpu)
    stem = f"{net['network']}_n{net['n_actions']}_seed{net['seed']}"
    j = np.arange(28224)
    s = np.stack([((b * 7919 + j * 104729) % 256) / np.float32(255) for b in (0, 1)])
    for candidate in (from_lua(network.to_lua(), "network"), network.clone()):
        q = candidate.forward(torch.from_numpy(s.astype(np.float32)))
        np.testing.assert_allclose(q.numpy(), arrays("init")[f"{stem}_forward2"], atol=1e-6, rtol=0)
