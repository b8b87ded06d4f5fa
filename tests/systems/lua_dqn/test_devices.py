"""Where the network is computed, by option gpu and by --device."""

from __future__ import annotations

import os

import pytest
import torch

from dqn_port.errors import (
    DeviceError,
)
from dqn_port.native.library import kernels
from dqn_port.systems.lua_dqn.devices import pick_device, set_up_torch
from tests.systems.lua_dqn.test_setup import toy_options

# The device.


def cuda(monkeypatch, n_devices):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_devices > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_devices)
    monkeypatch.delenv("GPU_ID", raising=False)


@pytest.mark.parametrize(
    ("gpu", "n_devices", "gpu_id", "device", "note"),
    [
        (-1, 0, None, "cpu", ""),
        (-1, 2, None, "cpu", ""),
        (0, 2, None, "cuda:0", ""),
        (0, 2, "1", "cuda:1", ""),
        (0, 2, "x", "cuda:0", ""),
        (1, 2, "1", "cuda:0", ""),
        (2, 2, None, "cuda:1", ""),
        (0, 0, None, "cpu", "gpu 0: this machine has no CUDA device, so this runs on the CPU"),
        (3, 2, None, "cpu", "gpu 3: this machine has 2 CUDA devices, so this runs on the CPU"),
        (2, 1, None, "cpu", "gpu 2: this machine has 1 CUDA device, so this runs on the CPU"),
    ],
)
def test_the_device_follows_option_gpu(monkeypatch, gpu, n_devices, gpu_id, device, note):
    cuda(monkeypatch, n_devices)
    if gpu_id is not None:
        monkeypatch.setenv("GPU_ID", gpu_id)
    picked = pick_device(toy_options(gpu=gpu))
    assert (str(picked.device), picked.note) == (device, note)


def test_only_a_device_asked_for_by_name_must_be_there(monkeypatch):
    cuda(monkeypatch, 1)
    with pytest.raises(DeviceError) as caught:
        pick_device(toy_options(gpu=2), explicit=True)
    assert str(caught.value) == (
        "--device: expected CUDA device 1, but this machine has 1 CUDA device; use --device cpu "
        "or auto"
    )
    assert caught.value.exit_code == 1
    assert str(pick_device(toy_options(gpu=1), explicit=True).device) == "cuda:0"


@pytest.mark.parametrize(("asked", "cores", "used"), [(4, 2, 2), (4, 64, 4), (1, 8, 1)])
def test_no_more_threads_are_used_than_there_are_cores(monkeypatch, asked, cores, used):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
    before, library = torch.get_num_threads(), kernels()
    try:
        set_up_torch(toy_options(threads=asked), torch.device("cpu"))
        assert torch.get_num_threads() == used
        assert library is not None
        assert library.allowed_threads(100) == used
    finally:
        torch.set_num_threads(before)
        library.set_threads(1)
