"""State on disk: trees of plain values and arrays, in a .t7 file.

A tree is made of dicts with str keys, lists, None, bool, int, float, str, bytes and NumPy arrays.
Its plain part is one string of JSON in the file, its arrays are tensors; so what a stranger may
have written is read by the strict reader of .t7 files and by JSON's, and never executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import CheckpointError, T7Error
from dqn_port.torch7.t7 import load, save
from dqn_port.torch7.tensors import Tensor
from dqn_port.torch7.values import LuaTable

_FORMAT: Final = "dqn-port state 1"
_ARRAY: Final = "$array"
_BYTES: Final = "$bytes"
# Torch7 has no such numbers; they are stored as others, exactly.
_STORED_AS: Final = {"uint32": np.int64, "bool": np.uint8}
_DTYPES: Final = frozenset(
    {"uint8", "int8", "int16", "int32", "int64", "float32", "float64", *_STORED_AS}
)


def save_state(path: Path, tree: Mapping[str, Any]) -> None:
    """Write a tree whole.

    Raises:
        T7Error: the file cannot be written.
    """
    arrays: list[NDArray[Any]] = []
    text = json.dumps(_to_json(tree, arrays))
    tensors = [Tensor.from_array(array.reshape(-1)) for array in arrays]
    save(path, {"format": _FORMAT, "tree": text, "arrays": LuaTable.from_list(tensors)})


def _to_json(value: Any, arrays: list[NDArray[Any]]) -> Any:
    if isinstance(value, Mapping):
        assert all(isinstance(key, str) and not key.startswith("$") for key in value)
        return {key: _to_json(inner, arrays) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(inner, arrays) for inner in value]
    if isinstance(value, bytes):
        return {_BYTES: value.hex()}
    if isinstance(value, np.ndarray):
        dtype = value.dtype.name
        assert dtype in _DTYPES, f"no state has arrays of {dtype}"
        arrays.append(value.astype(_STORED_AS.get(dtype, value.dtype), copy=False))
        return {_ARRAY: len(arrays), "dtype": dtype, "shape": list(value.shape)}
    if isinstance(value, np.generic):
        return value.item()
    return value


def load_state(path: Path) -> dict[str, Any]:
    """Read a tree. Its arrays may be views of the file, and need not be aligned.

    Raises:
        CheckpointError: the file cannot be read, is damaged, or something else.
    """
    try:
        table = load(path)
    except T7Error as error:
        raise CheckpointError(str(error)) from error
    if not isinstance(table, LuaTable) or table.get("format") != _FORMAT:
        raise CheckpointError(f"{path}: expected the format '{_FORMAT}', got {table!r}")
    text, arrays = table.get("tree"), table.get("arrays")
    try:
        if not isinstance(text, str) or not isinstance(arrays, LuaTable):
            raise ValueError("no tree or no arrays")
        # Every array is taken once: a small file cannot ask for many copies of a large one.
        tree = _from_json(json.loads(text), dict(enumerate(arrays.to_list(), start=1)))
        if not isinstance(tree, dict):
            raise ValueError("no dict")
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, T7Error) as error:
        raise CheckpointError(
            f"{path}: expected a tree of state, got something else: {error}"
        ) from error
    return tree


def _from_json(value: Any, arrays: dict[int, Any]) -> Any:
    if isinstance(value, list):
        return [_from_json(inner, arrays) for inner in value]
    if not isinstance(value, dict):
        return value
    if _BYTES in value:
        return bytes.fromhex(value[_BYTES])
    if _ARRAY in value:
        return _array(value, arrays)
    return {key: _from_json(inner, arrays) for key, inner in value.items()}


def _array(value: dict[str, Any], arrays: dict[int, Any]) -> NDArray[Any]:
    """Take the array of a mark; more than its tensor's storage holds is never allocated."""
    at, dtype, shape = value[_ARRAY], value["dtype"], value["shape"]
    if dtype not in _DTYPES or type(at) is not int:
        raise ValueError(f"array {at!r} of {dtype!r}")
    tensor = arrays.pop(at)
    if not isinstance(tensor, Tensor):
        raise ValueError(f"array {at} is {tensor!r}")
    held = 0 if tensor.storage is None else len(tensor.storage.array)
    stored = tensor.numpy() if tensor.element_count <= held else None
    if stored is None or stored.dtype != np.dtype(_STORED_AS.get(dtype, dtype)):
        raise ValueError(f"array {at} is {tensor!r}")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"array {at} of shape {shape!r}")
    return stored.astype(dtype, copy=False).reshape(shape)
