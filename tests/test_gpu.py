"""The same agent on a CUDA device, against the original's traces and the CPU."""

from __future__ import annotations

import pytest
import torch

from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.networks.sequential import from_lua
from dqn_port.systems.lua_dqn.setup import load_options
from dqn_port.systems.lua_dqn.snapshot import load_network
from dqn_port.systems.lua_dqn.system import SYSTEM
from dqn_port.systems.lua_dqn.train_agent import Evaluated
from dqn_port.verify.groups import verify
from tests.systems.lua_dqn.trace_options import words_of_trace

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda", 0)


@pytest.mark.parametrize("group", ["init", "upd_full", "upd_small_1", "loop_B_s1", "loop_C_s1"])
def test_the_traces_are_met_on_the_device(group):
    (result,) = verify(only=(group,), device=CUDA)
    assert (result.error, list(map(str, result.differences))) == ("", [])


def test_a_whole_run_on_the_device_saves_what_the_cpu_reads(tmp_path):
    opt = load_options(lua_words=words_of_trace("loop_B_s1"), assignments=["gpu=0"])
    run = Run(SYSTEM, opt, tmp_path)
    events = [e for e in run.train("cuda:0") if isinstance(e, Evaluated)]
    assert len(events) == 6
    saved = load_network(run.newest_networks(), best=True)
    assert from_lua(saved.module, saved.where).is_finite()
