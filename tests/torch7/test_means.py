from __future__ import annotations

import numpy as np
import torch

from dqn_port.torch7.means import mean_all


def test_a_mean_is_summed_in_double_one_element_after_another():
    numbers = torch.tensor([[2.0**60, -(2.0**60)], [1, 1]])
    assert mean_all(numbers) == 0.5
    # 2^60 + 1 is 2^60 in double.
    assert mean_all(numbers.t()) == 0.25


def test_the_norm_of_as_many_weights_as_the_papers_network_has():
    rng = np.random.default_rng(1)
    weights = torch.from_numpy(rng.normal(size=(512, 3136)).astype(np.float32)).abs()
    total = 0.0
    for weight in weights.flatten().tolist():
        total += weight
    assert mean_all(weights) == total / weights.numel()
    assert mean_all(weights) != weights.double().mean().item()


def test_a_mean_of_what_is_not_finite_is_not_finite():
    assert np.isnan(mean_all(torch.tensor([1.0, torch.nan])))
    assert mean_all(torch.tensor([1.0, torch.inf])) == np.inf
