"""Replay the network: its first weights, its values and its gradients."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.systems.labml_dqn.model import Model, empty_model, obs_to_torch
from dqn_port.systems.labml_dqn.traces.formulas import (
    probe,
    put_weights,
    sha256,
    shas,
    stack,
    stats,
)
from dqn_port.systems.labml_dqn.traces.training import FLOATS
from dqn_port.verify.comparing import Comparer, plural, sum_tolerances
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

SUMS = 1e-12
"""Relative tolerance of sums, in double, of up to 1.6 million numbers."""


def replay_model(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Compare parameters, drawn weights, and values and gradients of made weights."""
    model = empty_model(4)
    parameters = [[name, list(p.shape)] for name, p in model.named_parameters()]
    compare.value("parameters", trace.meta["parameters"], parameters)
    compare.value("count", trace.meta["count"], sum(p.numel() for p in model.parameters()))
    compare.value("str", trace.meta["str"], str(model))
    for seed, drawn in trace.key("init", dict).items():
        _compare_init(compare, int(seed), drawn)
    for salt in (0, 1):
        _compare_formula(compare, trace, model, salt)
    compare.what = plural(len(trace.meta["init"]) + 2, "network")


def _compare_init(compare: Comparer, seed: int, drawn: dict[str, object]) -> None:
    generator = torch.Generator().manual_seed(seed)
    models = [empty_model(4), empty_model(4)]
    for model in models:
        model.draw(generator)
    model = models[0]
    got = {
        "model_sha256": shas(model.parameters()),
        "second_model_sha256": shas(models[1].parameters()),
        "next_rand": torch.rand(1, generator=generator).item(),
    }
    for name, value in drawn.items():
        compare.value(f"init.{seed}.{name}", value, got.get(name))
    compare_sums(compare, f"init{seed}_stats", stats(model.parameters()))
    compare.array(f"init{seed}_probe", probe(model.parameters()))
    with torch.no_grad():
        q = model(obs_to_torch(np.stack((stack(0, 0), stack(1, 0))), torch.device("cpu")))
    compare.array(f"init{seed}_q", q.numpy(), tolerance=FLOATS)


def _compare_formula(compare: Comparer, trace: Trace, model: Model, salt: int) -> None:
    stem = f"formula{salt}"
    put_weights(model, salt)
    obs = np.stack([stack(i, 2 + salt) for i in range(8)])
    inputs = obs_to_torch(obs, torch.device("cpu"))
    for name, got in (
        ("weight_sha256", shas(model.parameters())),
        ("input_sha256", sha256(inputs.numpy())),
    ):
        compare.value(f"{stem}_{name}", trace.meta[f"{stem}_{name}"], got)
    compare_sums(compare, f"{stem}_w_stats", stats(model.parameters()))
    compare.array(f"{stem}_w_probe", probe(model.parameters()))
    q = model(inputs)
    compare.array(f"{stem}_q", q.detach().numpy(), tolerance=FLOATS)
    b, a = torch.meshgrid(torch.arange(8), torch.arange(4), indexing="ij")
    model.zero_grad()
    (q * (((b * 5 + a * 3) % 7 - 3) * 0.25)).sum().backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    sums = stats(gradients)
    sizes = np.array([gradient.numel() for gradient in gradients])
    bounds = sum_tolerances(sizes, FLOATS, sums)
    compare.array(f"{stem}_grad_stats", sums, tolerance=bounds, sums=True)
    compare.array(f"{stem}_grad_probe", probe(gradients), tolerance=FLOATS)


def compare_sums(compare: Comparer, name: str, got: NDArray[np.float64]) -> None:
    """Compare sums of numbers, which were added in another order."""
    compare.array(name, got, tolerance=SUMS * (1 + np.abs(got)), sums=True)
