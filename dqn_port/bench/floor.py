"""The floor of an update: its multiplications at the machine's best matrix-product rate.

A worker measures the rates, so that each library gets its number of threads before it is loaded
and the process that is measured stays as it is: ``python -m dqn_port.bench.floor``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch

from dqn_port.bench.machine import pin
from dqn_port.bench.parts import Job, Measured, collected
from dqn_port.bench.workers import Worker, serve

LIBRARIES: Final = {"mkl": "torch.mm (MKL)", "onednn": "oneDNN", "openblas": "OpenBLAS (NumPy)"}

_SIZES: Final = (512, 1024)
"""Rows and columns of the square matrices."""


def flop_of_layers(forward: Sequence[float], batch: int) -> float:
    """Return the floating-point operations of the matrix products of one minibatch update.

    ``forward``: those of each layer's forward pass, for one transition. Per transition there are
    the target's forward pass, the network's, the gradients of all weights, and of all inputs but
    the first layer's.
    """
    return batch * (4 * sum(forward) - forward[0]) if forward else 0.0


def update_and_floor(job: Job, work: Callable[[int], float], updates: int, flop: float) -> Measured:
    """Measure updates in turns with the machine's best matrix products.

    ``work``: makes a number of updates and returns the seconds. ``updates``: per repeat. ``flop``:
    of the matrix products of one update.
    """
    rows = []
    with start_rates(job.threads, job.cores) as products:
        work(updates)
        for _ in range(job.repeats):
            answer = products.ask("run 5")
            row = {f"rate_{name}": answer[name] for name in LIBRARIES if name in answer}
            best = max(row.values())
            row["update"] = 1e3 * work(updates) / updates
            row["floor"] = 1e-6 * flop / best
            row["ratio"] = row["update"] / row["floor"]
            rows.append(row)
    about = {
        "update": (f"minibatch update, 1 of {updates} in a row", "ms"),
        "floor": (f"floor: {1e-9 * flop:.3g} GFLOP at the best rate", "ms"),
        "ratio": ("update ÷ floor", "×"),
        **{
            f"rate_{key}": (f"matrix product, {name}", "GFLOP/s") for key, name in LIBRARIES.items()
        },
    }
    return Measured(collected(rows, about))


def products(size: int) -> dict[str, Callable[[], object]]:
    """Return a product of two float32 matrices [size, size] by each library."""
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.randn(size, size, generator=generator) for _ in range(2))
    out, a_numpy, b_numpy = torch.empty(size, size), a.numpy(), b.numpy()
    out_numpy = np.empty_like(a_numpy)
    found: dict[str, Callable[[], object]] = {
        "mkl": lambda: torch.mm(a, b, out=out),
        "openblas": lambda: np.matmul(a_numpy, b_numpy, out=out_numpy),
    }
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        linear = torch.ops.mkldnn._linear_pointwise
        found["onednn"] = lambda: linear(a, b, None, "none", [], "")
    return found


def rates(by_size: dict[int, dict[str, Callable[[], object]]], times: int) -> dict[str, float]:
    """Return GFLOP/s of every library: the best of ``times`` products of each size."""
    best: dict[str, float] = {}
    with torch.no_grad():
        for size, functions in by_size.items():
            for _ in range(times):
                for name, product in functions.items():
                    started = time.perf_counter()
                    product()
                    seconds = time.perf_counter() - started
                    best[name] = max(best.get(name, 0.0), 2e-9 * size**3 / seconds)
    return best


def start_rates(threads: int, cores: list[int]) -> Worker:
    """Start the worker that measures the rates on ``threads``."""
    return Worker(
        "matrix products",
        [sys.executable, "-m", "dqn_port.bench.floor"],
        {"threads": threads, "cores": cores},
        environment={"OPENBLAS_NUM_THREADS": str(threads)},
    )


def _prepare(settings: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    pin(settings["cores"])
    torch.set_num_threads(settings["threads"])
    by_size = {size: products(size) for size in _SIZES}
    rates(by_size, 2)
    return lambda times: rates(by_size, times)


if __name__ == "__main__":
    serve(_prepare)
