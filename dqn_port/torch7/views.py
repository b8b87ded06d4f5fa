"""The elements of tensors, some at a time, however large the views are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.torch7.tensors import Tensor

# Elements that are looked at at once.
_PIECE: Final = 1 << 16


def repeated(tensor: Tensor) -> set[int]:
    """Return the dimensions along which an expanded view has the same elements again."""
    return {k for k, step in enumerate(tensor.stride) if step == 0}


def distinct(tensor: Tensor, dimensions: set[int]) -> Tensor:
    """Return the tensor with only the first place of some dimensions, the same storage."""
    if tensor.element_count == 0:
        return Tensor(tensor.class_name)
    size = tuple(1 if k in dimensions else n for k, n in enumerate(tensor.size))
    return Tensor(tensor.class_name, size, tensor.stride, tensor.offset, tensor.storage)


def pieces(*arrays: NDArray[Any]) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield the elements of arrays of one shape side by side, row by row, as copies."""
    count = math.prod(arrays[0].shape)
    flats = [array.flat for array in arrays]
    for start in range(0, count, _PIECE):
        yield tuple(np.asarray(flat[start : start + _PIECE]) for flat in flats)
