"""Read the traces in tests/golden, all made by the Lua original."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GOLDEN = Path(__file__).parent / "golden"


@functools.cache
def arrays(group: str) -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN / f"{group}.npz") as file:
        return {name: file[name] for name in file.files}


@functools.cache
def meta(group: str) -> Any:
    return json.loads((GOLDEN / f"{group}.json").read_text())
