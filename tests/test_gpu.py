"""The same agent on a CUDA device, against the original's traces and the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dqn_port.assemble import load_options
from dqn_port.run import Run
from dqn_port.snapshot import load_snapshot
from dqn_port.train import Evaluated
from tests.agents.building import make_agent
from tests.agents.test_update_traces import BASE, make_batch
from tests.golden_files import arrays
from tests.trace_options import words_of_trace

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda", 0)


def test_updates_on_the_device_are_the_originals():
    # Sums run in another order there; 1e-4 is a thousand times what that moves a target by.
    params = BASE | {"lr_endt": 1_000_000, "discount": 0.99, "learn_start": 50}
    agent = make_agent(params, n_actions=6, network="convnet_atari3", device=CUDA)
    agent.r_max = 2.5
    expected = arrays("upd_full")
    for u in range(10):
        agent.num_steps = 50 + 4 * (u + 1)
        batch = make_batch(u % 5, 32, 6)
        targets, _, q2_max = agent.get_q_update(batch, keep=False)
        np.testing.assert_allclose(
            targets.cpu(), expected["convnet_atari3_base_targets"][u], atol=1e-4, rtol=0
        )
        np.testing.assert_allclose(
            q2_max.cpu(), expected["convnet_atari3_base_q2_max"][u], atol=1e-4, rtol=0
        )
        agent.learn(batch)


def test_a_whole_run_on_the_device_saves_what_the_cpu_reads(tmp_path):
    opt = load_options(lua_words=words_of_trace("loop_B_s1"), assignments=["gpu=0"])
    run = Run(opt, tmp_path)
    events = [e for e in run.train(CUDA) if isinstance(e, Evaluated)]
    assert len(events) == 6
    modules = load_snapshot(run.snapshot_path).network_table()["modules"]
    assert all(module["weight"].device.type == "cpu" for module in modules if "weight" in module)
