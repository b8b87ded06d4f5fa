"""The shipped file wins CartPole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dqn_port.systems.practical_rl.final_score import final_score
from dqn_port.systems.practical_rl.system import SYSTEM

FILE = Path(__file__).parents[3] / "legacy_args" / "practical_rl_cartpole.json"


@pytest.mark.slow
def test_cartpole_is_won():
    last = []
    for seed in (0, 1, 2):
        opt = SYSTEM.load(args_file=FILE, assignments=[f"seed={seed}"])
        run = SYSTEM.training(opt)
        while not run.done:
            run.tick()
        last.append(final_score(opt, run.agent, seed=1000).score)
        with torch.no_grad():
            for name, parameter in run.agent.named_parameters():
                parameter.copy_(torch.from_numpy(run.networks()["best"][name]))
        assert final_score(opt, run.agent, seed=1000).score >= 300, seed
    assert np.sum(np.array(last) >= 300) >= 2
