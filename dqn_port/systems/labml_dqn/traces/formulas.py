"""The inputs of traces: bytes, stacks, weights and their sums, by the formulas of their page."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.systems.labml_dqn.model import Model


def _scrambled(h: NDArray[np.int64]) -> NDArray[np.int64]:
    h = h % 65536
    for _ in range(2):
        h = (h * 25173 + 13849) % 65536
    return h


def made_bytes(base: int, n: int, step: int) -> NDArray[np.uint8]:
    """Return B(base, n, step): uint8 [n]."""
    return (_scrambled(base + np.arange(n, dtype=np.int64) * step) >> 8).astype(np.uint8)


def stack(i: int, which: int) -> NDArray[np.uint8]:
    """Return O(i, which): uint8 [4, 84, 84]."""
    return made_bytes(i * 8191 + which * 524287 + 12345, 28224, 131).reshape(4, 84, 84)


def picture(base: int) -> NDArray[np.uint8]:
    """Return a picture of made bytes: uint8 [210, 160, 3]."""
    return made_bytes(base, 210 * 160 * 3, 29).reshape(210, 160, 3)


def put_weights(model: Model, salt: int) -> None:
    """Give a network the weights W(k, salt)."""
    fan_in = 1
    with torch.no_grad():
        for k, parameter in enumerate(model.parameters()):
            if parameter.ndim > 1:
                fan_in = parameter[0].numel()
            j = np.arange(parameter.numel(), dtype=np.int64)
            h = _scrambled(k * 1000003 + salt * 7919 + j * 8191 + 12345)
            values = ((h / 32768 - 1) / np.sqrt(fan_in)).astype(np.float32)
            parameter.copy_(torch.from_numpy(values).reshape(parameter.shape))


def sha256(array: NDArray[Any]) -> str:
    """Return the sha256 of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def shas(tensors: Iterable[torch.Tensor]) -> list[str]:
    """Return the sha256 of each tensor's bytes."""
    return [sha256(tensor.detach().cpu().numpy()) for tensor in tensors]


def stats(tensors: Iterable[torch.Tensor]) -> NDArray[np.float64]:
    """Return sum, sum of squares and largest absolute value of each: float64 [n, 3]."""
    rows = []
    for tensor in tensors:
        x = tensor.detach().cpu().numpy().astype(np.float64).ravel()
        rows.append((x.sum(), (x * x).sum(), np.abs(x).max()))
    return np.array(rows)


def probe(tensors: Iterable[torch.Tensor]) -> NDArray[np.float32]:
    """Return eight elements of each, from the first to the last: float32 [n, 8]."""
    rows = []
    for tensor in tensors:
        x = tensor.detach().cpu().numpy().ravel()
        rows.append([x[m * (x.size - 1) // 7] for m in range(8)])
    return np.array(rows)
