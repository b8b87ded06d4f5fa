"""Where networks are computed."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from dqn_port.errors import ArgsError, DeviceError
from dqn_port.native.library import set_threads


@dataclass(frozen=True)
class Device:
    """Where the network is computed, and a note for the user about it."""

    device: torch.device
    note: str = ""


def device_named(name: str) -> torch.device:
    """Return the device that cpu, cuda or cuda:N names; cuda is the first, or GPU_ID's.

    Raises:
        ArgsError: another name.
        DeviceError: it is not there.
    """
    kind, _, number = name.partition(":")
    if name == "cpu":
        return torch.device("cpu")
    if kind != "cuda" or (name != "cuda" and not number.isdecimal()):
        raise ArgsError(f"--device: expected cpu, cuda or cuda:N, got '{name}'")
    index = int(number) if number else gpu_id()
    count = cuda_devices()
    if index >= count:
        raise DeviceError(
            f"--device: expected CUDA device {index}, but {there_are(count)}; use --device cpu"
        )
    return torch.device("cuda", index)


def cuda_devices() -> int:
    """Return how many CUDA devices there are."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def there_are(count: int) -> str:
    """Say how many CUDA devices there are."""
    return f"this machine has {count or 'no'} CUDA device{'s' if count > 1 else ''}"


def gpu_id() -> int:
    """Return the device that the environment's GPU_ID names; 0 without one."""
    text = os.environ.get("GPU_ID", "0")
    return int(text) if text.isdecimal() else 0


def use_threads(threads: int) -> None:
    """Have PyTorch and the kernels use so many threads, but no more than there are cores."""
    threads = min(threads, len(os.sched_getaffinity(0)))
    torch.set_num_threads(threads)
    set_threads(threads)
