"""Make small folders of traces from the shipped ones, to break them and to leave things out."""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

from dqn_port.verify.groups import GroupResult, verify
from tests.golden_files import arrays, meta

Arrays = dict[str, Any]


def write(folder: Path, name: str, data: Arrays, about: Any = None) -> None:
    """Write one group."""
    if data:
        np.savez(folder / f"{name}.npz", **data)
    if about is not None:
        (folder / f"{name}.json").write_text(json.dumps(about))


def replay(folder: Path, name: str = "x", data: Arrays | None = None, about: Any = None,
           **more: Any) -> GroupResult:  # fmt: skip
    """Write one group and replay it."""
    write(folder, name, data or {}, about)
    (result,) = verify(folder, only=(name,), **more)
    return result


def shown(result: GroupResult) -> list[str]:
    """Return the error, if there is one, and a line for every array that differs."""
    return [*([result.error] if result.error else []), *map(str, result.differences)]


@functools.cache
def _loop() -> tuple[Arrays, dict[str, Any]]:
    """Return the first 200 steps of loop C, two evaluations among them: 280 calls."""
    data, about = arrays("loop_C_s1"), copy.deepcopy(meta("loop_C_s1"))
    words = about["argv"]
    (at,) = (i for i, word in words.items() if word == "-steps")
    words[str(int(at) + 1)] = "200"
    about["ncalls"] = 280
    about["best_network_changes"] = about["best_network_changes"][:1]
    for key in ("ndraw_total",):
        del about[key]
    fills = data["fill_buffer"].reshape(-1, 5)
    n_fills = int((fills[:, 0] <= 280).sum())
    updates = data["mb_call"] <= 280
    n_learns = int(data["mb_is_learn"][updates].sum())
    small: Arrays = {name: array[:280] for name, array in data.items() if name.startswith("p_")}
    for name, array in data.items():
        if name.startswith("mb_"):
            every = len(array) == len(updates)
            small[name] = array[: updates.sum() if every else n_learns]
        elif name.startswith("h_"):
            small[name] = array[:2]
        elif name.startswith("valid_"):
            small[name] = array
    greedy = data["q_call"] <= 280
    small |= {
        "q": data["q"][greedy],
        "q_call": data["q_call"][greedy],
        "w_numSteps": data["w_numSteps"][:1],
        "w": data["w"][:1],
        "fill_buffer": fills[:n_fills].reshape(-1),
        "sample_index": data["sample_index"][: n_fills * 64],
    }
    return small, about


def loop() -> tuple[Arrays, dict[str, Any]]:
    """Return a run of a tenth of a second, to be changed at will."""
    data, about = _loop()
    return {name: array.copy() for name, array in data.items()}, copy.deepcopy(about)


def some(group: str, *beginnings: str) -> Arrays:
    """Return copies of the arrays of a shipped group whose names begin so."""
    data = arrays(group)
    return {name: data[name].copy() for name in data if name.startswith(beginnings)}


def about(group: str) -> Any:
    """Return a copy of a shipped group's .json."""
    return copy.deepcopy(meta(group))
