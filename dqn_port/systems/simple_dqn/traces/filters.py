"""The filters of an untrained network against the original's: choice, pictures and sums."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.systems.simple_dqn.deepqnetwork import DeepQNetwork
from dqn_port.systems.simple_dqn.filters import Filter, colours, find_filters
from dqn_port.systems.simple_dqn.system import SYSTEM
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_ACTIVATION: Final = 2e-6
_NAMES: Final = (
    "random_seed",
    "history_length",
    "visualization_filters",
    "batch_size",
    "screen_height",
    "screen_width",
)


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Search the trace's states for the filters, and compare the results and the pictures."""
    args = trace.key("args", dict)
    n_states, n_actions, *values = (
        trace.key(name, int, of=args, where="args") for name in ("n_states", "n_actions", *_NAMES)
    )
    given = [f"{name}={value}" for name, value in zip(_NAMES, values, strict=True)]
    options = SYSTEM.load(assignments=["game=toyA", "backend=cpu", "replay_size=1000", *given])
    states = _states(n_states, options)
    digest = hashlib.sha256(states.tobytes()).hexdigest()
    compare.value("states_sha256", trace.meta.get("states_sha256"), digest)
    network = DeepQNetwork(options, n_actions).model
    found = list(
        find_filters(
            network,
            states,
            n=options["visualization_filters"],
            batch_size=options["batch_size"],
        )
    )
    layers = trace.key("layers", list)
    compare.value("layers", layers, sorted({one.layer for one in found}))
    for layer in layers:
        of_layer = [one for one in found if one.layer == layer]
        rows = np.array([(one.batch, one.row) for one in of_layer])
        compare.array(f"l{layer}_batch_img", rows)
        compare.array(f"l{layer}_fm_loc", np.array([[one.position] for one in of_layer]))
        activations = np.array([[one.activation] for one in of_layer])
        compare.array(f"l{layer}_activation", activations, tolerance=_ACTIVATION)
        compare.array(f"l{layer}_vis_sum", np.array([_sums(one.seen) for one in of_layer]))
        compare.array(f"l{layer}_image_sum", np.array([_sums(one.state) for one in of_layer]))
        compare.array(f"l{layer}_vis_0", of_layer[0].seen)
    hashes = {f"{one.layer}_{one.number}": _hashes(one) for one in found}
    compare.value("sha256", trace.meta.get("sha256"), hashes)
    compare.what = f"{plural(len(found), 'filter')} among {plural(n_states, 'state')}"


def _states(n: int, options: dict[str, Any]) -> NDArray[np.uint8]:
    """Return the trace's states: uint8 [n, H, h, w]."""
    history, height, width = (
        options[name] for name in ("history_length", "screen_height", "screen_width")
    )
    t = (np.arange(n)[:, None] + np.arange(history))[..., None, None]
    y, x = np.mgrid[:height, :width]
    base = (3 * y + 2 * x) % 40 + 10 * ((y // 9 + x // 7) % 2)
    ball = (abs(y - 5 * t % height) < 3) & (abs(x - 7 * t % width) < 3)
    states = np.where(ball, 220, base)
    states[..., :4, :] = 0
    return states.astype(np.uint8)


def _sums(image: NDArray[np.uint8]) -> list[int]:
    return [int(image[..., channel].sum(dtype=np.int64)) for channel in range(image.shape[2])]


def _hashes(found: Filter) -> dict[str, str]:
    """Return the hashes of the two pictures as they were drawn: RGBA, rows bottom up."""
    hashes = {}
    for name, image in (("image_rgba", found.state), ("vis_rgba", found.seen)):
        opaque = np.full((*image.shape[:2], 1), 255, dtype=np.uint8)
        drawn = np.concatenate([colours(image), opaque], axis=2)[::-1]
        hashes[name] = hashlib.sha256(np.ascontiguousarray(drawn).tobytes()).hexdigest()
    return hashes
