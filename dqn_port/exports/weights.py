"""A network's weights for PyTorch, as a plain state dict."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.files import write_whole


def write_weights(path: Path, weights: Mapping[str, NDArray[Any]]) -> None:
    """Write a state dict whole; ``torch.load(path, weights_only=True)`` reads it.

    Raises:
        RunFolderError: see files.write_whole.
    """
    # torch.save replaces the error of a full disk by its own, so it writes to memory.
    buffer = io.BytesIO()
    state = {name: torch.from_numpy(np.array(values)) for name, values in weights.items()}
    torch.save(state, buffer)
    write_whole(path, lambda file: file.write(buffer.getbuffer()))
