"""How far numbers may differ. What is discrete, or drawn, must be equal."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """Largest absolute differences."""

    q: float
    """Of action values in whole runs, and of means of them."""
    w: float
    """Of weights, gradients and their averages after a whole run."""
    v: float
    """Of the histories of V and the TD error."""
    update: float
    """Of 20 updates: targets, delta, q2_max, dw, g, g2, w."""
    sensitive: float
    """Of the 11th and later updates of the full network without a target network."""
    forward: float
    """Of the action values of a network as it was built."""
    parts_at_ties: bool
    """Whether a run may diverge from the original's where the best two action values are equal
    within the tolerance."""

    def __str__(self) -> str:
        return (
            f"action values {self.q:g}, weights {self.w:g}, V and TD error {self.v:g}, "
            f"updates {self.update:g}"
        )


# Float32 sums in another order differ by about 1e-7 of their size; over thousands of updates that
# adds up to 6e-6 in action values and 3e-6 in weights (measured between OpenBLAS and PyTorch).
CPU = Tolerances(
    q=1e-4, w=1e-5, v=1e-6, update=1e-6, sensitive=1e-3, forward=1e-6, parts_at_ties=False
)

# A GPU also computes in float32, with TF32 off (devices.set_up_torch), but sums in blocks, and
# cuDNN may use convolution algorithms (Winograd, FFT) with rounding errors 10 to 100 times as
# large. So the tolerances are 100 times those of the CPU, or 10 times where those were generous.
GPU = Tolerances(
    q=1e-3, w=1e-4, v=1e-4, update=1e-4, sensitive=1e-2, forward=1e-4, parts_at_ties=True
)


def tolerances_of(device: torch.device) -> Tolerances:
    """Return the tolerances for a network that is computed on ``device``."""
    return CPU if device.type == "cpu" else GPU
