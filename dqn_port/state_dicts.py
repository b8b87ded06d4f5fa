"""Read a network's weights from a PyTorch file, a state dict, whoever wrote it."""

from __future__ import annotations

import io
import pickletools
import zipfile
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.errors import SnapshotError
from dqn_port.files import reading
from dqn_port.torch7.other_formats import HEAD, PYTORCH, other_format

Weights = dict[str, NDArray[np.float32]]
"""Name → float32 array; torch.nn.Sequential names those of its layer 1 1.weight and 1.bias."""

_PICKLE: Final = "/data.pkl"
_GLOBALS: Final = frozenset(
    {"torch._utils _rebuild_tensor_v2", "torch FloatStorage", "collections OrderedDict"}
)
"""The classes and functions in a pickled state dict of float32 tensors."""


def is_pytorch(path: Path) -> bool:
    """Tell by its first bytes whether a file is PyTorch's; False if it cannot be read."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return other_format(file.read(HEAD)) == PYTORCH
    except OSError:
        return False


def read_weights(path: Path) -> Weights:
    """Read the state dict of float32 tensors that a PyTorch file holds.

    Nothing in it is executed, and nothing grows beyond its size in the file: before unpickling,
    compressed entries and anything but tensors in plain dicts are refused.

    Raises:
        SnapshotError: it cannot be read, is damaged, or holds something else.
    """
    with reading(path, SnapshotError):
        content = path.read_bytes()
    try:
        plain = _copied(content, path)
        state = torch.load(plain, map_location="cpu", weights_only=True)
    except SnapshotError:
        raise
    except Exception as error:
        # Unpacking and unpickling may raise anything on damaged bytes.
        raise SnapshotError(
            f"{path}: expected a whole PyTorch file, got a damaged one; copy or export it again"
        ) from error
    if not isinstance(state, dict) or not state:
        _refuse(path, "a state dict", type(state).__name__)
    for name, tensor in state.items():
        plain_tensor = (
            isinstance(tensor, torch.Tensor)
            and tensor.dtype == torch.float32
            and tensor.numel() * tensor.itemsize <= tensor.untyped_storage().nbytes()
        )
        if not isinstance(name, str) or not plain_tensor:
            _refuse(path, "tensors of float32, each whole", f"{name!a:.40} without")
    return {name: tensor.detach().numpy() for name, tensor in state.items()}


def _copied(content: bytes, path: Path) -> io.BytesIO:
    """Return an archive of the checked entries only.

    Raises:
        SnapshotError: it is compressed, or holds other things.
    """
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(copy, "w") as target:
        entries = archive.infolist()
        packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        if packed or sum(entry.file_size for entry in entries) > len(content):
            _refuse(path, "uncompressed entries, as PyTorch writes them", "others")
        for entry in entries:
            data = archive.read(entry)
            if entry.filename.endswith(_PICKLE):
                _check_pickle(data, path)
            target.writestr(entry.filename, data)
    copy.seek(0)
    return copy


def _check_pickle(data: bytes, path: Path) -> None:
    for code, argument, _ in pickletools.genops(data):
        if code.name == "GLOBAL" and argument not in _GLOBALS:
            _refuse(path, "a state dict of float32 tensors", str(argument).replace(" ", ".")[:60])


def _refuse(path: Path, expected: str, got: Any) -> NoReturn:
    raise SnapshotError(
        f"{path}: expected {expected}, got {got}; export-weights writes what can be read here"
    )
