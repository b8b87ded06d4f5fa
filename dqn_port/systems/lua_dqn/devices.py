"""The device that computes the network, and its settings."""

from __future__ import annotations

import torch

from dqn_port.devices import Device, cuda_devices, gpu_id, there_are, use_threads
from dqn_port.errors import DeviceError
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.options import Options


def pick_device(opt: Options, *, explicit: bool = False) -> Device:
    """Return the device that option gpu names.

    ``explicit``: the user asked for CUDA with --device, so that a missing device is an error.

    Raises:
        DeviceError: a CUDA device was asked for by name and does not exist.
    """
    if opt.gpu < 0:
        return Device(torch.device("cpu"))
    index = opt.gpu - 1 if opt.gpu > 0 else gpu_id()
    count = cuda_devices()
    if index < count:
        return Device(torch.device("cuda", index))
    there = there_are(count)
    if explicit:
        raise DeviceError(
            f"--device: expected CUDA device {index}, but {there}; use --device cpu or auto"
        )
    return Device(torch.device("cpu"), f"gpu {opt.gpu}: {there}, so this runs on the CPU")


def set_up_torch(opt: Options, device: torch.device) -> Generator:
    """Set threads and arithmetic; return the seeded generator after its first draw.

    Option threads is limited to the number of cores of this process.

    Lua: initenv.lua, torchSetup, where the first draw seeds the GPU's generator.
    """
    use_threads(opt.threads)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
    generator = Generator(opt.seed)
    generator.random()
    return generator
