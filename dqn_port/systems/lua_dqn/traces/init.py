"""Networks as the original constructed them: their weights, what they drew, their values."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.traces.replaying import network_of_parts, shapes_of
from dqn_port.systems.lua_dqn.traces.tolerances import tolerances_of
from dqn_port.systems.lua_dqn.traces.watching import flat
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_MEANS: Final = 1e-12
"""Of means and deviations of up to 1.7 million weights, summed in double in any order."""


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Build every network of the trace."""
    nets = trace.key("nets", list)
    for at, net in enumerate(nets):
        _network(trace, compare, replaying, net, f"nets[{at}]")
        replaying.tell(at + 1, len(nets))
    compare.what = f"{plural(len(nets), 'network')} as built"


def _states() -> torch.Tensor:
    """Return the two states whose values the trace holds: float32 [2, 28224]."""
    b, j = np.arange(2)[:, None], np.arange(28224)
    return torch.from_numpy(((b * 7919 + j * 104729) % 256 / 255).astype(np.float32))


def _network(trace: Trace, compare: Comparer, replaying: Replaying, net: Any, where: str) -> None:
    name = trace.key("network", str, of=net, where=where)
    n_actions = trace.key("n_actions", int, of=net, where=where)
    seed = trace.key("seed", int, of=net, where=where)
    network, generator = network_of_parts(name, n_actions, seed, replaying.device)
    stem = f"{name}_n{n_actions}_seed{seed}"
    w = flat(network.w)
    values: dict[str, object] = {
        "first_random": str(Generator(seed).random()),
        "nparams": w.size,
        "sha256": _sha256(w),
        "next_random_after_construction": str(generator.random()),
    }
    for key, got in values.items():
        if key in net:
            compare.value(key, net[key], got, stem)
    _moments(compare, net, w, stem)
    layers = trace.key("layers", list, of=net, where=where) if "layers" in net else []
    if layers:
        shapes = [list(shape) for shape in shapes_of(network)]
        compare.value("layers", [layer.get("shape") for layer in layers], shapes, stem)
    for i, layer in enumerate(layers):
        place = f"{where}.layers[{i}]"
        offset = trace.key("offset0", int, of=layer, where=place)
        part = w[offset : offset + trace.key("nElement", int, of=layer, where=place)]
        module = trace.key("module_index", int, of=layer, where=place)
        layer_stem = f"{stem}_m{module}_{trace.key('field', str, of=layer, where=place)}"
        if "sha256" in layer:
            compare.value("sha256", layer["sha256"], _sha256(part), layer_stem)
        _moments(compare, layer, part, layer_stem)
        for key, pick in (("min", np.min), ("max", np.max)):
            if key in layer:
                # Nine digits tell every float32.
                got = float(f"{float(pick(part)):.9g}")
                compare.number(key, layer[key], got, tolerance=0.0, where=layer_stem)
        compare.array(f"{layer_stem}_first16", part[:16], family="*_first16")
        compare.array(f"{layer_stem}_last16", part[-16:], family="*_last16")
    if compare.holds(f"{stem}_w"):
        compare.array(f"{stem}_w", w)
    compare.array(
        f"{stem}_forward2",
        network.forward(_states().to(replaying.device)).cpu().numpy(),
        tolerance=tolerances_of(replaying.device).forward,
        family="*_forward2",
    )


def _sha256(w: NDArray[np.float32]) -> str:
    return hashlib.sha256(w.astype("<f4").tobytes()).hexdigest()


def _moments(compare: Comparer, table: dict[str, Any], w: NDArray[np.float32], where: str) -> None:
    x = w.astype(np.float64)
    for key, got in (("mean", x.mean()), ("std", x.std(ddof=1) if x.size > 1 else 0.0)):
        if key in table:
            compare.number(key, table[key], float(got), tolerance=_MEANS, where=where)
