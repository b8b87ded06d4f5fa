"""Where the network is computed, and how."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import torch

from dqn_port.errors import ArgsError, DeviceError
from dqn_port.native.library import set_threads
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.options import Options

DEVICE: Final = "auto, cpu, cuda or cuda:N"
"""What ``--device`` may be."""


@dataclass(frozen=True)
class Device:
    """Where the network is computed, and what to tell the user about it."""

    device: torch.device
    note: str = ""


def device_assignment(device: str) -> list[str]:
    """Return the assignment of option gpu that ``--device`` stands for.

    Raises:
        ArgsError: it is none of auto, cpu, cuda, cuda:N.
    """
    name, _, index = device.partition(":")
    if device == "auto":
        return []
    if device == "cpu":
        return ["gpu=-1"]
    if name == "cuda" and (not index or index.isdecimal()) and not device.endswith(":"):
        return [f"gpu={int(index) + 1 if index else 0}"]
    raise ArgsError(f"--device: expected {DEVICE}, got '{device}'")


def pick_device(opt: Options, *, explicit: bool = False) -> Device:
    """Return the device that option gpu names.

    ``explicit``: the user asked for CUDA by --device, so that its absence is an error.

    Raises:
        DeviceError: a CUDA device was asked for by name and is not there.
    """
    if opt.gpu < 0:
        return Device(torch.device("cpu"))
    index = opt.gpu - 1 if opt.gpu > 0 else _gpu_id()
    count = _count()
    if index < count:
        return Device(torch.device("cuda", index))
    there = _there(count)
    if explicit:
        raise DeviceError(
            f"--device: expected CUDA device {index}, but {there}; use --device cpu or auto"
        )
    return Device(torch.device("cpu"), f"gpu {opt.gpu}: {there}, so this runs on the CPU")


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
    index = int(number) if number else _gpu_id()
    count = _count()
    if index >= count:
        raise DeviceError(
            f"--device: expected CUDA device {index}, but {_there(count)}; use --device cpu"
        )
    return torch.device("cuda", index)


def _count() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _there(count: int) -> str:
    return f"this machine has {count or 'no'} CUDA device{'s' if count > 1 else ''}"


def _gpu_id() -> int:
    text = os.environ.get("GPU_ID", "0")
    return int(text) if text.isdecimal() else 0


def set_up_torch(opt: Options, device: torch.device) -> Generator:
    """Set the threads and the arithmetic, and return the seeded generator, one number drawn.

    Of option threads no more are used than there are cores for this process.

    Lua: initenv.lua, torchSetup. The number seeds the GPU's generator there.
    """
    threads = min(opt.threads, len(os.sched_getaffinity(0)))
    torch.set_num_threads(threads)
    set_threads(threads)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
    generator = Generator(opt.seed)
    generator.random()
    return generator
